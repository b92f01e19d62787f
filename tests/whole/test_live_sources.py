"""Streams at URLs are scanned side by side, from the server to the lines."""

from __future__ import annotations

import threading
from pathlib import Path

from scanner import FrameLine, SummaryLine, scan_paths
from scanner.settings.sections import ModelSettings, Settings
from tests.sources.loopback import Answer, run_server

PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n0.ts\n#EXTINF:4,\n1.ts\n#EXT-X-ENDLIST\n"


def test_two_streams_at_urls_are_scanned_at_once(demo_media: Path) -> None:
    """The second segment of each stream is served after the first of the other was scanned."""
    media = sorted((demo_media / "test-card").glob("*.ts"))[:2]
    with run_server() as server:
        scanned = {f"{server.origin}/{name}/index.m3u8": threading.Event() for name in "ab"}
        for name, other in ("ab", "ba"):
            server.pages |= {
                f"/{name}/index.m3u8": Answer(PLAYLIST),
                f"/{name}/0.ts": Answer(media[0].read_bytes()),
                f"/{name}/1.ts": Answer(
                    media[1].read_bytes(), released=scanned[f"{server.origin}/{other}/index.m3u8"]
                ),
            }
        lines = []
        for line in scan_paths(scanned, Settings(models=ModelSettings(names=()))):
            lines.append(line)
            scanned[line.path].set()

    for url in scanned:
        assert {line.sequence for line in lines if isinstance(line, FrameLine) and line.path == url}
        (summary,) = (line for line in lines if isinstance(line, SummaryLine) and line.path == url)
        assert summary.coverage == 1.0
    first_lines = {line.path: index for index, line in reversed(list(enumerate(lines)))}
    last_frames = {line.path: i for i, line in enumerate(lines) if isinstance(line, FrameLine)}
    assert max(first_lines.values()) < min(last_frames.values())

"""Playlists whose segments do not begin with keyframes are seen, from a folder and by HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from scanner.compose import scan_paths
from scanner.report.lines import FrameLine, GapLine, Line, SummaryLine
from scanner.settings.sections import ModelSettings, Settings
from tests.media.build import encode
from tests.media.cutting import cut_transport_stream
from tests.sources.loopback import Answer, run_server

CARD_ONLY = Settings(models=ModelSettings(names=()))
SECONDS, GOP_SECONDS = 20, 10


@pytest.fixture(scope="module")
def segments() -> list[bytes]:
    """Segments of 2 s of a stream with a keyframe every 10 s."""
    whole = encode(frames=30 * SECONDS, gop=30 * GOP_SECONDS, bframes=2)
    return cut_transport_stream(whole, range(0, 30 * SECONDS, 60))


def playlist(names: Iterable[str]) -> str:
    rows = "".join(f"#EXTINF:2,\n{name}\n" for name in names)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{rows}#EXT-X-ENDLIST\n"


def assert_all_seen(lines: Iterable[Line]) -> None:
    found = list(lines)
    assert [line for line in found if isinstance(line, GapLine)] == []
    (summary,) = (line for line in found if isinstance(line, SummaryLine))
    assert summary.coverage == 1.0
    assert summary.duration == pytest.approx(SECONDS, abs=0.05)
    frames = {line.sequence for line in found if isinstance(line, FrameLine)}
    assert frames == set(range(SECONDS // 2))


def test_a_playlist_in_a_folder_is_seen(tmp_path: Path, segments: list[bytes]) -> None:
    for number, segment in enumerate(segments):
        (tmp_path / f"{number}.ts").write_bytes(segment)
    index = tmp_path / "index.m3u8"
    index.write_text(playlist(f"{number}.ts" for number in range(len(segments))))

    assert_all_seen(scan_paths([index], CARD_ONLY))


def test_a_playlist_at_an_address_is_seen(segments: list[bytes]) -> None:
    names = [f"{number}.ts" for number in range(len(segments))]
    with run_server() as server:
        server.pages |= {"/index.m3u8": Answer(playlist(names).encode())}
        server.pages |= {
            f"/{name}": Answer(segment) for name, segment in zip(names, segments, strict=True)
        }

        assert_all_seen(scan_paths([f"{server.origin}/index.m3u8"], CARD_ONLY))


def test_a_lost_segment_is_a_gap_up_to_the_next_keyframe_with_a_remedy(
    tmp_path: Path, segments: list[bytes]
) -> None:
    for number in (0, 1, 3, 4, 5):
        (tmp_path / f"{number}.ts").write_bytes(segments[number])
    index = tmp_path / "index.m3u8"
    index.write_text(playlist(f"{number}.ts" for number in range(6)))

    lines = list(scan_paths([index], CARD_ONLY))

    gaps = [(line.start, line.end, line.reason) for line in lines if isinstance(line, GapLine)]
    assert [(round(start), round(end), reason) for start, end, reason in gaps] == [
        (4, 6, "missing"),
        (6, 10, "no_keyframe"),
    ]
    *_, last = (line for line in lines if isinstance(line, GapLine))
    assert "set the encoder's keyframe interval" in last.message

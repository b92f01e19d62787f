"""Names and redirects by which a playlist would leave its folder or its origin."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from scanner.errors import RefusedError, ScannerError
from scanner.sandbox.memory import SourceOpener
from scanner.sources.folder import Folder
from scanner.sources.hls import follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.sources.origin import Origin
from scanner.sources.wall_clock import WallClock
from scanner.types import Source
from tests.sources.loopback import Answer, FakeClock, Server

CANARY = b"this must never be read"
PATHS = [
    "../canary.ts",
    "..//canary.ts",
    "./../canary.ts",
    "a/../../canary.ts",
    "a/../..//canary.ts",
    "..%2fcanary.ts",
    "%2e%2e/canary.ts",
    "%2e%2e%2fcanary.ts",
    "%2E%2E%2Fcanary.ts",
    ".%2e/canary.ts",
    "..%00/canary.ts",
    "..\\canary.ts",
    "..%5ccanary.ts",
    "%252e%252e/canary.ts",
    "..;/canary.ts",
    "../canary.ts?x",
    "../canary.ts#x",
    "a?/../../canary.ts",
    "a#/../../canary.ts",
    "link/canary.ts",
    "link/../canary.ts",
    "link.ts",
    "chain.ts",
    "deep/link.ts",
    "deep/up/canary.ts",
    "/etc/passwd",
    "//etc/passwd",
    "///etc/passwd",
    "/../etc/passwd",
    "%2fetc%2fpasswd",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "/dev/stdin",
    "/dev/zero",
    "~/canary.ts",
    "$HOME/canary.ts",
    "`id`",
    "a\0b",
    "a%00b",
    "a\nb",
    "a\r\nHost: evil",
    "\u202e../canary.ts",
    "\uff0e\uff0e/canary.ts",
    "\u2025/canary.ts",
    "..\u2215canary.ts",
    ".",
    "..",
    "...",
    " ../canary.ts",
    "a" * 5000,
    "a/" * 2000,
]
URLS = [
    "file:///etc/passwd",
    "FILE:/etc/passwd",
    "file:canary.ts",
    "concat:../canary.ts|a.ts",
    "subfile,,start,0,end,9,,:../canary.ts",
    "crypto:../canary.ts",
    "data:video/mp2t;base64,AAAA",
    "pipe:0",
    "fd:0",
    "tcp://127.0.0.1:22",
    "udp://127.0.0.1:1",
    "rtmp://127.0.0.1/a",
    "ftp://127.0.0.1/a",
    "gopher://127.0.0.1/a",
    "smb://127.0.0.1/a",
    "javascript:1",
    "http://169.254.169.254/latest/meta-data",
    "http:/\\evil.example/a",
    "http:///evil.example/a",
    "https:evil.example/a",
    "//evil.example/a.ts",
    "\\\\evil.example\\a.ts",
    "/\\evil.example/a.ts",
    "http://ORIGIN@evil.example/a",
    "http://evil.example#@ORIGIN/a",
    "http://evil.example?@ORIGIN/a",
    "http://evil.example\\@ORIGIN/a",
    "http://ORIGIN.evil.example/a",
    "http://ORIGIN:80/a",
    "https://ORIGIN/a",
    "http://localhost/a",
    "http://[::1]/a",
    "http://2130706433/a",
    "http://0x7f.1/a",
    "http://127.1/a",
]
NAMES = PATHS + URLS


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with links that lead out of it, beside a file that must never be read."""
    inner = tmp_path / "inner"
    (inner / "deep").mkdir(parents=True)
    (tmp_path / "canary.ts").write_bytes(CANARY)
    (inner / "link").symlink_to(tmp_path)
    (inner / "link.ts").symlink_to("../canary.ts")
    (inner / "chain.ts").symlink_to("link.ts")
    (inner / "deep/link.ts").symlink_to("../../canary.ts")
    (inner / "deep/up").symlink_to("../..")
    return inner


def content(source: Source | None) -> bytes:
    if source is None or isinstance(source, bytes):
        return source or b""
    path = source if isinstance(source, Path) else source.path
    return path.read_bytes() if path.is_file() else b""


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_a_folder(name: str, folder: Path) -> None:
    playlist = folder / "index.m3u8"
    storage = Folder(playlist, FetchLimits())

    try:
        location = storage.resolve(name, base=str(playlist))
        source = storage.read_media(location, None, 1000)
    except ScannerError:
        return

    assert Path(location).is_relative_to(folder.resolve())
    assert content(source) == b""


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_away_from_an_origin(name: str) -> None:
    with Origin("http://origin.example:8080/live/index.m3u8", FetchLimits(), WallClock()) as origin:
        try:
            location = origin.resolve(name.replace("ORIGIN", "origin.example"), base=origin.start)
        except RefusedError:
            return

    assert location.startswith("http://origin.example:8080/")


@pytest.mark.parametrize("name", URLS)
def test_no_redirect_leads_away_from_an_origin(name: str, server: Server, clock: FakeClock) -> None:
    host = server.origin.removeprefix("http://").partition(":")[0]
    location = name.replace("ORIGIN", host).encode("ascii", "ignore").decode()
    server.pages["/index.m3u8"] = Answer(status=302, headers={"Location": location})

    with pytest.raises(ScannerError) as caught:
        next(follow_playlist(f"{server.origin}/index.m3u8", clock=clock.wall_clock))

    # What is tried elsewhere fails to connect, or to find the host
    assert re.search(r"Errno|Connection|known|timed out", str(caught.value)) is None


def test_there_are_many_of_them() -> None:
    assert len(set(NAMES)) >= 66


def test_a_file_that_is_swapped_for_a_link_after_the_check_is_not_read(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "0.ts").write_bytes(b"media")
    playlist = folder / "index.m3u8"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\n0.ts\n#EXT-X-ENDLIST\n")
    os.utime(playlist, (0, 0))

    (segment,) = follow_playlist(playlist)
    assert segment.source is not None
    (folder / "0.ts").unlink()
    (folder / "0.ts").symlink_to(tmp_path / "canary.ts")

    with (
        pytest.raises(RefusedError, match="leads out of its folder"),
        SourceOpener().open_sources([segment.source], name="0.ts"),
    ):
        pass

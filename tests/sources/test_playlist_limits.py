"""A playlist costs no more than its limits, whatever its text is made of."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from scanner.errors import InputError, LimitError
from scanner.sources.folder import Folder
from scanner.sources.hls import follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import MediaPlaylist
from scanner.sources.playlist_lines import ParseBudget
from scanner.sources.playlist_parser import parse_playlist
from scanner.sources.playlist_reader import MAX_PAUSE_SECONDS, PlaylistReader
from scanner.sources.wall_clock import WallClock
from tests.sources.loopback import Answer, FakeClock, Server

HEAD = b"#EXTM3U\n"
LIMITS = FetchLimits(parse_seconds=30)
SEGMENT = b"#EXTINF:1,\na\n"


def filled(line: bytes, size: int = 4 << 20) -> bytes:
    """Return a playlist of this size of one line again and again."""
    return HEAD + line * ((size - len(HEAD)) // len(line))


@pytest.mark.parametrize(
    "line", [b"a\n", b"#EXTX\n", b"#EXTINF:1,\n", b"\r", b"\n", b"#EXT-X-STREAM-INF:\na\n"]
)
def test_lines_are_counted_before_anything_else(line: bytes) -> None:
    with pytest.raises(LimitError, match="lines, limit is 250000") as caught:
        parse_playlist(filled(line), LIMITS, name="x")

    assert caught.value.kind == "limit_lines"


@pytest.mark.parametrize(
    "line",
    [
        b"#EXTINF:1.23456,\n#EXTX:aaaaaaaaaaaaaaaaa\n",
        b"#EXT-X-KEY:" + b"A=1," * 2000 + b"\n",
        b"#EXT-X-MAP:URI=a," + b'"' * 8000 + b"\n",
        b'#EXT-X-DEFINE:NAME="a",VALUE="b"\n',
        b"#EXTINF:1,\n" + b"a" * 8000 + b"\n",
    ],
)
def test_a_playlist_of_the_largest_size_is_read_in_its_time(line: bytes) -> None:
    parse_playlist(filled(line, 1 << 20), LIMITS, name="x")


def test_a_key_of_many_segments_is_read_once() -> None:
    text = HEAD + b"#EXT-X-KEY:" + b"A=1," * 2000 + b"METHOD=NONE\n" + SEGMENT * 49_999

    found = parse_playlist(text, LIMITS, name="x")

    assert isinstance(found, MediaPlaylist)
    assert len(found.entries) == 49_999


def test_variables_do_not_grow_a_line_over_its_limit() -> None:
    growing = [b'#EXT-X-DEFINE:NAME="a0",VALUE="xxxx"\n']
    growing += [
        b'#EXT-X-DEFINE:NAME="a%d",VALUE="%b"\n' % (n + 1, b"{$a%d}" % n * 20) for n in range(9)
    ]

    with pytest.raises(LimitError, match=r"line 5: variables of \d+ characters, limit is 8192"):
        parse_playlist(HEAD + b"".join(growing) + SEGMENT, LIMITS, name="x")


def test_variables_do_not_grow_a_playlist_over_its_limit() -> None:
    define = b'#EXT-X-DEFINE:NAME="a",VALUE="' + b"x" * 8000 + b'"\n'

    with pytest.raises(LimitError, match="limit is 4194304"):
        parse_playlist(HEAD + define + b"#EXTINF:1,\n{$a}\n" * 49_999, LIMITS, name="x")


def test_reading_ends_with_its_processor_time() -> None:
    with pytest.raises(LimitError, match=r"needs more than 1e-09 s to be read") as caught:
        parse_playlist(HEAD + SEGMENT * 100, replace(LIMITS, parse_seconds=1e-9), name="x")

    assert caught.value.kind == "limit_time"


def test_a_budget_is_spent_step_by_step() -> None:
    seconds = count()
    budget = ParseBudget(3, "x", lambda: float(next(seconds)))

    spend(budget, 3 * 64)

    with pytest.raises(LimitError):
        spend(budget, 64)


def spend(budget: ParseBudget, steps: int) -> None:
    for _ in range(steps):
        budget.step()


class CountingFolder(Folder):
    """Counts the names that it resolves."""

    def __init__(self, playlist: Path) -> None:
        super().__init__(playlist, LIMITS)
        self.resolved: list[str] = []

    def resolve(self, name: str, *, base: str) -> str:
        self.resolved.append(name)
        return super().resolve(name, base=base)


def test_a_name_of_many_segments_and_versions_is_checked_once(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_bytes(HEAD + SEGMENT * 50)
    folder = CountingFolder(playlist)
    reader = PlaylistReader(folder, LIMITS, WallClock())

    reader.first()
    playlist.write_bytes(HEAD + SEGMENT * 50 + b"#EXTINF:1,\nb\n")
    reader.newest()

    assert folder.resolved == ["a", "b"]


def test_a_playlist_that_costs_much_is_asked_for_less_often(tmp_path: Path) -> None:
    playlist = tmp_path / "index.m3u8"
    playlist.write_bytes(HEAD + SEGMENT)
    seconds = count()
    reader = PlaylistReader(
        Folder(playlist, LIMITS), LIMITS, WallClock(), lambda: float(next(seconds))
    )

    found = reader.first()

    assert reader.pause(found) == 40 > MAX_PAUSE_SECONDS


def test_only_some_variants_of_a_master_playlist_are_tried(
    server: Server, clock: FakeClock
) -> None:
    variants = b"".join(
        b"#EXT-X-STREAM-INF:BANDWIDTH=%d\nv%d.m3u8\n" % (n + 1, n) for n in range(99)
    )
    server.pages["/index.m3u8"] = Answer(HEAD + variants)

    with pytest.raises(InputError, match="the server answers 404"):
        next(follow_playlist(f"{server.origin}/index.m3u8", clock=clock.wall_clock))

    assert len(server.requests) == 1 + 16

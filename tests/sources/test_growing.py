"""Playlists on disk that an encoder is writing: they are followed while they grow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest

from scanner.errors import TransientError
from scanner.sources.folder import may_grow
from scanner.sources.hls import PlaylistSegment, follow_playlist
from scanner.sources.limits import FetchLimits
from scanner.sources.paths import read_sources
from scanner.sources.wall_clock import WallClock
from scanner.stream.inputs import (
    Arrival,
    FilesSkipped,
    SegmentArrived,
    SourceFailed,
    StreamEnded,
    StreamStarted,
)
from scanner.types import FileBeneath

LIMITS = FetchLimits()


@dataclass(slots=True)
class Encoder:
    """Writes a playlist and its segments, one step at each pause of the reader."""

    folder: Path
    steps: list[Callable[[], object]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def playlist(self) -> Path:
        return self.folder / "index.m3u8"

    def write(self, first: int, last: int, *, ended: bool = False, window: int = 100) -> None:
        """Write the segments ``first`` to ``last``, and a playlist of the latest ``window``."""
        self.folder.mkdir(exist_ok=True, parents=True)
        for number in range(first, last + 1):
            (self.folder / f"{number}.ts").write_bytes(b"segment %d" % number)
        listed = range(max(0, last + 1 - window), last + 1)
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", f"#EXT-X-MEDIA-SEQUENCE:{listed.start}"]
        lines += [line for number in listed for line in ("#EXTINF:2,", f"{number}.ts")]
        self.playlist.write_text("\n".join([*lines, *(["#EXT-X-ENDLIST"] if ended else []), ""]))

    @property
    def clock(self) -> WallClock:
        return WallClock(now=lambda: self.seconds, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.steps:
            self.steps.pop(0)()


def follow(encoder: Encoder) -> tuple[list[bytes], TransientError | None]:
    """Return the segments' bytes, and the error that came after them."""
    found: list[PlaylistSegment] = []
    error: TransientError | None = None
    try:
        found.extend(follow_playlist(encoder.playlist, LIMITS, clock=encoder.clock))
    except TransientError as caught:
        error = caught
    assert all(isinstance(one.source, bytes | None) for one in found)
    return [one.source for one in found if isinstance(one.source, bytes)], error


def test_a_playlist_is_followed_while_it_grows(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path)
    encoder.write(0, 1)
    encoder.steps = [lambda: encoder.write(2, 3), lambda: encoder.write(4, 4, ended=True)]

    assert follow(encoder) == ([b"segment %d" % n for n in range(5)], None)


def test_segments_that_the_encoder_removes_behind_itself_are_kept(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path)
    encoder.write(0, 2)

    def grow() -> None:
        encoder.write(3, 5, ended=True, window=3)
        for number in range(3):
            (tmp_path / f"{number}.ts").unlink()

    encoder.steps = [grow]

    assert follow(encoder) == ([b"segment %d" % n for n in range(6)], None)


def test_a_playlist_that_vanishes_is_asked_for_again(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path)
    encoder.write(0, 1)
    encoder.steps = [encoder.playlist.unlink, lambda: None, lambda: encoder.write(2, 2, ended=True)]

    assert follow(encoder) == ([b"segment %d" % n for n in range(3)], None)


def test_a_playlist_that_stops_growing_is_given_up_with_an_error(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path)
    encoder.write(0, 1)

    found, error = follow(encoder)

    assert len(found) == 2
    assert LIMITS.stale_seconds < encoder.seconds < LIMITS.stale_seconds + 20
    assert "fetch.stale_seconds" in str(error)


def test_an_old_file_without_an_end_is_a_recording(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path)
    encoder.write(0, 1)
    os.utime(encoder.playlist, (0, 0))

    found = list(follow_playlist(encoder.playlist, LIMITS, clock=encoder.clock))

    assert [one.source for one in found] == [
        FileBeneath(tmp_path, "0.ts"),
        FileBeneath(tmp_path, "1.ts"),
    ]
    assert encoder.seconds == 0


MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{}\n"


@pytest.mark.parametrize(
    ("text", "grows"),
    [
        ("#EXTM3U\n#EXTINF:2,\n0.ts\n", True),
        ("#EXTM3U\n#EXTINF:2,\n0.ts\n#EXT-X-ENDLIST\n", False),
        (MASTER.format("variant.m3u8"), True),
        (MASTER.format("ended.m3u8"), False),
        (MASTER.format("gone.m3u8"), False),
        (MASTER.format("../outside.m3u8"), False),
        ("", False),
    ],
)
def test_a_playlist_may_grow_if_it_or_its_variant_has_no_end(
    text: str, grows: bool, tmp_path: Path
) -> None:
    folder = tmp_path / "live"
    folder.mkdir()
    for path in (folder / "variant.m3u8", tmp_path / "outside.m3u8"):
        path.write_text("#EXTM3U\n#EXTINF:2,\n0.ts\n")
    (folder / "ended.m3u8").write_text("#EXTM3U\n#EXT-X-ENDLIST\n")
    (folder / "index.m3u8").write_text(text)

    assert may_grow(folder / "index.m3u8", LIMITS) is grows


def describe(arrival: Arrival) -> str:
    match arrival:
        case SegmentArrived(path=path, name=name):
            return f"{Path(path).parent.name}/{Path(name).name}"
        case StreamEnded() | StreamStarted() | SourceFailed() | FilesSkipped():
            return type(arrival).__name__
    return ""


def test_files_of_the_folder_are_read_when_the_growing_playlist_has_ended(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path / "live")
    encoder.write(0, 1)
    (tmp_path / "live" / "other.ts").write_bytes(b"other")
    (tmp_path / "last.ts").write_bytes(b"last")
    encoder.steps = [lambda: encoder.write(2, 2, ended=True)]

    names = [str(tmp_path / "live"), str(tmp_path / "last.ts")]
    with read_sources(names, LIMITS, clock=encoder.clock) as arrivals:
        found = [describe(arrival) for arrival in arrivals]

    assert [one for one in found if one.startswith("live") or one == "StreamEnded"] == [
        *("live/0.ts", "live/1.ts", "live/2.ts"),
        *("StreamEnded", "live/other.ts"),
    ]
    assert found.count(f"{tmp_path.name}/last.ts") == 1
    assert found.count("FilesSkipped") == 1


@pytest.mark.parametrize("age", [0, 3600])
def test_a_playlist_that_grows_without_end_delays_no_other_file_of_its_folder(
    age: int, tmp_path: Path
) -> None:
    encoder = Encoder(tmp_path / "live")
    encoder.write(0, 1)
    other = tmp_path / "live" / "other.ts"
    other.write_bytes(b"other")
    os.utime(other, (time.time() - age,) * 2)

    def grow(number: int) -> None:
        encoder.write(number, number, window=3)
        encoder.steps.append(partial(grow, number + 1))

    encoder.steps = [partial(grow, 2)]
    with read_sources([str(tmp_path / "live")], LIMITS, clock=encoder.clock) as arrivals:
        found = list(takewhile(is_not_of("other.ts"), arrivals))

    assert not [one for one in found if isinstance(one, StreamEnded | SourceFailed)]


def is_not_of(name: str) -> Callable[[Arrival], bool]:
    return lambda arrival: not describe(arrival).endswith(name)


def test_a_file_is_read_while_a_playlist_has_nothing_new(tmp_path: Path) -> None:
    encoder = Encoder(tmp_path / "live")
    encoder.write(0, 0)
    (tmp_path / "file.ts").write_bytes(b"file")

    names = [str(encoder.playlist), str(tmp_path / "file.ts")]
    with read_sources(names, LIMITS) as arrivals:
        found = {describe(arrival) for _, arrival in zip(range(3), arrivals, strict=False)}

    assert found == {"StreamStarted", "live/0.ts", f"{tmp_path.name}/file.ts"}

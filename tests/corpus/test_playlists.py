"""The segments of a playlist, decoded one by one, lie on the stream's clock where the facts say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from samples.facts import SamplePlaylist
from samples.make_media import PLAYLISTS, make_playlists
from scanner.stream.clock import Clock, place
from scanner.types import SegmentTimes
from tests.corpus.checks import check_frames, check_windows, decode_source

CUT = (
    "hls_ts",
    "hls_live",
    "hls_discontinuity",
    "hls_wrap_between",
    "hls_wrap_inside",
    "hls_fmp4",
    "hls_gap",
)
"""Playlists whose segments are numbered files."""


@pytest.fixture(scope="session")
def playlists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SamplePlaylist]:
    return make_playlists(tmp_path_factory.mktemp("playlists"))


@pytest.mark.parametrize("name", CUT)
def test_segments_follow_each_other_on_the_clock(
    name: str, playlists: dict[str, SamplePlaylist]
) -> None:
    clock, placed = Clock(), []
    present = [
        (index, entry) for index, entry in enumerate(playlists[name].entries) if not entry.missing
    ]

    for index, entry in present:
        times = segment_times(playlists[name], index)
        clock, start = place(clock, times, sequence=index, discontinuity=entry.discontinuity)
        placed.append(start)

    assert placed == [entry.start for _, entry in present]
    assert clock.end - placed[-1] >= Fraction(184, 100)


def segment_times(playlist: SamplePlaylist, index: int) -> SegmentTimes:
    """Decode one segment, check it against its facts, and return its times."""
    folder = playlist.path.parent
    (path,) = folder.glob(f"{index}.*")
    init = folder / "init.mp4"
    with path.open("rb") as source:
        windows = decode_source(
            source, path.name, init.read_bytes() if init.exists() else None, window=None
        )
    check_frames(playlist.entries[index].facts, windows)
    check_windows(playlist.entries[index].facts, windows, None)
    return windows[0].times


def test_a_playlist_that_points_elsewhere_lies_beside_its_canary(
    playlists: dict[str, SamplePlaylist],
) -> None:
    pointing = [playlist for playlist in playlists.values() if playlist.refusal == {"refused"}]

    assert len(pointing) == 7
    assert all((playlist.path.parent.parent / "canary.ts").exists() for playlist in pointing)


def test_all_playlists_are_made(playlists: dict[str, SamplePlaylist]) -> None:
    assert set(playlists) == set(PLAYLISTS)
    assert all(
        isinstance(playlist.path, Path) and playlist.path.read_text().startswith("#EXTM3U")
        for playlist in playlists.values()
    )

"""Picking keeps its gaps, and events in real files are sampled."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.media.sampling import Picker, Sampling
from tests.media.build import encode
from tests.media.decoding import decode_all, decode_reference, greys, times

TICK = Fraction(1, 30)
"""Duration of a frame at 30 per second: ticks are frame numbers."""


def pick(gops: list[int], sampling: Sampling) -> list[int]:
    """Return the frames picked from consecutive GOPs with those numbers of frames."""
    picks: list[int] = []
    picker, start = Picker(sampling, TICK), 0
    for length in gops:
        frames = range(start, start + length)
        picks += picker.pick(frames, frames, start + length, keyed=True)
        start += length
    return picks


def test_keyframes_two_seconds_apart_are_enough() -> None:
    assert pick([60, 60, 60], Sampling()) == [0, 60, 120]


def test_keyframes_of_2002_milliseconds_are_enough() -> None:
    picker = Picker(Sampling(), Fraction(1, 30000))
    frames = range(0, 60 * 1001, 1001)

    assert picker.pick(frames, frames, 60 * 1001, keyed=True) == (0,)


def test_keyframes_closer_than_the_least_gap_are_thinned() -> None:
    assert pick([5] * 12, Sampling()) == [0, 15, 30, 45]


def test_a_long_gop_is_filled() -> None:
    assert pick([300], Sampling()) == [0, 60, 120, 180, 240]


def test_a_frame_before_a_keyframe_leaves_the_least_gap_to_it() -> None:
    assert pick([70, 70], Sampling()) == [0, 55, 70, 125]


def test_the_keyframes_strategy_picks_keyframes_only() -> None:
    assert pick([300, 5, 5], Sampling(strategy="keyframes")) == [0, 300, 305]


def test_a_frame_is_picked_in_each_second() -> None:
    assert pick([50, 50, 50], Sampling(strategy="every", every=Fraction(1))) == [0, 30, 60, 90, 120]


def test_picking_restarts_with_each_window() -> None:
    picker = Picker(Sampling(), TICK)
    picker.pick(range(10), range(10), 10, keyed=True)

    picker.restart()

    assert picker.pick(range(10, 20), range(10, 20), 20, keyed=True) == (10,)


@given(
    gops=st.lists(st.integers(1, 400), min_size=1, max_size=8),
    gaps=st.tuples(st.integers(1, 60), st.integers(1, 90)).map(sorted),
)
def test_no_hole_is_longer_than_the_greatest_gap(gops: list[int], gaps: list[int]) -> None:
    least, greatest = (Fraction(gap, 30) for gap in gaps)

    picks = pick(gops, Sampling(min_gap=least, max_gap=greatest))

    holes = [
        later - earlier - 1 for earlier, later in zip(picks, [*picks[1:], sum(gops)], strict=True)
    ]
    assert picks[0] == 0
    assert max(holes) <= gaps[1]


@given(gops=st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_no_two_picks_are_closer_than_the_least_gap(gops: list[int]) -> None:
    picks = pick(gops, Sampling())

    assert all(later - earlier >= 15 for earlier, later in pairwise(picks))


@pytest.mark.parametrize(("seconds", "max_gap"), [(2, Fraction(2)), (1, Fraction(1, 2))])
@pytest.mark.parametrize("start", [1, 17, 60, 133, 200, 239])
def test_an_event_between_keyframes_is_seen(seconds: int, max_gap: Fraction, start: int) -> None:
    event = range(start, start + seconds * 30)
    data = encode(
        frames=300, gop=300, bframes=2, values=[230 if n in event else 30 for n in range(300)]
    )

    windows = decode_all(data, sampling=Sampling(max_gap=max_gap))

    assert max(greys(windows)) > 180


def test_a_static_gop_costs_no_more_samples_than_the_gap_asks() -> None:
    assert len(times(decode_all(encode(frames=300, gop=300, bframes=2)))) == 5


def test_frames_between_keyframes_are_exact() -> None:
    values = [int(v) for v in np.random.default_rng(0).integers(20, 230, 90)]
    leaning = {
        "bf": "8",
        "x264-params": "b-pyramid=normal:b-adapt=0:ref=6:scenecut=0:keyint=90:weightp=0",
    }
    data = encode(frames=90, gop=90, values=values, options=leaning)

    windows = decode_all(data, sampling=Sampling(max_gap=Fraction(1, 2)))

    assert [decode_reference(data)[at][0] for at in times(windows)] == pytest.approx(
        greys(windows), abs=3
    )


def test_b_frames_are_sampled_if_there_are_no_other_frames() -> None:
    data = encode(container="mp4", rate=1, frames=20, gop=20, bframes=3)

    windows = decode_all(data)

    assert times(windows) == list(range(0, 20, 2))


@pytest.mark.parametrize(
    ("min_gap", "max_gap"), [(Fraction(0), Fraction(1)), (Fraction(2), Fraction(1))]
)
def test_gaps_that_contradict_each_other_are_refused(min_gap: Fraction, max_gap: Fraction) -> None:
    with pytest.raises(ValueError, match="0 < min_gap <= max_gap"):
        Sampling(min_gap=min_gap, max_gap=max_gap)

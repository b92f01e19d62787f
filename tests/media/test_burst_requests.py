"""A request for bursts makes those nearest to an instant, within the frames that it allows."""

from __future__ import annotations

import io
from fractions import Fraction

from scanner.media.decode import decode_windows_with_bursts
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import Sample
from scanner.types import Burst, FrameSpec

from .build import encode

SPEC = FrameSpec(width=64, height=48, burst=Burst(frames=8, rate=5))


def make_bursts(data: bytes, request: BurstRequest) -> tuple[list[Sample], int]:
    """Return bursts of the only window, and the frames that were decoded for them."""
    ((_, maker),) = decode_windows_with_bursts(
        io.BytesIO(data), DecodeRequest(specs=(SPEC,), window=None), name="clip"
    )
    return list(maker.make_bursts(request)), maker.frames


def test_the_bursts_nearest_to_the_wanted_instant_are_made_within_the_frames_allowed() -> None:
    data = encode(frames=300, gop=60)  # a keyframe and 59 frames in each two seconds
    bursts, frames = make_bursts(data, BurstRequest())
    assert [burst.start for burst in bursts] == [0, 2, 4, 6, 8]

    for near, allowed, starts in (
        (5, 89, [4]),  # 42 frames after a keyframe, which counts as 3
        (5, 90, [4, 6]),
        (Fraction(31, 10), 140, [0, 2, 4]),
        (10, 45, [8]),
        (10, 44, []),
    ):
        request = BurstRequest(near=Fraction(near), max_frames=allowed)
        some, decoded = make_bursts(data, request)
        assert [burst.start for burst in some] == starts
        assert decoded <= allowed
    assert frames == 5 * 45


def test_the_nearest_burst_is_made_whatever_it_takes_if_one_is_wanted() -> None:
    data = encode(frames=300, gop=60)
    request = BurstRequest(near=Fraction(7), max_frames=0, at_least_one=True)

    bursts, frames = make_bursts(data, request)

    assert [burst.start for burst in bursts] == [6]
    assert frames == 45


def test_what_is_done_with_a_burst_counts_as_frames_that_are_decoded_for_it() -> None:
    data = encode(frames=300, gop=60)

    bursts, frames = make_bursts(data, BurstRequest(max_frames=100, frames_per_burst=10))

    assert [burst.start for burst in bursts] == [0]
    assert frames == 45


def test_a_burst_deep_in_a_long_gop_takes_the_frames_before_it() -> None:
    data = encode(frames=300, gop=300)

    near_start, near_end = (
        make_bursts(data, BurstRequest(near=Fraction(near), max_frames=0, at_least_one=True))
        for near in (0, 10)
    )

    assert [burst.start for burst in (*near_start[0], *near_end[0])] == [0, 8]
    assert (near_start[1], near_end[1]) == (45, 285)

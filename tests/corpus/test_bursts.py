"""Every frame of every burst of every sample is the one that is on screen at its instant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from _pytest.mark import ParameterSet

from samples.drawing import read_mark, read_patches
from samples.facts import SampleFacts, SampleFile
from scanner.media.bursts import plan_burst_instants
from scanner.media.decode import decode_windows_with_bursts
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.media.sampling import Sampling
from scanner.types import Burst, FrameSpec
from tests.corpus.checks import B_FRAMES, COLOUR_TOLERANCE, SPEC
from tests.corpus.names import EVENTFUL, STILL, VIDEO

BURST = FrameSpec(width=SPEC.width, height=SPEC.height, burst=Burst(frames=5, rate=6))

Media = Callable[[str], SampleFile]
VARIED = (
    *EVENTFUL,
    "ts_h264_b_frames",
    "ts_jump_back",
    "ts_wrap",
    "mp4_h264",
    "mp4_hevc",
    "mkv_h264",
    "webm_vp9",
    "avi_mpeg4",
    "gif_moving",
)
"""Each container and codec family, long GOPs, B-frames, and clocks that jump or wrap."""


def bursts(
    sample: SampleFile, sampling: Sampling, window: Fraction | None
) -> list[tuple[DecodedWindow, tuple[Sample, ...]]]:
    """Return the bursts of each window."""
    init = sample.init.read_bytes() if sample.init is not None else None
    request = DecodeRequest(specs=(BURST,), sampling=sampling, window=window)
    with sample.path.open("rb") as source:
        return [
            (decoded, tuple(bursts.make_bursts(BurstRequest())))
            for decoded, bursts in decode_windows_with_bursts(
                source, request, name=sample.path.name, init=init
            )
        ]


def wanted(facts: SampleFacts, window: DecodedWindow, burst: Sample) -> list[int]:
    """Return the numbers of the frames that are on screen at the instants of a burst."""
    places = {pts: index for index, pts in enumerate(facts.pts)}
    first, last = places[window.times.first_pts], places[window.times.last_pts]
    start, times = facts.times[first], list(facts.times)
    found = plan_burst_instants(times[last] - start, burst.burst or BURST.burst)  # type: ignore[arg-type]
    instants = next(instants for instants in found if instants[0] == burst.start)
    return [bisect_right(times, start + instant, first, last + 1) - 1 for instant in instants]


def late(facts: SampleFacts, window: DecodedWindow, index: int) -> int:
    """Return the frames by which an older one may be shown.

    The last frames of a window may reference the next window, which is not decoded.
    """
    return (
        B_FRAMES
        if facts.pts.index(window.times.last_pts) - index < B_FRAMES and not window.last
        else 0
    )


def cases(name: str) -> Iterator[ParameterSet]:
    """Return a sample with the lengths of windows to try: the usual one in every run, a short one
    and the whole file in the slow run, but for a varied few in every run.

    As one window, time stamps are reported as if the clock continued, so samples whose clock jumps
    are not decoded in that way.
    """
    marks = () if name in VARIED else (pytest.mark.slow,)
    yield pytest.param(name, Fraction(10), id=f"{name}-usual")
    yield pytest.param(name, Fraction(3, 2), id=f"{name}-short", marks=marks)
    if not name.startswith("ts_jump"):
        yield pytest.param(name, None, id=f"{name}-whole", marks=marks)


@pytest.mark.parametrize(("name", "window"), [case for name in VIDEO for case in cases(name)])
def test_each_frame_is_the_one_on_screen(
    name: str, window: Fraction | None, sample_media: Media
) -> None:
    facts = sample_media(name).facts

    for decoded, made in bursts(sample_media(name), Sampling(), window):
        for burst in made:
            frames = wanted(facts, decoded, burst)
            assert burst.pts in facts.pts
            for index, rgb in zip(frames, burst.images[BURST], strict=True):
                if facts.marks:
                    assert (
                        read_mark(rgb)
                        in facts.marks[max(0, index - late(facts, decoded, index)) : index + 1]
                    )
                if facts.patches:
                    assert np.abs(read_patches(rgb) - facts.patches).max() <= COLOUR_TOLERANCE


@pytest.mark.parametrize("name", VIDEO)
def test_a_video_of_at_least_one_second_has_bursts(name: str, sample_media: Media) -> None:
    facts = sample_media(name).facts

    made = [burst for _, some in bursts(sample_media(name), Sampling(), None) for burst in some]

    moves = facts.times[-1] - facts.times[facts.hidden] >= 1
    assert bool(made) or not moves or facts.container in {"gif", "webp"}


@pytest.mark.parametrize("name", STILL)
def test_a_still_has_no_bursts(name: str, sample_media: Media) -> None:
    assert [made for _, made in bursts(sample_media(name), Sampling(), None)] == [()]

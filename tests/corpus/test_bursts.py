"""Every frame of every burst of every sample is the one that is on screen at its instant."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from samples.drawing import read_mark, read_patches
from samples.facts import Facts, Sample
from scanner.media.decode import look as looks
from scanner.media.instants import burst_instants
from scanner.media.request import DecodeRequest
from scanner.media.samples import Decoded
from scanner.media.samples import Sample as Seen
from scanner.media.sampling import Sampling
from scanner.types import Burst, FrameSpec
from tests.corpus.names import STILL, VIDEO
from tests.corpus.seen import B_FRAMES, COLOUR_TOLERANCE, SPEC

BURST = FrameSpec(width=SPEC.width, height=SPEC.height, burst=Burst(frames=5, rate=6))

Media = Callable[[str], Sample]


def bursts(
    sample: Sample, sampling: Sampling, window: Fraction | None
) -> list[tuple[Decoded, tuple[Seen, ...]]]:
    """Of each window."""
    init = sample.init.read_bytes() if sample.init is not None else None
    request = DecodeRequest(specs=(BURST,), sampling=sampling, window=window)
    with sample.path.open("rb") as source:
        return [
            (decoded, tuple(make()))
            for decoded, make in looks(source, request, name=sample.path.name, init=init)
        ]


def wanted(facts: Facts, window: Decoded, burst: Seen) -> list[int]:
    """The frames, by their number, that are on screen at the instants of a burst."""
    places = {pts: index for index, pts in enumerate(facts.pts)}
    first, last = places[window.times.first_pts], places[window.times.last_pts]
    start, times = facts.times[first], list(facts.times)
    found = burst_instants(times[last] - start, burst.burst or BURST.burst)  # type: ignore[arg-type]
    instants = next(instants for instants in found if instants[0] == burst.start)
    return [bisect_right(times, start + instant, first, last + 1) - 1 for instant in instants]


def late(facts: Facts, window: Decoded, index: int) -> int:
    """Frames by which an older one may be shown: the last ones of a window may lean on the next
    window, which is not looked into."""
    return (
        B_FRAMES
        if facts.pts.index(window.times.last_pts) - index < B_FRAMES and not window.last
        else 0
    )


@pytest.mark.parametrize(
    "window", [Fraction(10), Fraction(3, 2), None], ids=["usual", "short", "whole"]
)
@pytest.mark.parametrize("name", VIDEO)
def test_each_frame_is_the_one_on_screen(
    name: str, window: Fraction | None, sample_media: Media
) -> None:
    facts = sample_media(name).facts
    if window is None and facts.jumps:
        pytest.skip("a segment's time stamps are told as if its clock went on")

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
def test_what_is_long_enough_has_some(name: str, sample_media: Media) -> None:
    facts = sample_media(name).facts

    made = [burst for _, some in bursts(sample_media(name), Sampling(), None) for burst in some]

    moves = facts.times[-1] - facts.times[facts.hidden] >= 1
    assert bool(made) or not moves or facts.container in {"gif", "webp"}


@pytest.mark.parametrize("name", STILL)
def test_a_still_has_none(name: str, sample_media: Media) -> None:
    assert [made for _, made in bursts(sample_media(name), Sampling(), None)] == [()]

"""Decode samples and check the windows against the samples' facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np

from samples.drawing import read_mark, read_patches
from samples.facts import SampleFacts, SampleFile
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.media.sampling import Sampling
from scanner.types import FrameSpec

__all__ = [
    "EVERYTHING",
    "SPEC",
    "LocatedSample",
    "check_frames",
    "check_holes",
    "check_windows",
    "decode_sample",
    "decode_source",
    "rgb",
]

SPEC = FrameSpec(width=160, height=96)
EVERYTHING = Sampling(strategy="every", every=Fraction(1, 10_000))
"""Sampling of as many frames as possible."""
COLOUR_TOLERANCE = 6
"""Levels of 255 that compression, rounding and scaling may cost a flat patch."""

B_FRAMES = 3
"""The longest run of them in any sample."""


@dataclass(frozen=True, slots=True)
class LocatedSample:
    """One decoded sample, its window, and the frame that it shows."""

    window: DecodedWindow
    sample: Sample
    index: int
    """Index of the frame in the facts."""


def decode_sample(sample: SampleFile, **request: Any) -> list[DecodedWindow]:
    """Return all windows of a sample file."""
    init = sample.init.read_bytes() if sample.init is not None else None
    with sample.path.open("rb") as source:
        return decode_source(source, sample.path.name, init, **request)


def decode_source(
    source: BinaryIO, name: str, init: bytes | None = None, **request: Any
) -> list[DecodedWindow]:
    """Return all windows of a source, in the usual spec unless the request names others."""
    return list(
        decode_windows(source, DecodeRequest(**{"specs": (SPEC,), **request}), name=name, init=init)
    )


def rgb(sample: Sample) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a sample's picture in the usual spec."""
    return sample.images[SPEC]


def locate_samples(facts: SampleFacts, windows: Iterable[DecodedWindow]) -> list[LocatedSample]:
    """Return every sample with the frame that its pts names."""
    places = {pts: index for index, pts in enumerate(facts.pts)}
    return [
        LocatedSample(window, sample, places[sample.pts])
        for window in windows
        for sample in window.samples
    ]


def check_frames(facts: SampleFacts, windows: Sequence[DecodedWindow]) -> None:
    """Check that each sample's time, number, kind and colours are those of the frame whose
    pts it has."""
    times = facts.times
    starts = dict(zip(facts.pts, times, strict=True))
    for each in locate_samples(facts, windows):
        assert each.sample.at == times[each.index] - starts[each.window.times.first_pts]
        assert each.sample.keyframe == (each.index in facts.keyframes), f"frame {each.index}"
        if facts.marks:
            assert read_mark(rgb(each.sample)) == facts.marks[each.index]
        if facts.patches:
            assert np.abs(read_patches(rgb(each.sample)) - facts.patches).max() <= COLOUR_TOLERANCE
    assert all(a.index < b.index for a, b in pairwise(locate_samples(facts, windows)))


def check_windows(
    facts: SampleFacts, windows: Sequence[DecodedWindow], longest: Fraction | None
) -> None:
    """Check that windows follow each other without a hole and that only the last one is marked.

    No window is too long from its first frame to the start of its last one, except for the B-frames
    that are shown before the frame at which it could be cut.
    """
    places = {pts: index for index, pts in enumerate(facts.pts)}
    spans = [(places[w.times.first_pts], places[w.times.last_pts]) for w in windows]
    assert spans[0][0] == 0
    assert spans[-1][1] == len(facts.pts) - 1
    assert all(before[1] + 1 == after[0] for before, after in pairwise(spans))
    assert [w.index for w in windows] == list(range(len(windows)))
    assert [w.last for w in windows] == [False] * (len(windows) - 1) + [True]
    times = facts.times
    late = (
        B_FRAMES * max((b - a for a, b in pairwise(times)), default=Fraction(0))
        if facts.sparable
        else 0
    )
    for window, (first, last) in zip(windows, spans, strict=True):
        until = times[last + 1] if last + 1 < len(facts.pts) else times[last]
        assert window.times.duration >= until - times[first]
        assert longest is None or times[last] - times[first] <= longest + late
        assert window.times.time_base == facts.time_base
        assert window.discontinuity == (first in facts.jumps)


def check_holes(facts: SampleFacts, windows: Sequence[DecodedWindow], sampling: Sampling) -> None:
    """Check that samples of a window are at least ``min_gap`` apart and holes at most ``max_gap``.

    A hole extends from the end of a sampled frame (the start of the frame that is shown after it)
    to the next sample or to the window's end; the first one from the window's start, or from the
    first frame that can be decoded.
    """
    times = facts.times
    for window in windows:
        located_samples = locate_samples(facts, [window])
        assert located_samples, "a window without samples"
        assert all(
            b.sample.at - a.sample.at >= sampling.min_gap for a, b in pairwise(located_samples)
        )
        start = times[located_samples[0].index] - located_samples[0].sample.at
        ends = [
            times[each.index + 1] - start if each.index + 1 < len(times) else window.times.duration
            for each in located_samples
        ]
        begins = [*(each.sample.at for each in located_samples), window.times.duration]
        assert begins[0] - max(times[facts.hidden] - start, Fraction(0)) <= sampling.max_gap
        assert all(
            begin - end <= sampling.max_gap for end, begin in zip(ends, begins[1:], strict=True)
        )

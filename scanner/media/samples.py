"""What ``media`` makes of a source: arrays of pixels with their times.

These are the only shared nouns that hold arrays, so that the rest (``scanner.types``) can be imported
without NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from scanner.types import Burst, FrameSpec, MediaInfo, SegmentTimes, Unseen

__all__ = ["Decoded", "Rgb", "Sample"]

Rgb = NDArray[np.uint8]
"""H x W x 3, or T x H x W x 3 for a burst; uint8, full-range sRGB-like RGB, contiguous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was made of one instant, or of one burst: one small RGB array for each spec asked for."""

    at: Fraction
    """Exact seconds from the segment's first frame; of a burst, those of its last frame."""
    pts: int
    """The frame's presentation time stamp, in ticks of the segment's time base, as the container
    has it."""
    keyframe: bool
    images: Mapping[FrameSpec, Rgb] = field(repr=False)
    """For each spec of one frame; in a burst, for each spec that asks for this burst."""
    start: Fraction | None = None
    """Of a burst: the instant that its first frame shows, in seconds from the segment's first
    frame. None: it is one frame."""

    def __post_init__(self) -> None:
        if self.at < 0:
            raise ValueError(f"sample must not lie before its segment, got {self.at} s")
        if self.start is not None and self.start < 0:
            raise ValueError(f"burst must not begin before its segment, got {self.start} s")

    @property
    def burst(self) -> Burst | None:
        """Which burst it is; None for one frame."""
        return None if self.start is None else next((spec.burst for spec in self.images), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """One window of a source: what was sampled of it and what could not be seen.

    A file is cut at keyframes into windows; a segment is one window. Times are relative to the
    window's first frame.
    """

    index: int
    """Of the window within its source, from 0."""
    times: SegmentTimes
    samples: tuple[Sample, ...]
    """In order of time; may be empty when nothing could be decoded (``unseen`` says why)."""
    unseen: tuple[Unseen, ...]
    """Spans that the decoder could not show (``undecodable``, ``no_keyframe``); holes between
    samples are found by coverage."""
    info: MediaInfo
    begins: Fraction = Fraction(0)
    """Exact seconds from the source's first frame to the window's."""
    discontinuity: bool = False
    """The clock jumped within the source just before this window."""
    last: bool = True
    """No window follows."""

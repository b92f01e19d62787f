"""Samples and windows of a source: arrays of pixels with their times.

These are the only shared types that hold arrays, so that the others (``scanner.types``) can be
imported without NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from scanner.types import Burst, FrameSpec, MediaInfo, SegmentTimes, Unseen

__all__ = ["DecodedBursts", "DecodedWindow", "Rgb", "Sample"]

Rgb = NDArray[np.uint8]
"""H x W x 3, or T x H x W x 3 for a burst; uint8, full-range sRGB-like RGB, contiguous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One small RGB array for each requested spec, made of one frame or of one burst."""

    at: Fraction
    """Exact seconds from the segment's first frame; for a burst, to its last frame."""
    pts: int
    """The frame's presentation time stamp, in ticks of the segment's time base, as the container
    has it."""
    keyframe: bool
    images: Mapping[FrameSpec, Rgb] = field(repr=False)
    """Array for each spec of a single frame; in a burst, for each spec with this burst."""
    start: Fraction | None = None
    """Instant of a burst's first frame, in seconds from the segment's first frame; None for a
    single frame."""

    def __post_init__(self) -> None:
        if self.at < 0:
            raise ValueError(f"sample must not lie before its segment, got {self.at} s")
        if self.start is not None and self.start < 0:
            raise ValueError(f"burst must not begin before its segment, got {self.start} s")

    @property
    def burst(self) -> Burst | None:
        """The burst that was made; None for a single frame."""
        return None if self.start is None else next((spec.burst for spec in self.images), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedWindow:
    """One window of a source: its samples, and the spans that could not be decoded.

    A file is cut at keyframes into windows; a segment is one window. Times are relative to the
    window's first frame.
    """

    index: int
    """Number of the window within its source, from 0."""
    times: SegmentTimes
    samples: tuple[Sample, ...]
    """Samples in order of time; empty if nothing could be decoded (``unseen`` has the reason)."""
    unseen: tuple[Unseen, ...]
    """Spans that could not be decoded (``undecodable``, ``no_keyframe``) or have another track too
    (``not_scanned``); holes between samples are found by coverage."""
    info: MediaInfo
    begins: Fraction = Fraction(0)
    """Exact seconds from the source's first frame to the window's first frame."""
    discontinuity: bool = False
    """True if the clock jumped within the source just before this window."""
    last: bool = True
    """True if no window follows."""
    has_keyframe: bool = True
    """True if a keyframe lies in it."""
    damaged: tuple[Sample, ...] = ()
    """In order of time, frames that the decoder marks as corrupt or has concealed: they are scored
    for the record, and what they cover is unseen."""

    @property
    def lacks_start(self) -> bool:
        """Whether it begins with frames that can be decoded only with those of the segment before
        it."""
        return any(one.reason == "no_keyframe" and not one.span.start for one in self.unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedBursts:
    """Bursts that were made of one window."""

    samples: tuple[Sample, ...] = ()
    """Bursts in order of time."""
    frames: int = 0
    """Frames that were decoded for them, those that failed included; a keyframe counts as
    ``KEYFRAME_WEIGHT``."""

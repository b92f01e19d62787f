"""Facts about samples and playlists, known because the samples were made so."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

__all__ = ["DrawnEvent", "SampleFacts", "SampleFile", "SamplePlaylist", "SampleSegment"]

Rgb8 = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnEvent:
    """An object that is drawn on the frames of a half-open span ``start <= at < end``, in
    seconds from the first frame."""

    start: Fraction
    end: Fraction
    name: str = "block"
    """``block``: a large magenta one at the right.

    ``speck``: a small white one at the left. ``test_card``: the whole picture.
    """

    def __contains__(self, at: Fraction) -> bool:
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """Facts about one sample. A sample that must be refused has only ``refusal``."""

    container: str = ""
    """Family that the first bytes identify: ``mpegts``, ``mov``, ``matroska``, ``avi``, or a
    still's name."""
    codec: str = ""
    """FFmpeg's name of the codec."""
    width: int = 0
    """Displayed pixels, after rotation and sample aspect ratio."""
    height: int = 0
    pts: tuple[int, ...] = ()
    """PTS of every frame in the order shown, as the container has it."""
    hidden: int = 0
    """Number of first frames that cannot be decoded, as the frames they reference are missing."""
    marks: tuple[int, ...] = ()
    """Number drawn on each frame; empty if none is drawn."""
    keyframes: tuple[int, ...] = ()
    """Indices into ``pts``."""
    time_base: Fraction = Fraction(1, 90_000)
    """Seconds per tick."""
    wrap_bits: int = 64
    """Width of the counter: 33 in MPEG-TS."""
    sparable: bool = False
    """True if no frame references some of the frames, so that a decoder may skip them."""
    jumps: tuple[int, ...] = ()
    """Indices into ``pts`` of the frames before which the clock jumped."""
    patches: tuple[Rgb8, ...] = ()
    """Colours of the corners of the upright picture: top left, top right, bottom left, bottom
    right."""
    rotation: int = 0
    """Degrees that the stored picture is turned clockwise to stand upright."""
    reflected: tuple[int, int] = (1, 1)
    """-1 where the stored picture is to be mirrored: left to right, top to bottom."""
    events: tuple[DrawnEvent, ...] = ()
    still: bool = False
    unseen: tuple[str, ...] = ()
    """Reasons that its unseen spans must include."""
    refusal: frozenset[str] = frozenset()
    """Kinds of error of which one must be raised; empty if it must be read."""

    def __post_init__(self) -> None:
        if self.marks and len(self.marks) != len(self.pts):
            raise ValueError(
                f"one mark for each frame: {len(self.marks)} marks, {len(self.pts)} frames"
            )
        if any(not 0 <= k < len(self.pts) for k in self.keyframes + self.jumps):
            raise ValueError(f"keyframes and jumps must be among the {len(self.pts)} frames")

    @property
    def times(self) -> tuple[Fraction, ...]:
        """Exact seconds of every frame from the first one, without wraps; a jump counts as the step
        before it."""
        ticks, step = 0, 0
        times = []
        for index, pts in enumerate(self.pts):
            if index and index not in self.jumps:
                step = (pts - self.pts[index - 1]) % (1 << self.wrap_bits)
            ticks += step
            times.append(ticks * self.time_base)
        return tuple(times)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFile:
    """A sample on disk and its facts."""

    name: str
    path: Path
    facts: SampleFacts
    init: Path | None = field(default=None)
    """Init segment, if it is separate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSegment:
    """One segment of a playlist."""

    facts: SampleFacts
    start: Fraction
    """Seconds on the stream's clock, with the playlist's first frame at 0."""
    discontinuity: bool = False
    """True if the playlist declares that a new clock begins."""
    missing: bool = False
    """True if the playlist declares it missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePlaylist:
    """A playlist in its own folder and its facts."""

    name: str
    path: Path
    entries: tuple[SampleSegment, ...] = ()
    refusal: frozenset[str] = frozenset()
    """Kinds of error of which one must be raised; empty if all its entries must be read."""

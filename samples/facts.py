"""What is known of a sample, because it was made so."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

__all__ = ["Entry", "Event", "Facts", "Playlist", "Sample"]

Rgb8 = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that is drawn on the frames of a half-open stretch ``start <= at < end``, in
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
class Facts:
    """The truth about one sample. A source that must be refused has only ``refusal``."""

    container: str = ""
    """The family that the first bytes tell: ``mpegts``, ``mov``, ``matroska``, ``avi``, or a
    still's name."""
    codec: str = ""
    """FFmpeg's name for it."""
    width: int = 0
    """Displayed pixels, after rotation and sample aspect ratio."""
    height: int = 0
    pts: tuple[int, ...] = ()
    """Of every frame, in the order shown, in ticks as the container has them."""
    hidden: int = 0
    """So many of the first ones cannot be decoded: what they refer to is missing."""
    marks: tuple[int, ...] = ()
    """The number drawn on each of them; empty where none is drawn."""
    keyframes: tuple[int, ...] = ()
    """Indices into ``pts``."""
    time_base: Fraction = Fraction(1, 90_000)
    """Seconds per tick."""
    wrap_bits: int = 64
    """Width of the counter: 33 in MPEG-TS."""
    sparable: bool = False
    """Some frames are referred to by none, so that a decoder may pass over them."""
    jumps: tuple[int, ...] = ()
    """Indices into ``pts`` of the frames before which the clock jumped."""
    patches: tuple[Rgb8, ...] = ()
    """Colours of the corners of the upright picture: top left, top right, bottom left, bottom
    right."""
    rotation: int = 0
    """Degrees that the stored picture is turned clockwise to stand upright."""
    reflected: tuple[int, int] = (1, 1)
    """-1 where the stored picture is to be mirrored: left to right, top to bottom."""
    events: tuple[Event, ...] = ()
    still: bool = False
    unseen: tuple[str, ...] = ()
    """Reasons that must be among those of its unseen spans."""
    refusal: frozenset[str] = frozenset()
    """The kinds of error of which one must come; empty where it must be read."""

    def __post_init__(self) -> None:
        if self.marks and len(self.marks) != len(self.pts):
            raise ValueError(
                f"one mark for each frame: {len(self.marks)} marks, {len(self.pts)} frames"
            )
        if any(not 0 <= k < len(self.pts) for k in self.keyframes + self.jumps):
            raise ValueError(f"keyframes and jumps must be among the {len(self.pts)} frames")

    @property
    def times(self) -> tuple[Fraction, ...]:
        """Exact seconds of every frame from the first one; wraps are undone, and after a jump a
        frame follows as the one before it did."""
        ticks, step = 0, 0
        times = []
        for index, pts in enumerate(self.pts):
            if index and index not in self.jumps:
                step = (pts - self.pts[index - 1]) % (1 << self.wrap_bits)
            ticks += step
            times.append(ticks * self.time_base)
        return tuple(times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A file and what is known of it."""

    name: str
    path: Path
    facts: Facts
    init: Path | None = field(default=None)
    """The init segment, where it is separate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One segment that a playlist names."""

    facts: Facts
    start: Fraction
    """Seconds on the stream's clock, the playlist's first frame at 0."""
    discontinuity: bool = False
    """The playlist says that a new clock begins."""
    missing: bool = False
    """The playlist says that it is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist:
    """A playlist in its own folder, and what is known of it."""

    name: str
    path: Path
    entries: tuple[Entry, ...] = ()
    refusal: frozenset[str] = frozenset()
    """The kinds of error of which one must come; empty where all its entries must be read."""

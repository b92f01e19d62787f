"""The nouns that all parts share, in the order in which data meets them.

Segment -> Decoded (Samples) -> ScoredSegment (Scores) -> StreamRisk -> Incident -> Clip -> Report.
``StreamRisk`` and ``Incident`` live in ``scanner.risk``, the rest here. Everything is frozen and
checks itself when made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, NewType

__all__ = [
    "BURST_EVERY",
    "NEVER_WRAPS",
    "Burst",
    "Fit",
    "FrameSpec",
    "GapReason",
    "Gate",
    "Label",
    "MediaInfo",
    "Medium",
    "ModelRef",
    "ScoredFrame",
    "ScoredSegment",
    "Scores",
    "Segment",
    "SegmentKey",
    "SegmentTimes",
    "Source",
    "Span",
    "StreamId",
    "Unseen",
]

StreamId = NewType("StreamId", str)
Label = NewType("Label", str)
"""What a model can say; the taxonomy files it under a category."""


class Medium(StrEnum):
    """Which kind of picture it is; an axis of its own, not a label."""

    CAMERA = "camera"
    RENDERED = "rendered"
    DRAWN = "drawn"
    SCREEN = "screen"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """A half-open stretch of time, ``start <= t < end``, in exact seconds."""

    start: Fraction
    end: Fraction

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"span must not end before it starts, got [{self.start}, {self.end})")

    @property
    def length(self) -> Fraction:
        """Seconds, zero or more."""
        return self.end - self.start

    def shifted(self, by: Fraction) -> Span:
        """The same span on a clock that is ``by`` seconds ahead."""
        return Span(start=self.start + by, end=self.end + by)


GapReason = Literal[
    "undecodable", "no_keyframe", "between_samples", "missing", "quarantined", "late"
]
"""Why nobody looked: it could not be decoded, had no keyframe to begin at, lies between samples,
never came, was set aside, came late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A span that nobody looked at, and why."""

    span: Span
    reason: GapReason


# Segments and what media makes of them


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SegmentKey:
    """The natural key of a segment: counted once, however often it is delivered."""

    stream_id: StreamId
    sequence: int

    def __post_init__(self) -> None:
        if self.sequence < 0:
            raise ValueError(f"sequence must be 0 or more, got {self.sequence}")

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.sequence}"


Source = bytes | Path
"""Encoded media: its bytes, or a local file that the worker reads itself (law 8: bytes stay where
they are)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A short piece of one stream, as the ingest system hands it in."""

    key: SegmentKey
    source: Source
    init: Source | None = None
    """The init segment (fMP4/CMAF) that goes before ``source``, where it is separate."""
    discontinuity: bool = False
    """The sender says that its time does not continue that of the segment before."""


class Fit(StrEnum):
    """How a picture of one shape becomes an array of another."""

    SQUASH = "squash"
    """Every pixel kept, the aspect is not."""
    LETTERBOX = "letterbox"
    """Every pixel and the aspect kept, black bars added."""
    CROP = "crop"
    """The aspect kept, the middle only."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Burst:
    """Several frames in quick succession: what a clip model looks at to see movement."""

    frames: int
    rate: int
    """Frames a second, whatever the source has: one with fewer repeats them."""

    def __post_init__(self) -> None:
        if self.frames not in range(2, 33):
            raise ValueError(f"burst must have 2 to 32 frames, got {self.frames}")
        if self.rate not in range(1, 31):
            raise ValueError(f"burst must have 1 to 30 frames a second, got {self.rate}")

    @property
    def length(self) -> Fraction:
        """Seconds from the first frame to the last.

        >>> Burst(frames=8, rate=5).length
        Fraction(7, 5)
        """
        return Fraction(self.frames - 1, self.rate)


BURST_EVERY: Final = Fraction(2)
"""Seconds from one burst of a segment to the next: as much as a look covers before it, so that no
hole is left between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """What a scorer looks at.

    ``media`` makes each distinct spec once a sample, with swscale AREA.
    """

    width: int
    height: int
    fit: Fit = Fit.SQUASH
    burst: Burst | None = None
    """None: one frame."""

    def __post_init__(self) -> None:
        if not (8 <= self.width <= 2048 and 8 <= self.height <= 2048):
            raise ValueError(
                f"frame spec must be 8 to 2048 pixels a side, got {self.width}x{self.height}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape: (height, width, 3), or (frames, height, width, 3) for a burst."""
        frame = (self.height, self.width, 3)
        return frame if self.burst is None else (self.burst.frames, *frame)

    @property
    def frame(self) -> FrameSpec:
        """What is made of each frame of a burst; for one frame the spec itself."""
        return self if self.burst is None else replace(self, burst=None)


NEVER_WRAPS: Final = 64
"""Bits of a counter that is wide enough for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTimes:
    """The raw clock of one segment, from which its stream's owner places it (``scanner.pts``)."""

    first_pts: int
    """Of the first frame shown."""
    last_pts: int
    """Of the last frame shown (its start)."""
    duration: Fraction
    """Exact seconds from the first frame's start to the last one's end, as well as the container
    tells it."""
    time_base: Fraction
    """Seconds per tick."""
    wrap_bits: int = NEVER_WRAPS
    """Width of the counter: 33 in MPEG-TS, ``NEVER_WRAPS`` in most others."""

    def __post_init__(self) -> None:
        if not self.time_base > 0:
            raise ValueError(f"time base must be above 0, got {self.time_base}")
        if not self.duration >= 0:
            raise ValueError(f"duration must be 0 or more, got {self.duration}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a source turned out to be."""

    container: str
    codec: str
    width: int
    """Displayed pixels: after rotation and sample aspect ratio."""
    height: int
    still: bool = False
    """One picture without a duration."""


# Scores


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ModelRef:
    """What said so."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """When a segment is worth a look in motion: where one of its own frames has at least this
    score."""

    label: Label
    above: float
    """Probability."""
    when: frozenset[Medium] = frozenset()
    """Only frames count that are of these media more likely than not; empty for all, and where no
    model tells the medium."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.above <= 1.0:
            raise ValueError(f"gate of {self.label} must lie in [0, 1], got {self.above}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """What one model says of one sample: a calibrated probability for each label, and of which
    medium it is."""

    model: ModelRef
    values: Mapping[Label, float]
    """Probabilities in [0, 1]; raw network outputs are called logits and never get here."""
    medium: Mapping[Medium, float] = field(default_factory=dict)
    """Probabilities that sum to 1, or empty where the model has no medium head."""
    shadow: Mapping[Label, float] = field(default_factory=dict)
    """Probabilities that are recorded and nothing else: this model is in shadow for labels that
    another one judges."""

    def __post_init__(self) -> None:
        for name, value in (*self.values.items(), *self.medium.items(), *self.shadow.items()):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"score of {name} must lie in [0, 1], got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredFrame:
    """One sample after scoring; the pixels are gone."""

    at: Fraction
    """Exact seconds from the segment's first frame."""
    pts: int
    keyframe: bool
    scores: tuple[Scores, ...]
    """One for each scorer, in the scorers' order."""
    reused: bool = False
    """Equal to an earlier frame of its segment within the stated threshold, whose scores it takes.
    """
    burst: Burst | None = None
    """Which burst it is that ends here; None: it is one frame."""
    start: Fraction | None = None
    """Of a burst: the instant that its first frame shows, in seconds from the segment's first
    frame."""
    beside: Mapping[Medium, float] = field(default_factory=dict)
    """Of a burst: the medium of the frame beside it, which counts where its own models tell none.
    """
    superseded: frozenset[Label] = frozenset()
    """Labels that a burst beside it judges in its place."""

    @property
    def values(self) -> dict[Label, float]:
        """All labels of all models that count here; where two models know a label, the higher one."""
        return {
            label: value
            for label, value in _highest(s.values for s in self.scores).items()
            if label not in self.superseded
        }

    @property
    def left_out(self) -> dict[Label, float]:
        """The values of superseded labels."""
        return {
            label: value
            for label, value in _highest(s.values for s in self.scores).items()
            if label in self.superseded
        }

    @property
    def heard(self) -> dict[Label, float]:
        """All that any model says of it, whether it counts or not."""
        return _highest(
            values for scores in self.scores for values in (scores.values, scores.shadow)
        )

    @property
    def medium(self) -> Mapping[Medium, float]:
        """Of the first model that has a medium head; empty where none has."""
        return next((s.medium for s in self.scores if s.medium), self.beside)


def _highest(said: Iterable[Mapping[Label, float]]) -> dict[Label, float]:
    merged: dict[Label, float] = {}
    for values in said:
        for label, value in values.items():
            merged[label] = max(value, merged.get(label, 0.0))
    return merged


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSegment:
    """One window or segment after scoring: all that the stream's owner needs to place and fold it."""

    key: SegmentKey
    times: SegmentTimes
    frames: tuple[ScoredFrame, ...]
    """In order of time, frames and bursts; at one instant the frame first."""
    unseen: tuple[Unseen, ...]
    """Relative to the segment's first frame."""
    info: MediaInfo
    begins: Fraction = Fraction(0)
    """Exact seconds from its source's first frame: where a file's timeline goes on if nothing
    before it could be seen."""
    discontinuity: bool = False
    last: bool = False
    """The sender says, or the file's end shows, that no segment of this stream follows."""

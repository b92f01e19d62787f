"""The values that all parts of the scanner share, in the order in which data passes through them.

    Segment -> DecodedWindow (samples) -> ScoredSegment (scores) -> StreamRisk -> Incident
    -> Clip -> Report

``DecodedWindow`` is in ``scanner.media``, ``StreamRisk`` and ``Incident`` in ``scanner.risk``,
clips and reports in the packages of their names. All values are frozen and validated when they
are created.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Final, Literal, NewType

from scanner.spooled import SpooledBytes

__all__ = [
    "BURST_INTERVAL",
    "KEYFRAME_WEIGHT",
    "NEVER_WRAPS",
    "Burst",
    "FileBeneath",
    "Fit",
    "FrameSpec",
    "GapReason",
    "Gate",
    "HeldBytes",
    "Label",
    "MediaInfo",
    "Medium",
    "ModelRef",
    "ScoredFrame",
    "ScoredSegment",
    "Scores",
    "ScoringWork",
    "Segment",
    "SegmentKey",
    "SegmentTimes",
    "Source",
    "Span",
    "StreamId",
    "Unseen",
    "held_size",
]

StreamId = NewType("StreamId", str)
Label = NewType("Label", str)
"""The name of something that a model can detect; the taxonomy assigns it to a category."""


class Medium(StrEnum):
    """The kind of picture that a frame is; independent of the labels."""

    CAMERA = "camera"
    RENDERED = "rendered"
    DRAWN = "drawn"
    SCREEN = "screen"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """A half-open interval of time, ``start <= t < end``, in exact seconds."""

    start: Fraction
    end: Fraction

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise ValueError(f"span must not end before it starts, got [{self.start}, {self.end})")

    @property
    def length(self) -> Fraction:
        """The duration in seconds, zero or more."""
        return self.end - self.start

    def shift(self, by: Fraction) -> Span:
        """Return this span moved ``by`` seconds later."""
        return Span(start=self.start + by, end=self.end + by)


GapReason = Literal[
    "undecodable",
    "no_keyframe",
    "not_scanned",
    "between_samples",
    "missing",
    "quarantined",
    "late",
    "shed",
]
"""Why a span was not analysed.

``undecodable``: the decoder failed. ``no_keyframe``: there was no keyframe to start at.
``not_scanned``: another video track of the source has pictures there, which are not decoded.
``between_samples``: two samples lie further apart than ``sampling.max_gap``. ``missing``: the
segment never arrived, or no picture came for a while although sound or declared duration went on.
``quarantined``: the segment ended its decoder twice. ``late``: the segment arrived after its gap
was recorded. ``shed``: the segment waited for so long that it was dropped instead of analysed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A span that was not analysed, with the reason."""

    span: Span
    reason: GapReason


# Segments and their decoding


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class SegmentKey:
    """The natural key of a segment, which counts once however often it is delivered."""

    stream_id: StreamId
    sequence: int

    def __post_init__(self) -> None:
        if self.sequence < 0:
            raise ValueError(f"sequence must be 0 or more, got {self.sequence}")

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.sequence}"


@dataclass(frozen=True, slots=True)
class FileBeneath:
    """A local file that a playlist names: opened only if it lies beneath a folder then, whatever
    became of its path since it was checked."""

    folder: Path
    name: str
    """Its path relative to the folder."""

    @property
    def path(self) -> Path:
        """The path of the file, for messages."""
        return self.folder / self.name


HeldBytes = bytes | SpooledBytes
"""Encoded media that this process holds, in memory or in a temporary file."""
Source = HeldBytes | Path | FileBeneath
"""Encoded media: its bytes, or a local file that the worker reads itself, so that bytes stay where
they are."""


def held_size(source: Source | None) -> int:
    """Return the bytes of a source that this process holds; a local file has none."""
    return len(source) if isinstance(source, HeldBytes) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A short piece of one stream, as the ingest system delivers it."""

    key: SegmentKey
    source: Source
    init: Source | None = None
    """The init segment (fMP4/CMAF) to prepend to ``source``; None if the source is complete."""
    discontinuity: bool = False
    """True if the sender declares that timestamps do not continue those of the previous segment."""
    duration: Fraction | None = None
    """Seconds, as the sender declares them; the length of the hole if the segment cannot be
    decoded."""


class Fit(StrEnum):
    """The ways to resize a picture to an array of another aspect ratio."""

    SQUASH = "squash"
    """The whole picture, stretched to the array's aspect ratio."""
    LETTERBOX = "letterbox"
    """The whole picture at its own aspect ratio, padded with black bars."""
    CROP = "crop"
    """The centre of the picture at its own aspect ratio."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Burst:
    """The format of a burst: several frames in quick succession, in which a clip model can see
    movement."""

    frames: int
    rate: int
    """Frames per second, independent of the source; frames of a slower source are repeated."""

    def __post_init__(self) -> None:
        if self.frames not in range(2, 33):
            raise ValueError(f"burst must have 2 to 32 frames, got {self.frames}")
        if self.rate not in range(1, 31):
            raise ValueError(f"burst must have 1 to 30 frames a second, got {self.rate}")

    @property
    def length(self) -> Fraction:
        """The seconds from the first frame to the last.

        >>> Burst(frames=8, rate=5).length
        Fraction(7, 5)
        """
        return Fraction(self.frames - 1, self.rate)


BURST_INTERVAL: Final = Fraction(2)
"""Seconds from one burst of a segment to the next.

A sample covers at least the two seconds before it by default (``Policy.hold``), so that bursts at
this interval leave no gap.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSpec:
    """The array that a scorer needs of each sample.

    ``scanner.media`` produces each distinct spec once for each sample, with swscale's AREA filter.
    """

    width: int
    height: int
    fit: Fit = Fit.SQUASH
    burst: Burst | None = None
    """The burst's format; None for a single frame."""

    def __post_init__(self) -> None:
        if not (8 <= self.width <= 2048 and 8 <= self.height <= 2048):
            raise ValueError(
                f"frame spec must be 8 to 2048 pixels a side, got {self.width}x{self.height}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array: (height, width, 3), or (frames, height, width, 3) for a burst."""
        frame = (self.height, self.width, 3)
        return frame if self.burst is None else (self.burst.frames, *frame)

    @property
    def frame(self) -> FrameSpec:
        """The spec of each frame of a burst; of a single frame, the spec itself."""
        return self if self.burst is None else replace(self, burst=None)


NEVER_WRAPS: Final = 64
"""The width in bits of a timestamp counter that never wraps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTimes:
    """Raw time stamps of one segment; ``scanner.stream.clock`` maps them to the stream's clock."""

    first_pts: int
    """The PTS of the first frame in presentation order."""
    last_pts: int
    """The PTS of the last frame in presentation order."""
    duration: Fraction
    """Exact seconds from the first frame's start to the last frame's end, as the container states
    them."""
    time_base: Fraction
    """Seconds per tick."""
    wrap_bits: int = NEVER_WRAPS
    """The width of the counter: 33 bits in MPEG-TS, ``NEVER_WRAPS`` in most other containers."""

    def __post_init__(self) -> None:
        if not self.time_base > 0:
            raise ValueError(f"time base must be above 0, got {self.time_base}")
        if not self.duration >= 0:
            raise ValueError(f"duration must be 0 or more, got {self.duration}")

    @property
    def seconds_to_last(self) -> Fraction:
        """Seconds from the first frame to the start of the last one; the counter may have wrapped
        between them."""
        ticks = self.last_pts - self.first_pts
        if self.wrap_bits < NEVER_WRAPS:
            ticks %= 2**self.wrap_bits
        return max(ticks, 0) * self.time_base


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """The properties of a source, as found when it was opened."""

    container: str
    codec: str
    width: int
    """Displayed width in pixels, after rotation and sample aspect ratio."""
    height: int
    """Displayed height in pixels."""
    still: bool = False
    """True for a single picture without a duration."""


# Scores


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ModelRef:
    """The name and version of the model that produced a score."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The condition under which bursts of a segment are scored: one of its frames has at least this
    score."""

    label: Label
    above: float
    """The lowest probability that opens the gate."""
    when: frozenset[Medium] = frozenset()
    """The media that count: a frame must more likely than not be one of them. Empty for all media;
    ignored if no model reports a medium."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.above <= 1.0:
            raise ValueError(f"gate of {self.label} must lie in [0, 1], got {self.above}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The result of one model for one sample: a calibrated probability for each label, and for each
    medium if the model has a medium head."""

    model: ModelRef
    values: Mapping[Label, float]
    """Calibrated probabilities in [0, 1]; raw network outputs are called logits."""
    medium: Mapping[Medium, float] = field(default_factory=dict)
    """Probabilities that sum to 1; empty if the model has no medium head."""
    shadow: Mapping[Label, float] = field(default_factory=dict)
    """Probabilities that are recorded and not judged: the labels for which this model is in shadow
    while another model has them live."""

    def __post_init__(self) -> None:
        for name, value in (*self.values.items(), *self.medium.items(), *self.shadow.items()):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"score of {name} must lie in [0, 1], got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredFrame:
    """One sample, a frame or a burst, after scoring; its pixels are not kept."""

    at: Fraction
    """Exact seconds from the segment's first frame."""
    pts: int
    keyframe: bool
    scores: tuple[Scores, ...]
    """The result of each scorer, in the scorers' order."""
    reused: bool = False
    """True if the scores are those of an earlier, nearly equal frame of the segment
    (``scanner.scoring.segment``)."""
    burst: Burst | None = None
    """The format of the burst that ends at ``at``; None for a single frame."""
    start: Fraction | None = None
    """The time of a burst's first frame, in seconds from the segment's first frame; None for a
    single frame."""
    context_medium: Mapping[Medium, float] = field(default_factory=dict)
    """The medium of the frame on screen when a burst ends, used if the burst's models report none;
    empty for a single frame."""
    superseded_labels: frozenset[Label] = frozenset()
    """Labels of this frame that are judged by a nearby burst instead."""

    @property
    def values(self) -> dict[Label, float]:
        """The score of each label that counts here, the highest where several models report it."""
        return {
            label: value
            for label, value in _merge_highest(s.values for s in self.scores).items()
            if label not in self.superseded_labels
        }

    @property
    def superseded_values(self) -> dict[Label, float]:
        """The scores of the labels that a nearby burst judges instead."""
        return {
            label: value
            for label, value in _merge_highest(s.values for s in self.scores).items()
            if label in self.superseded_labels
        }

    @property
    def all_values(self) -> dict[Label, float]:
        """The scores of all labels, including superseded labels and models in shadow."""
        return _merge_highest(
            values for scores in self.scores for values in (scores.values, scores.shadow)
        )

    @property
    def medium(self) -> Mapping[Medium, float]:
        """The probabilities of the first model that has a medium head; without one,
        ``context_medium``."""
        return next((s.medium for s in self.scores if s.medium), self.context_medium)


def _merge_highest(scores: Iterable[Mapping[Label, float]]) -> dict[Label, float]:
    merged: dict[Label, float] = {}
    for values in scores:
        for label, value in values.items():
            merged[label] = max(value, merged.get(label, 0.0))
    return merged


KEYFRAME_WEIGHT: Final = 3
"""Frames between keyframes that take as long to decode as one keyframe.

Measured on 1080p30 H.264 of 6 Mb/s: 18.6 against 5.5 ms with people, 20.4 against 4.7 ms of games.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringWork:
    """The work that a segment took, in the units of ``scanner.stream.burst_account``."""

    frames: int = 0
    """Work for the frames that are sampled."""
    bursts: int = 0
    """Additional work for bursts."""

    def __post_init__(self) -> None:
        if self.frames < 0 or self.bursts < 0:
            raise ValueError(f"work must be 0 or more, got {self.frames} and {self.bursts}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSegment:
    """One segment, or one window of a file, after scoring: the input for placing and folding it."""

    key: SegmentKey
    times: SegmentTimes
    frames: tuple[ScoredFrame, ...]
    """Frames and bursts in order of time; a frame precedes a burst of the same instant."""
    unseen: tuple[Unseen, ...]
    """Spans that were not analysed, relative to the segment's first frame."""
    info: MediaInfo
    begins: Fraction = Fraction(0)
    """Exact seconds from the first frame of the source to that of this window: its place on a
    file's timeline when no earlier window could be decoded."""
    discontinuity: bool = False
    """True if timestamps do not continue those of the previous segment."""
    last: bool = False
    """True if no segment of this stream follows, by declaration or because the file ends."""
    whole_file: bool = False
    """True for a window of a file that is a stream by itself: only there a picture is judged as a
    still."""
    declared: Fraction | None = None
    """Seconds, as the sender declares them: evidence for the place of the next segment."""
    work: ScoringWork = ScoringWork()
    """Work that scoring it took; the budget of later bursts depends on it."""
    has_keyframe: bool = True
    """True if decoding of the next segment may begin in this one."""
    damaged: tuple[ScoredFrame, ...] = ()
    """Frames that the decoder marks as corrupt or has concealed, in order of time: their scores are
    recorded and not folded, and ``unseen`` has what they cover."""

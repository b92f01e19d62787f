"""Events: what folding a stream's input causes, exact and in order.

Lines, reports and clips are made from events. Every input causes an event that contains it, so that
``scanner.records.recording.input_of`` can return the input; the other events follow from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from scanner.risk.incident import Closed, Extended, Opened, PastIncident
from scanner.risk.observation import Signal
from scanner.risk.policy import Policies
from scanner.types import (
    GapReason,
    Label,
    Medium,
    ScoredSegment,
    SegmentKey,
    Span,
    StreamId,
    Unseen,
)

__all__ = [
    "FrameRisk",
    "GapFound",
    "HistoryReceived",
    "NothingDecoded",
    "SegmentFailed",
    "SegmentLate",
    "SegmentScored",
    "SegmentUnavailable",
    "SegmentsMissing",
    "SignalReceived",
    "StreamEvent",
    "StreamFinished",
    "StreamStalled",
    "StreamSummary",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRisk:
    """The risk of a stream just after one frame or burst was folded."""

    levels: Mapping[Label, float | None]
    """Log-odds of the evidence for each label that was scored so far; None while too little was
    seen to know it."""
    boosts: Mapping[Label, float] = field(default_factory=dict)
    """Log-odds that signals in force add to each label's level; empty without signals."""

    def risks(self, policies: Policies) -> dict[Label, float]:
        """Return the risk of each label that has a policy."""
        return {
            label: policy.risk(self.levels.get(label), self.boosts.get(label, 0.0))
            for label, policy in policies.labels.items()
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentScored:
    """A segment has its place on the stream's clock, and its frames were folded."""

    segment: ScoredSegment
    offset: Fraction
    """Stream seconds of the segment's first frame."""
    risks: tuple[FrameRisk, ...]
    """One for each of ``segment.frames``, in order; empty for a still picture, which is not
    folded."""

    @property
    def span(self) -> Span:
        """The span of the stream that the segment shows."""
        return Span(start=self.offset, end=self.offset + self.segment.times.duration)

    @property
    def samples(self) -> Iterator[tuple[Fraction, FrameRisk]]:
        """The stream second of each sample, and the risk just after it; empty for a still picture.

        A burst that ends with a frame sampled by itself has the same second, and comes later.
        """
        times = (self.offset + frame.at for frame in self.segment.frames)
        return zip(times, self.risks, strict=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFailed:
    """A segment could not be decoded or was quarantined."""

    key: SegmentKey
    kind: str
    message: str
    quarantined: bool = False
    duration: Fraction | None = None
    """Seconds, as the sender declares them; None where it does not."""
    discontinuity: bool = False
    """True if the sender declares that its timestamps would not continue those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentUnavailable:
    """A segment that its sender reported as lost, that could not be fetched, or that was shed."""

    key: SegmentKey
    reason: GapReason = "missing"
    kind: str | None
    """The kind of the error that is printed; None if none is."""
    message: str
    duration: Fraction | None = None
    """Seconds, as the sender declares them; None where it does not."""
    discontinuity: bool = False
    """True if the sender declares that its timestamps would not continue those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentsMissing:
    """Sequences that did not arrive were given up."""

    stream_id: StreamId
    first: int
    last: int
    """The last sequence, inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLate:
    """A segment came after its gap was given up: it was scored and is not folded."""

    outcome: ScoredSegment | SegmentFailed
    span: Span | None
    """Its place on the stream's clock; None if it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReceived:
    """A signal was received."""

    stream_id: StreamId
    signal: Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReceived:
    """Incidents of other streams of the channel became known to the stream."""

    stream_id: StreamId
    incidents: tuple[PastIncident, ...]
    """Their ``opened`` counts from the time up to which the stream was folded: 0 or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStalled:
    """Nothing usable has arrived for a long time."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class GapFound:
    """A span that was not seen, once its end is known."""

    unseen: Unseen

    @property
    def span(self) -> Span:
        """The span in stream seconds."""
        return self.unseen.span

    @property
    def reason(self) -> GapReason:
        """The reason why it was not seen."""
        return self.unseen.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class NothingDecoded:
    """A stream ended without a decoded frame and without an error that explains it."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSummary:
    """Figures of a whole stream."""

    duration: Fraction
    """Seconds; 0 for a still picture."""
    frames: int
    coverage: float
    """Share of the duration that was seen, in [0, 1]."""
    medium: Mapping[Medium, float]
    """Share of the seen time that each medium took."""
    peak_risk: Mapping[Label, float]
    peak_level: Mapping[Label, float | None]
    """Highest level (log-odds) of each label; None where too little was seen to know it."""
    peak_score: Mapping[Label, float]
    flagged: tuple[Label, ...]
    """Labels of live incidents, or of a still picture, sorted."""

    @property
    def is_still(self) -> bool:
        """Whether the source is a still picture, which has no risk over time."""
        return self.frames > 0 and self.duration == 0 and not self.peak_risk


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFinished:
    """The last event of a stream."""

    stream_id: StreamId
    summary: StreamSummary | None
    """None if no segment of it could be read."""


StreamEvent = (
    SegmentScored
    | SegmentFailed
    | SegmentUnavailable
    | SegmentsMissing
    | SegmentLate
    | SignalReceived
    | HistoryReceived
    | StreamStalled
    | GapFound
    | NothingDecoded
    | Opened
    | Extended
    | Closed
    | StreamFinished
)

"""What goes in: arrivals as the sender hands them over, and turns, the ordered input of a stream.

An *arrival* may come in any order and more than once. ``scanner.stream.order`` makes *turns* of
arrivals: each has its place in the log of its stream, and is folded once, in that place. A segment
turn must be decoded and scored first; its *outcomes* are what is folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from scanner.errors import InputError, QuarantinedError, ScannerError
from scanner.risk.observation import Signal
from scanner.stream.state import StreamProgress
from scanner.types import ScoredSegment, Segment, SegmentKey, StreamId

__all__ = [
    "Arrival",
    "EndTurn",
    "FailedSegment",
    "Job",
    "LateSegment",
    "LostTurn",
    "MissingTurn",
    "Outcome",
    "Runner",
    "SegmentArrived",
    "SegmentLost",
    "SegmentTurn",
    "SignalTurn",
    "SourceFailed",
    "StallTurn",
    "StreamEnded",
    "StreamInput",
    "StreamStarted",
    "Turn",
]


# Arrivals


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """The sender knows with which sequence a stream begins.

    Without it, the lowest of the first few sequences that arrive is taken for the first.
    """

    path: str
    """The name under which the stream's lines are printed."""
    stream_id: StreamId
    first_sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentArrived:
    """A segment of a stream, or a whole file."""

    path: str
    segment: Segment
    name: str
    """What messages call the source."""
    windowed: bool = False
    """True for a file, which is cut into windows; each window takes a sequence of its own."""
    last: bool = False
    """True where no later segment of this stream follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentLost:
    """A segment that will never arrive: the sender says so, or it cannot be fetched."""

    path: str
    key: SegmentKey
    error: ScannerError | None = None
    """The reason, where it is worth an error line."""
    duration: Fraction | None = None
    """Seconds, as the sender declares them; None where it does not."""
    discontinuity: bool = False
    """True if the sender declares that its timestamps would not continue those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnded:
    """No further segment of this stream will arrive."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFailed:
    """A path that is no stream, or a stream that broke off."""

    path: str
    error: ScannerError


Arrival = StreamStarted | SegmentArrived | SegmentLost | StreamEnded | SourceFailed


# Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One source to decode and score."""

    segment: Segment
    """Its key has the sequence of the source's first window."""
    name: str
    """What messages call the source."""
    windowed: bool
    """True for a file: it is cut at keyframes into windows, each of them a segment."""
    previous: Segment | None = None
    """The segment before this one, where decoding may begin in it: a declared input, so that a
    retry sees the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTurn:
    """A segment or a file whose turn it is; it is decoded, scored and folded part by part."""

    job: Job
    late: bool = False
    """True if it came after its gap was given up: it is scored and recorded, not folded."""

    @property
    def stream_id(self) -> StreamId:
        """The stream that it belongs to."""
        return self.job.segment.key.stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LostTurn:
    """A segment that the sender reported as lost."""

    key: SegmentKey
    kind: str | None = None
    """The kind of the error that is printed; None where none is."""
    message: str = ""
    duration: Fraction | None = None
    """Seconds, as the sender declares them; None where it does not."""
    discontinuity: bool = False
    """True if the sender declares that its timestamps would not continue those before it."""

    @property
    def stream_id(self) -> StreamId:
        """The stream that it belongs to."""
        return self.key.stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingTurn:
    """Sequences that never arrived and were given up. One that arrives later is late."""

    stream_id: StreamId
    first: int
    last: int
    """Inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTurn:
    """Something other than the picture that speaks for or against labels."""

    stream_id: StreamId
    signal: Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class StallTurn:
    """Nothing usable has arrived for long: open incidents close as unseen.

    The clock does not move, and the stream may resume.
    """

    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTurn:
    """The stream is over; no turn follows."""

    stream_id: StreamId
    path: str
    """What an error line calls the stream if no frame of it was decoded."""


Turn = SegmentTurn | LostTurn | MissingTurn | SignalTurn | StallTurn | EndTurn


# Outcomes of segment turns


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSegment:
    """A segment that will not be scored, and why."""

    key: SegmentKey
    kind: str
    """The kind of its ``InputError``."""
    message: str
    quarantined: bool = False
    """True if it ended its decoder twice."""
    duration: Fraction | None = None
    """Seconds, as the sender declares them; None where it does not."""
    discontinuity: bool = False
    """True if the sender declares that its timestamps would not continue those before it."""

    @classmethod
    def from_error(
        cls,
        key: SegmentKey,
        error: InputError,
        *,
        duration: Fraction | None = None,
        discontinuity: bool = False,
    ) -> FailedSegment:
        """Return the outcome of a segment that failed with ``error``."""
        return cls(
            key=key,
            kind=error.kind,
            message=str(error),
            quarantined=isinstance(error, QuarantinedError),
            duration=duration,
            discontinuity=discontinuity,
        )


Outcome = ScoredSegment | FailedSegment


@dataclass(frozen=True, slots=True, kw_only=True)
class LateSegment:
    """The outcome of a segment that came after its gap was given up."""

    outcome: Outcome


StreamInput = Outcome | LateSegment | LostTurn | MissingTurn | SignalTurn | StallTurn | EndTurn
"""What ``scanner.stream.advance`` folds."""


class Runner(Protocol):
    """Decodes, scores and folds turns somewhere: in this process or on Ray workers.

    Turns are pulled only as there is capacity for them, so an endless or live-paced iterable is
    fine. Each stream starts with a new ``StreamState``.
    """

    def run(self, turns: Iterable[Turn]) -> Iterator[StreamProgress]:
        """Yield the progress of each stream in the order of its turns; streams may mix.

        Raises:
            ScannerError: the turns could not be pulled, or no worker can work.
        """

"""The input of a stream: arrivals as a sender delivers them, and turns in the order of the fold.

*Arrivals* may come in any order and more than once. ``scanner.stream.order`` decides the order of
*turns*: each has its place in the log of its stream and is folded once. A segment turn is decoded
and scored first, and its *outcomes* are folded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

from scanner.errors import InputError, QuarantinedError, ScannerError
from scanner.risk.incident import PastIncident
from scanner.risk.observation import Signal
from scanner.stream.state import StreamProgress
from scanner.types import GapReason, ScoredSegment, Segment, SegmentKey, StreamId

__all__ = [
    "Arrival",
    "EndTurn",
    "FailedSegment",
    "FilesSkipped",
    "HistoryTurn",
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
    "SkipKind",
    "SourceFailed",
    "StallTurn",
    "StreamEnded",
    "StreamInput",
    "StreamStarted",
    "Turn",
]


# Arrivals

SkipKind = Literal["in_playlist", "other_name", "linked_folder"]
"""Why files of a folder are skipped: a playlist of the folder has read them as its segments, their
names are not those of media, or they are links to folders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStarted:
    """A stream whose first sequence the sender declares.

    Without this arrival the lowest of the first few sequences that arrive is the first.
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
    """Name of the source in messages."""
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
    """The error that is printed; None if none is."""
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
    """A path that is no stream, or a stream whose source failed."""

    path: str
    error: ScannerError


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesSkipped:
    """Files of a folder that are not read by themselves."""

    path: str
    """The folder as it was named."""
    kind: SkipKind
    files: int
    """Number of files, one or more."""


Arrival = StreamStarted | SegmentArrived | SegmentLost | StreamEnded | SourceFailed | FilesSkipped


# Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One source to decode and score."""

    segment: Segment
    """Its key has the sequence of the source's first window."""
    name: str
    """Name of the source in messages."""
    windowed: bool
    """True for a file: it is cut at keyframes into windows, each of them a segment."""
    previous: tuple[Segment, ...] = ()
    """The segments just before this one, in order, in which decoding may begin: declared inputs, so
    that a retry has the same ones. ``run_before`` gives those that are needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTurn:
    """A segment or a file, which is decoded, scored and folded part by part."""

    job: Job
    late: bool = False
    """True if it came after its gap was given up: it is scored and recorded, not folded."""

    @property
    def stream_id(self) -> StreamId:
        """The stream that it belongs to."""
        return self.job.segment.key.stream_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LostTurn:
    """A segment that will not be analysed: the sender reported it as lost, or it was shed."""

    key: SegmentKey
    reason: GapReason = "missing"
    kind: str | None = None
    """The kind of the error that is printed; None if none is."""
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
    """The last sequence, inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalTurn:
    """Evidence for or against labels that is not in the picture."""

    stream_id: StreamId
    signal: Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryTurn:
    """Incidents of other streams of the channel, of which the stream itself knows nothing."""

    stream_id: StreamId
    incidents: tuple[PastIncident, ...]
    """Their ``opened`` counts from the time up to which the stream is folded: 0 or less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StallTurn:
    """Nothing usable has arrived for a long time: open incidents close as unseen.

    The clock does not move, and the stream may resume.
    """

    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTurn:
    """The stream is over; no turn follows."""

    stream_id: StreamId
    path: str
    """Name of the stream in an error line, if no frame of it was decoded."""


Turn = SegmentTurn | LostTurn | MissingTurn | SignalTurn | HistoryTurn | StallTurn | EndTurn


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


StreamInput = (
    Outcome | LateSegment | LostTurn | MissingTurn | SignalTurn | HistoryTurn | StallTurn | EndTurn
)
"""Input of ``scanner.stream.advance``."""


class Runner(Protocol):
    """Decodes, scores and folds turns somewhere: in this process or on Ray workers.

    Turns are pulled only as there is capacity for them, so the iterable may be endless or
    real-time. Each stream starts with a new ``StreamState``.
    """

    def run(self, turns: Iterable[Turn]) -> Iterator[StreamProgress]:
        """Yield the progress of each stream in the order of its turns; streams may mix.

        Raises:
            ScannerError: the turns could not be pulled, or no worker can work.
        """

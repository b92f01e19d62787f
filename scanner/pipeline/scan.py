"""From arrivals to events: a scan of several streams, each in order. Read this module first.

    arrivals -> TurnOrder -> turns -> Runner (decode, score, fold) -> events

``scan`` does not decode, score or fold: the runner does, in this process or on Ray.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from scanner.errors import InputError, ScannerError, TransientError
from scanner.risk.policy import Policies
from scanner.stream.advance import advance
from scanner.stream.events import (
    SegmentFailed,
    SegmentLate,
    SegmentScored,
    StreamEvent,
    StreamFinished,
)
from scanner.stream.inputs import (
    Arrival,
    EndTurn,
    FilesSkipped,
    Job,
    LostTurn,
    MissingTurn,
    Runner,
    SegmentArrived,
    SegmentLost,
    SegmentTurn,
    SourceFailed,
    StreamEnded,
    StreamStarted,
    Turn,
)
from scanner.stream.order import Late, Missing, Release, TurnOrder
from scanner.stream.run import extend_recent
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import ScoredSegment, Segment, SegmentKey, StreamId, held_size

__all__ = ["PathFailed", "Scan", "ScanEvent", "scan"]

ENDED_KEPT: Final = 4096
"""Streams that ended and are remembered, so that an arrival of one is refused; the latest ones."""
RECENT_BYTES: Final = 32 << 20
"""Most bytes of a stream's earlier segments that are held for decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFailed:
    """A path that could not be opened as a stream, or a stream whose source failed."""

    error: ScannerError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanEvent:
    """One event of a scan, with its stream, path and source."""

    path: str
    """The name under which the stream's lines are printed."""
    event: StreamEvent | PathFailed | FilesSkipped
    stream_id: StreamId | None = None
    """None for an event of a path, which is no event of a stream."""
    job: Job | None = None
    """Source of a scored segment, from which evidence can be cut; None for other events."""


def scan(
    arrivals: Iterable[Arrival], runner: Runner, *, missing_after: int = 3
) -> Iterator[ScanEvent]:
    """Scan everything that arrives; each stream's events end with ``StreamFinished``.

    Events of one stream are in order; those of different streams mix if the runner works on several
    at once. A sequence is given up when ``missing_after`` later ones have arrived.
    """
    return Scan(arrivals, runner, missing_after=missing_after)


class Scan(Iterator[ScanEvent]):
    """The events of a scan, which may be broken off and then ended where every stream is."""

    def __init__(
        self, arrivals: Iterable[Arrival], runner: Runner, *, missing_after: int = 3
    ) -> None:
        self._streams = _ScannedStreams(missing_after)
        self._progress = runner.run(self._streams.turns(arrivals))
        self._ready: deque[ScanEvent] = deque()

    def __next__(self) -> ScanEvent:
        while not self._ready:
            progress = next(self._progress, None)
            self._ready.extend(self._streams.take_path_events())
            if progress is not None:
                self._ready.extend(self._streams.describe(progress))
            elif not self._ready:
                raise StopIteration
        return self._ready.popleft()

    def end_interrupted(self, policies: Policies) -> Iterator[ScanEvent]:
        """Yield the events that are ready, then the end of each open stream where it is; its path
        fails with the kind ``interrupted``.

        No segment is scanned any more.
        """
        while self._ready:
            yield self._ready.popleft()
        yield from self._streams.take_path_events()
        yield from self._streams.end_interrupted(policies)


@dataclass(slots=True)
class _ScannedStream:
    path: str
    order: TurnOrder
    arrived: dict[int, SegmentTurn | LostTurn] = field(default_factory=dict)
    """Turns by sequence, until the order releases them."""
    jobs: dict[int, Job] = field(default_factory=dict)
    """Jobs by sequence, from their release until their outcome is known."""
    file: Job | None = None
    """The job of a file, whose windows have sequences of their own."""
    recent: tuple[Segment, ...] = ()
    """The latest segments that were released without a hole between them, in which decoding of the
    next one may begin."""
    state: StreamState | None = None
    """The state after the events that were described; ``None`` before the first."""


class _ScannedStreams:
    """The streams of one scan.

    ``turns`` may run in another thread than the other methods. The two threads share only
    containers to which one adds and from which the other removes.
    """

    def __init__(self, missing_after: int) -> None:
        self._missing_after = missing_after
        self._streams: dict[StreamId, _ScannedStream] = {}
        """Streams of which an event may still come."""
        self._ended: dict[StreamId, None] = {}
        """The latest streams for which no arrival is accepted, in the order of their ends."""
        self._failed = 0
        """Paths that failed."""
        self._path_events: deque[ScanEvent] = deque()

    # The arrival side

    def turns(self, arrivals: Iterable[Arrival]) -> Iterator[Turn]:
        """Yield turns as arrivals come; streams that are open after the last arrival end."""
        for arrival in arrivals:
            match arrival:
                case StreamStarted(path=path, stream_id=stream_id, first_sequence=first):
                    order = TurnOrder.starting_at(first, patience=self._missing_after)
                    self._open(path, stream_id, order)
                case SegmentArrived(path=path, segment=segment):
                    job = Job(segment=segment, name=arrival.name, windowed=arrival.windowed)
                    yield from self._add(path, segment.key, SegmentTurn(job=job))
                    if arrival.last:
                        yield from self._end(segment.key.stream_id)
                case SegmentLost(path=path, key=key):
                    yield from self._add(path, key, _lost_turn(arrival))
                case StreamEnded(stream_id=stream_id):
                    yield from self._end(stream_id)
                case SourceFailed(path=path, error=error):
                    self._fail(path, error)
                    yield self._end_of_failed(path)
                case FilesSkipped(path=path):
                    self._path_events.append(ScanEvent(path=path, event=arrival))
        for stream_id in [*self._streams]:
            yield from self._end(stream_id)

    def _end_of_failed(self, path: str) -> EndTurn:
        """Return the end of a stream that nothing is known of: its progress makes the runner
        report, so that a failure does not wait for the next segment of another stream."""
        self._failed += 1
        return EndTurn(stream_id=StreamId(f"\0failed {self._failed}"), path=path)

    def _open(self, path: str, stream_id: StreamId, order: TurnOrder) -> _ScannedStream | None:
        """Return the stream, opened if it is new; None if it has ended."""
        if stream_id in self._ended:
            return None
        stream = self._streams.setdefault(stream_id, _ScannedStream(path=path, order=order))
        return None if stream.order.ended else stream

    def _add(
        self, path: str, key: SegmentKey, turn: SegmentTurn | LostTurn
    ) -> Iterator[SegmentTurn | LostTurn | MissingTurn]:
        stream = self._open(path, key.stream_id, TurnOrder(patience=self._missing_after))
        if stream is None:
            message = f"segment {key}: arrived after its stream ended; a restart is a new stream"
            self._fail(path, InputError(message, kind="stream_ended"))
            return
        if stream.order.classify(key.sequence) != "new":
            return
        stream.arrived[key.sequence] = turn
        stream.order, released = stream.order.add(key.sequence)
        yield from self._release(key.stream_id, stream, released)

    def _end(self, stream_id: StreamId) -> Iterator[Turn]:
        stream = self._streams.get(stream_id)
        if stream is None or stream.order.ended:
            return
        self._ended[stream_id] = None
        if len(self._ended) > ENDED_KEPT:
            del self._ended[next(iter(self._ended))]
        stream.order, released = stream.order.end()
        yield from self._release(stream_id, stream, released)
        yield EndTurn(stream_id=stream_id, path=stream.path)

    def _release(
        self, stream_id: StreamId, stream: _ScannedStream, released: Iterable[Release]
    ) -> Iterator[SegmentTurn | LostTurn | MissingTurn]:
        for release in released:
            if isinstance(release, Missing):
                yield MissingTurn(stream_id=stream_id, first=release.first, last=release.last)
                continue
            turn = stream.arrived.pop(release.sequence)
            if isinstance(turn, SegmentTurn):
                turn = replace(turn, late=isinstance(release, Late))
                stream.jobs[release.sequence] = turn.job
                stream.file = turn.job if turn.job.windowed else None
                if not (turn.late or turn.job.windowed):
                    turn = replace(turn, job=_with_previous(turn.job, stream))
            yield turn

    def _fail(self, path: str, error: ScannerError) -> None:
        self._path_events.append(ScanEvent(path=path, event=PathFailed(error=error)))

    # The side of the results

    def take_path_events(self) -> Iterator[ScanEvent]:
        """Yield the events of paths that are not yet reported."""
        while self._path_events:
            yield self._path_events.popleft()

    def describe(self, progress: StreamProgress) -> Iterator[ScanEvent]:
        """Yield the events with the stream's path and, for a scored segment, its source."""
        stream = self._streams.get(progress.stream_id)
        if stream is None:  # the end of a path that failed
            return
        stream.state = progress.state
        for event in progress.events:
            yield self._describe(progress.stream_id, stream, event)

    def end_interrupted(self, policies: Policies) -> Iterator[ScanEvent]:
        """Yield the failure and the end of each open stream."""
        for stream_id, stream in [*self._streams.items()]:
            path, state = stream.path, stream.state
            if state is None or not state.frames:
                yield _interruption(path, "before its first frame was scanned")
                continue
            yield _interruption(path, f"after {float(state.clock.end):.1f} s of it")
            _, events = advance(state, EndTurn(stream_id=stream_id, path=path), policies)
            for event in events:
                yield self._describe(stream_id, stream, event)

    def _describe(
        self, stream_id: StreamId, stream: _ScannedStream, event: StreamEvent
    ) -> ScanEvent:
        match event:
            case SegmentScored(segment=segment):
                job = stream.file or stream.jobs.pop(segment.key.sequence)
                return ScanEvent(path=stream.path, event=event, stream_id=stream_id, job=job)
            case SegmentFailed(key=key) | SegmentLate(outcome=SegmentFailed(key=key)):
                stream.jobs.pop(key.sequence, None)
            case SegmentLate(outcome=ScoredSegment(key=key)):
                stream.jobs.pop(key.sequence, None)
            case StreamFinished():
                del self._streams[stream_id]
        return ScanEvent(path=stream.path, event=event, stream_id=stream_id)


def _interruption(path: str, when: str) -> ScanEvent:
    error = TransientError(f"{path}: the scan was interrupted {when}", kind="interrupted")
    return ScanEvent(path=path, event=PathFailed(error=error))


def _with_previous(job: Job, stream: _ScannedStream) -> Job:
    """Return the job with the segments before it, and remember its own for the next one.

    What was scored tells which segments no later one needs. They are forgotten, so that a stream
    whose segments begin with keyframes has one segment in memory. Nothing else depends on it.
    """
    needed_from = 0 if stream.state is None else stream.state.needed_from
    needed = tuple(one for one in stream.recent if one.key.sequence >= needed_from)
    before, kept = extend_recent(needed, job.segment)
    while sum(held_size(one.source) for one in kept) > RECENT_BYTES and len(kept) > 1:
        kept = kept[1:]
    stream.recent = kept
    return replace(job, previous=before)


def _lost_turn(lost: SegmentLost) -> LostTurn:
    return LostTurn(
        key=lost.key,
        kind=None if lost.error is None else lost.error.kind,
        message="" if lost.error is None else str(lost.error),
        duration=lost.duration,
        discontinuity=lost.discontinuity,
    )

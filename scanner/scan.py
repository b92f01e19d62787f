"""The whole path in one process: what arrives, through a runner, to lines. Read this first.

    Arrived, Lost, NoMore, Unreadable  ->  Runner (decode, score)  ->  Monitor (place, fold)  ->  Line, Event

``scan`` neither decodes nor scores nor judges: it keeps the streams apart and in order. The runner
may be in line or on Ray.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from scanner.arrivals import Arrival, Arrived, Lost, NoMore, Unreadable
from scanner.lines import ErrorLine, IncidentLine, SummaryLine
from scanner.monitor import Monitor, Said
from scanner.pts import Clock
from scanner.queue import Queue
from scanner.risk.incident import Closed, Incident
from scanner.risk.policy import Policies
from scanner.risk.stream import StreamRisk
from scanner.runner import Job, Outcome, Runner
from scanner.types import ScoredSegment, SegmentKey, StreamId

__all__ = ["Evidence", "Said", "incident_line", "scan"]


class Evidence(Protocol):
    """Keeps what is needed to show an incident, and shows it when it is over."""

    def arrived(self, path: str, job: Job) -> None:
        """A source was handed in. May be called from another thread than the rest."""

    def placed(self, segment: ScoredSegment, before: Clock, after: Clock) -> None:
        """It was scored and has its place on the stream's clock."""

    def looked(self, path: str, risk: StreamRisk) -> None:
        """One sample was folded."""

    def show(self, path: str, incident: Incident) -> str | None:
        """Cut and draw; the clip's file name, or None where there is none."""

    def over(self, stream_id: StreamId, summary: SummaryLine | None) -> None:
        """A stream is over; None where nothing of it could be read.

        After this, nothing of it is needed any more.
        """


def scan(
    arrivals: Iterable[Arrival],
    policies: Policies,
    runner: Runner,
    *,
    evidence: Evidence | None = None,
    patience: int = 3,
) -> Iterator[Said]:
    """Scan all that arrives; each stream's lines end with its summary.

    Lines of one stream are in order; those of different streams may mix where the runner works on
    several at once. ``Closed`` events are told as ``IncidentLine``, the others as they are.
    """
    desk = _Desk(policies, evidence, patience)
    for outcome in runner.run(desk.jobs(arrivals)):
        yield from desk.take(outcome)
    yield from desk.close()


def incident_line(path: str, incident: Incident, clip: str | None = None) -> IncidentLine:
    """The incident as a line; of a running one, ``end`` is when it was known last."""
    return IncidentLine(
        path=path,
        id=incident.id,
        label=incident.label,
        labels=tuple(incident.labels),
        category=incident.category,
        severity=incident.severity,
        start=float(incident.start),
        opened=float(incident.opened),
        end=float(incident.opened if incident.end is None else incident.end),
        peak=incident.peak,
        clip=clip,
        shadow=incident.shadow,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    path: str
    queue: Queue
    monitor: Monitor


class _Desk:
    """Keeps the streams apart. ``jobs`` may run in another thread than the rest."""

    def __init__(self, policies: Policies, evidence: Evidence | None, patience: int) -> None:
        self._policies = policies
        self._evidence = evidence
        self._patience = patience
        self._streams: dict[StreamId, _Stream] = {}
        self._errors: deque[ErrorLine] = deque()
        self._ended: deque[StreamId] = deque()
        """Streams of which nothing more arrives, and whose summary was not told yet."""

    def jobs(self, arrivals: Iterable[Arrival]) -> Iterator[Job]:
        """What is to be run, while arrivals come."""
        for arrival in arrivals:
            match arrival:
                case Arrived():
                    yield from self._job(arrival)
                case Lost(path=path, key=key):
                    self._stream(path, key).queue.lose(arrival)
                case NoMore(stream_id=stream_id) if stream_id in self._streams:
                    self._end(stream_id)
                case Unreadable(path=path, error=error):
                    self._errors.append(ErrorLine(path=path, kind=error.kind, message=str(error)))

    def take(self, outcome: Outcome) -> Iterator[Said]:
        """Lines of what is ready now that this was said."""
        yield from self._told_errors()
        stream = self._streams[outcome.key.stream_id]
        stream.queue.hear(outcome)
        yield from self._take_turns(stream)
        yield from self._finish_streams()

    def close(self) -> Iterator[Said]:
        """Whatever is left."""
        yield from self._told_errors()
        for stream_id in self._streams:
            self._end(stream_id)
        yield from self._finish_streams()

    def _job(self, arrived: Arrived) -> Iterator[Job]:
        stream = self._stream(arrived.path, arrived.segment.key)
        new = stream.queue.arrive(arrived)
        if arrived.last:
            self._end(arrived.segment.key.stream_id)
        if not new:
            return
        job = Job(segment=arrived.segment, name=arrived.name, windowed=arrived.windowed)
        if self._evidence is not None:
            self._evidence.arrived(arrived.path, job)
        yield job

    def _end(self, stream_id: StreamId) -> None:
        self._streams[stream_id].queue.end()
        self._ended.append(stream_id)

    def _stream(self, path: str, key: SegmentKey) -> _Stream:
        if key.stream_id not in self._streams:
            monitor = Monitor(path, key.stream_id, self._policies, on_look=self._watcher(path))
            self._streams[key.stream_id] = _Stream(
                path=path, queue=Queue(key.sequence, self._patience), monitor=monitor
            )
        return self._streams[key.stream_id]

    def _watcher(self, path: str) -> Callable[[StreamRisk], None] | None:
        evidence = self._evidence
        return None if evidence is None else lambda risk: evidence.looked(path, risk)

    def _told_errors(self) -> Iterator[ErrorLine]:
        while self._errors:
            yield self._errors.popleft()

    def _take_turns(self, stream: _Stream) -> Iterator[Said]:
        for outcome, late in stream.queue.turns():
            if isinstance(outcome, Lost):
                yield from stream.monitor.lose(outcome.key.sequence, outcome.error)
                continue
            if late:
                yield from stream.monitor.take_late(outcome)
                continue
            before = stream.monitor.clock
            told = list(stream.monitor.take(outcome))
            if self._evidence is not None and isinstance(outcome, ScoredSegment):
                self._evidence.placed(outcome, before, stream.monitor.clock)
            yield from self._shown(stream, told)

    def _finish_streams(self) -> Iterator[Said]:
        """Summaries of streams that ended and of which everything was taken; the others are asked
        again next time."""
        for _ in range(len(self._ended)):
            stream_id = self._ended.popleft()
            stream = self._streams.get(stream_id)
            if stream is None:
                continue
            yield from self._take_turns(stream)
            if not stream.queue.done:
                self._ended.append(stream_id)
                continue
            del self._streams[stream_id]
            told = list(self._shown(stream, stream.monitor.finish()))
            if self._evidence is not None:
                self._evidence.over(
                    stream_id, next((line for line in told if isinstance(line, SummaryLine)), None)
                )
            yield from told

    def _shown(self, stream: _Stream, told: Iterable[Said]) -> Iterator[Said]:
        for said in told:
            if not isinstance(said, Closed):
                yield said
                continue
            clip = (
                None if self._evidence is None else self._evidence.show(stream.path, said.incident)
            )
            yield incident_line(stream.path, said.incident, clip)

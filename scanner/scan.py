"""The whole path in one process: what arrives, through a runner, to lines. Read this first.

    Arrived, Ended, Unreadable  ->  Runner (decode, score)  ->  Monitor (place, fold)  ->  Line, Event

``scan`` neither decodes nor scores nor judges: it keeps the streams apart and in order. The runner may be in line or on Ray.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from scanner.errors import ScannerError
from scanner.lines import ErrorLine, IncidentLine, Line
from scanner.monitor import Monitor
from scanner.pts import Clock
from scanner.risk import Closed, Event, Incident, Policies, StreamRisk
from scanner.runner import Finished, Job, Outcome, Runner
from scanner.types import ScoredSegment, Segment, StreamId

__all__ = ["Arrival", "Arrived", "Ended", "Evidence", "Said", "Unreadable", "incident_line", "scan"]

Said = Line | Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A segment of a stream, or a whole file."""

    path: str
    """What its lines are told under; one stream has one path."""
    segment: Segment
    name: str
    """What messages call it."""
    windowed: bool = False
    """A file, to be cut into windows."""
    last: bool = False
    """Nothing of this stream follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """No more segments of this stream will arrive."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something was named that is no stream, or a stream broke off."""

    path: str
    error: ScannerError


Arrival = Arrived | Ended | Unreadable


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

    def over(self, stream_id: StreamId) -> None:
        """Nothing of this stream is needed any more."""


def scan(arrivals: Iterable[Arrival], policies: Policies, runner: Runner, *, evidence: Evidence | None = None) -> Iterator[Said]:
    """Scan all that arrives; each stream's lines end with its summary.

    Lines of one stream are in order; those of different streams may mix where the runner works on several at once.
    ``Closed`` events are told as ``IncidentLine``, the others as they are.
    """
    desk = _Desk(policies, evidence)
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


@dataclass(slots=True)
class _Stream:
    """One stream between its first arrival and its summary. ``handed`` and ``over`` belong to the side that arrivals come from."""

    path: str
    monitor: Monitor
    handed: int = 0
    over: bool = False
    finished: int = 0

    @property
    def done(self) -> bool:
        return self.over and self.finished == self.handed


@dataclass(slots=True)
class _Desk:
    """Keeps the streams apart. ``jobs`` may run in another thread than the rest: they share only what is safe to share."""

    policies: Policies
    evidence: Evidence | None
    streams: dict[StreamId, _Stream] = field(default_factory=dict)
    errors: deque[ErrorLine] = field(default_factory=deque)

    def jobs(self, arrivals: Iterable[Arrival]) -> Iterator[Job]:
        """What is to be run, while arrivals come."""
        for arrival in arrivals:
            match arrival:
                case Arrived():
                    yield self._job(arrival)
                case Ended(stream_id=stream_id):
                    if stream_id in self.streams:
                        self.streams[stream_id].over = True
                case Unreadable(path=path, error=error):
                    self.errors.append(ErrorLine(path=path, kind=error.kind, message=str(error)))

    def take(self, outcome: Outcome) -> Iterator[Said]:
        """Lines of one outcome, and whatever became ready to be told meanwhile."""
        yield from self._ready()
        stream = self.streams[outcome.key.stream_id]
        if isinstance(outcome, Finished):
            stream.finished += 1
        else:
            before = stream.monitor.clock
            told = list(stream.monitor.take(outcome))
            if self.evidence is not None and isinstance(outcome, ScoredSegment):
                self.evidence.placed(outcome, before, stream.monitor.clock)
            yield from self._shown(stream, told)
        yield from self._ready()

    def close(self) -> Iterator[Said]:
        """Whatever is left."""
        for stream in self.streams.values():
            stream.over = True
        yield from self._ready()

    def _job(self, arrived: Arrived) -> Job:
        stream_id = arrived.segment.key.stream_id
        stream = self.streams.get(stream_id)
        if stream is None:
            stream = _Stream(arrived.path, Monitor(arrived.path, stream_id, self.policies, on_look=self._watcher(arrived.path)))
            self.streams[stream_id] = stream
        job = Job(segment=arrived.segment, name=arrived.name, windowed=arrived.windowed)
        if self.evidence is not None:
            self.evidence.arrived(arrived.path, job)
        stream.handed += 1
        stream.over = arrived.last
        return job

    def _watcher(self, path: str) -> Callable[[StreamRisk], None] | None:
        evidence = self.evidence
        return None if evidence is None else lambda risk: evidence.looked(path, risk)

    def _ready(self) -> Iterator[Said]:
        while self.errors:
            yield self.errors.popleft()
        for stream_id in [key for key, stream in list(self.streams.items()) if stream.done]:
            stream = self.streams.pop(stream_id)
            yield from self._shown(stream, stream.monitor.finish())
            if self.evidence is not None:
                self.evidence.over(stream_id)

    def _shown(self, stream: _Stream, told: Iterable[Said]) -> Iterator[Said]:
        for said in told:
            if not isinstance(said, Closed):
                yield said
                continue
            clip = None if self.evidence is None else self.evidence.show(stream.path, said.incident)
            yield incident_line(stream.path, said.incident, clip)

"""The whole path in one process: what arrives, through a runner, to lines. Read this first.

    Arrived, Lost, Ended, Unreadable  ->  Runner (decode, score)  ->  Monitor (place, fold)  ->  Line, Event

``scan`` neither decodes nor scores nor judges: it keeps the streams apart and in order. The runner may be in line or on Ray.
A segment that arrived is pending until it is scored or failed, and never a gap meanwhile; one that did not is missing when
``patience`` later ones did; one that comes after that is late, and told but not folded; one that comes twice counts once.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from scanner.errors import ScannerError
from scanner.lines import ErrorLine, IncidentLine, Line
from scanner.monitor import Monitor
from scanner.pts import Clock
from scanner.risk import Closed, Event, Incident, Late, Policies, Ready, Release, Reorder, StreamRisk
from scanner.runner import Failed, Finished, Job, Outcome, Runner
from scanner.types import ScoredSegment, Segment, SegmentKey, StreamId

__all__ = ["Arrival", "Arrived", "Ended", "Evidence", "Lost", "Said", "Unreadable", "incident_line", "scan"]

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
class Lost:
    """A segment that is known never to arrive: the sender says so, or its file is gone."""

    path: str
    key: SegmentKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """No more segments of this stream will arrive."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something was named that is no stream, or a stream broke off."""

    path: str
    error: ScannerError


Arrival = Arrived | Lost | Ended | Unreadable


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


def scan(
    arrivals: Iterable[Arrival], policies: Policies, runner: Runner, *, evidence: Evidence | None = None, patience: int = 3
) -> Iterator[Said]:
    """Scan all that arrives; each stream's lines end with its summary.

    Lines of one stream are in order; those of different streams may mix where the runner works on several at once.
    ``Closed`` events are told as ``IncidentLine``, the others as they are.
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


class _Stream:
    """One stream between its first arrival and its summary.

    ``arrive``, ``lose`` and ``end`` are called where arrivals come from, the rest where outcomes come to; they share only
    what one appends and the other takes.
    """

    def __init__(self, path: str, monitor: Monitor, first: int, patience: int) -> None:
        self.path = path
        self.monitor = monitor
        self.over = False
        self._reorder: Reorder[None] = Reorder(next=first, patience=patience)
        self._order: deque[Release[None]] = deque()
        """What is to be taken next, once it is there."""
        self._heard: defaultdict[int, deque[ScoredSegment | Failed]] = defaultdict(deque)
        self._finished: set[int] = set()
        self._file: int | None = None
        """The sequence of the one job whose outcomes have sequences of their own."""

    def arrive(self, arrived: Arrived) -> bool:
        """Whether it is new, and has to be scored."""
        sequence = arrived.segment.key.sequence
        self._file = sequence if arrived.windowed else None
        return self._offer(sequence)

    def lose(self, sequence: int) -> None:
        """It is accounted for, and nothing will be said of it."""
        self._finished.add(sequence)
        self._offer(sequence)

    def end(self) -> None:
        """Nothing more arrives; what was waited for is missing."""
        self._reorder, released = self._reorder.flush()
        self._order.extend(released)
        self.over = True

    def hear(self, outcome: Outcome) -> None:
        """Keep what was said of a job until it is its turn."""
        sequence = outcome.key.sequence if self._file is None else self._file
        if isinstance(outcome, Finished):
            self._finished.add(sequence)
        else:
            self._heard[sequence].append(outcome)

    def turns(self) -> Iterator[tuple[ScoredSegment | Failed, bool]]:
        """All outcomes whose turn it is, and whether each came too late to be folded."""
        while self._order:
            turn = self._order[0]
            if isinstance(turn, Ready | Late):
                heard = self._heard[turn.sequence]
                while heard:
                    yield heard.popleft(), isinstance(turn, Late)
                if turn.sequence not in self._finished:
                    return
                self._finished.discard(turn.sequence)
                del self._heard[turn.sequence]
            self._order.popleft()

    @property
    def done(self) -> bool:
        """Everything that arrived was taken, and nothing more will arrive."""
        return self.over and not self._order

    def _offer(self, sequence: int) -> bool:
        before = self._reorder
        self._reorder, released = before.offer(sequence, None)
        self._order.extend(released)
        return self._reorder is not before


class _Desk:
    """Keeps the streams apart. ``jobs`` may run in another thread than the rest."""

    def __init__(self, policies: Policies, evidence: Evidence | None, patience: int) -> None:
        self._policies = policies
        self._evidence = evidence
        self._patience = patience
        self._streams: dict[StreamId, _Stream] = {}
        self._errors: deque[ErrorLine] = deque()

    def jobs(self, arrivals: Iterable[Arrival]) -> Iterator[Job]:
        """What is to be run, while arrivals come."""
        for arrival in arrivals:
            match arrival:
                case Arrived():
                    yield from self._job(arrival)
                case Lost(path=path, key=key):
                    self._stream(path, key).lose(key.sequence)
                case Ended(stream_id=stream_id) if stream_id in self._streams:
                    self._streams[stream_id].end()
                case Unreadable(path=path, error=error):
                    self._errors.append(ErrorLine(path=path, kind=error.kind, message=str(error)))

    def take(self, outcome: Outcome) -> Iterator[Said]:
        """Lines of what is ready now that this was said."""
        yield from self._told_errors()
        stream = self._streams[outcome.key.stream_id]
        stream.hear(outcome)
        yield from self._take_turns(stream)
        yield from self._finish_streams()

    def close(self) -> Iterator[Said]:
        """Whatever is left."""
        yield from self._told_errors()
        for stream in self._streams.values():
            stream.end()
            yield from self._take_turns(stream)
        yield from self._finish_streams()

    def _job(self, arrived: Arrived) -> Iterator[Job]:
        stream = self._stream(arrived.path, arrived.segment.key)
        new = stream.arrive(arrived)
        if arrived.last:
            stream.end()
        if not new:
            return
        job = Job(segment=arrived.segment, name=arrived.name, windowed=arrived.windowed)
        if self._evidence is not None:
            self._evidence.arrived(arrived.path, job)
        yield job

    def _stream(self, path: str, key: SegmentKey) -> _Stream:
        if key.stream_id not in self._streams:
            monitor = Monitor(path, key.stream_id, self._policies, on_look=self._watcher(path))
            self._streams[key.stream_id] = _Stream(path, monitor, key.sequence, self._patience)
        return self._streams[key.stream_id]

    def _watcher(self, path: str) -> Callable[[StreamRisk], None] | None:
        evidence = self._evidence
        return None if evidence is None else lambda risk: evidence.looked(path, risk)

    def _told_errors(self) -> Iterator[ErrorLine]:
        while self._errors:
            yield self._errors.popleft()

    def _take_turns(self, stream: _Stream) -> Iterator[Said]:
        for outcome, late in stream.turns():
            if late:
                yield from stream.monitor.take_late(outcome)
                continue
            before = stream.monitor.clock
            told = list(stream.monitor.take(outcome))
            if self._evidence is not None and isinstance(outcome, ScoredSegment):
                self._evidence.placed(outcome, before, stream.monitor.clock)
            yield from self._shown(stream, told)

    def _finish_streams(self) -> Iterator[Said]:
        for stream_id in [key for key, stream in list(self._streams.items()) if stream.done]:
            stream = self._streams.pop(stream_id)
            yield from self._shown(stream, stream.monitor.finish())
            if self._evidence is not None:
                self._evidence.over(stream_id)

    def _shown(self, stream: _Stream, told: Iterable[Said]) -> Iterator[Said]:
        for said in told:
            if not isinstance(said, Closed):
                yield said
                continue
            clip = None if self._evidence is None else self._evidence.show(stream.path, said.incident)
            yield incident_line(stream.path, said.incident, clip)

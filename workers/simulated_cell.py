"""The events of a simulated cell; ``workers.simulation`` says what is simulated."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from scanner.store.objects import ObjectStore
from scanner.stream.inputs import Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import StreamId
from workers.batching import Batcher
from workers.dispatch import Bounds, Dispatch, Lease, StreamWork
from workers.feed import POLL_SECONDS
from workers.reports import ProgressReport
from workers.simulated_feed import SimulatedFeed
from workers.simulation import (
    Accelerator,
    CellShape,
    NodeFailure,
    SimulatedGroup,
    SimulationReport,
    StreamSurge,
)

__all__ = ["run_cell"]

Act = Callable[[], None]


def run_cell(shape: CellShape, *, seed: int) -> SimulationReport:
    """Run the events of a cell until everything is done, or a minute after its end."""
    with TemporaryDirectory(prefix="streamwarden-") as folder:
        return _SimulatedCell(shape, random.Random(seed), ObjectStore(Path(folder))).run()


class _EventQueue:
    """What happens when, in order."""

    def __init__(self) -> None:
        self._events: list[tuple[float, int, Act]] = []
        self._number = 0
        self.now = 0.0

    def at(self, time: float, act: Act) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, act))

    def after(self, seconds: float, act: Act) -> None:
        self.at(self.now + seconds, act)

    def run(self, *, until: float) -> None:
        while self._events and self.now < until:
            self.now, _, act = heapq.heappop(self._events)
            act()


@dataclass(slots=True)
class _SimulatedWorker:
    """A worker, and what it has in hand."""

    name: str
    lease: Lease | None = None
    left: deque[tuple[StreamWork, Turn]] = field(default_factory=deque)
    states: dict[StreamId, StreamState] = field(default_factory=dict)
    """States of the streams of its lease, as far as it has folded them."""
    report: ProgressReport = field(default_factory=lambda: ProgressReport(now=0.0))
    is_up: bool = True
    life: int = 0
    """Grows with each end, so that events of an earlier life are dropped."""


class _SimulatedGpu:
    """The queues of an inference actor, one for each scorer, and the time of its GPU."""

    def __init__(self, accelerator: Accelerator, events: _EventQueue) -> None:
        self._accelerator = accelerator
        self._events = events
        batching = accelerator.batching.for_items_of(1)
        self._queues: tuple[Batcher[Act], ...] = tuple(
            Batcher(batching) for _ in range(accelerator.scorers)
        )
        self._busy = [False] * accelerator.scorers

    def score(self, samples: int, done: Act, *, scorer: int = 0) -> None:
        """Score the samples by each scorer from ``scorer`` on, and then call ``done``."""
        if scorer == len(self._queues):
            done()
            return
        for number in range(samples):
            following: Act = _nothing
            if number == samples - 1:
                following = lambda: self.score(samples, done, scorer=scorer + 1)  # noqa: E731
            self._queues[scorer].add(following, now=self._events.now)
        self._serve(scorer)

    def _serve(self, scorer: int) -> None:
        queue = self._queues[scorer]
        if self._busy[scorer]:
            return
        batch = queue.take_due(now=self._events.now)
        if not batch:
            deadline = queue.deadline()
            if deadline is not None:
                self._events.at(max(deadline, self._events.now), lambda: self._serve(scorer))
            return
        self._busy[scorer] = True
        is_last = scorer == len(self._queues) - 1
        took = self._accelerator.start + self._accelerator.each * len(batch) if is_last else 0.0
        self._events.after(took, lambda: self._scored(scorer, batch))

    def _scored(self, scorer: int, batch: Sequence[Act]) -> None:
        self._busy[scorer] = False
        for done in batch:
            done()
        self._serve(scorer)


class _SimulatedCell:
    def __init__(self, shape: CellShape, generator: random.Random, objects: ObjectStore) -> None:
        self._shape = shape
        self._random = generator
        self._report = SimulationReport()
        self._events = _EventQueue()
        self._feed = SimulatedFeed(objects)
        self._polls = False
        self._turns: deque[Turn] = deque()
        """Turns that have a place and are not offered yet."""
        self._dispatch = Dispatch(Bounds(workers=shape.workers), _refuse_quarantine)
        self._workers = [_SimulatedWorker(name=f"worker-{n}") for n in range(shape.workers)]
        self._idle = deque(self._workers)
        self._commits = False
        self._due: dict[tuple[StreamId, int], float] = {}
        self._groups: dict[StreamId, SimulatedGroup] = {}
        accelerator = shape.accelerator
        self._gpu = None if accelerator is None else _SimulatedGpu(accelerator, self._events)

    def run(self) -> SimulationReport:
        for group in self._shape.groups:
            self._add_streams(group, group.streams, since=0.0, until=self._shape.seconds)
        if (surge := self._shape.surge) is not None:
            self._events.at(surge.at, lambda: self._surge(surge))
        if (failure := self._shape.failure) is not None:
            self._events.at(failure.at, lambda: self._fail(failure))
        self._events.run(until=self._shape.seconds + 60.0)
        self._report.waiting = len(self._due)
        return self._report

    # Streams

    def _add_streams(
        self, group: SimulatedGroup, count: int, *, since: float, until: float
    ) -> None:
        for _ in range(count):
            stream_id = StreamId(f"s{len(self._groups)}")
            self._groups[stream_id] = group
            first = since + self._random.random() * group.segment_seconds
            self._send(stream_id, 0, first, until)

    def _surge(self, surge: StreamSurge) -> None:
        for group in self._shape.groups:
            count = round(surge.share * group.streams)
            self._add_streams(group, count, since=surge.at, until=surge.until)

    def _send(self, stream_id: StreamId, sequence: int, at: float, until: float) -> None:
        if at < until:
            self._events.at(at, lambda: self._arrive(stream_id, sequence, until))

    def _arrive(self, stream_id: StreamId, sequence: int, until: float) -> None:
        now, seconds = self._events.now, self._groups[stream_id].segment_seconds
        self._due[stream_id, sequence] = now
        self._report.offered += 1
        self._feed.arrive(stream_id, sequence, seconds, now=now)
        self._poll_soon()
        self._send(stream_id, sequence + 1, now + seconds, until)

    # Turns, from the feed to the workers

    def _poll_soon(self) -> None:
        """Look for news at the next poll, if nobody does yet."""
        if not self._polls:
            self._polls = True
            self._events.at(ceil(self._events.now / POLL_SECONDS) * POLL_SECONDS, self._poll)

    def _poll(self) -> None:
        self._polls = False
        self._offer()

    def _offer(self) -> None:
        """Offer what may be offered; the feed is asked again once all that it gave is offered."""
        while True:
            while self._turns and self._dispatch.admits(self._turns[0]):
                self._dispatch.offer(self._turns.popleft())
            if self._turns or self._polls or not self._feed:
                break
            self._turns.extend(self._feed.take_batch(now=self._events.now))
        self._lease()

    def _lease(self) -> None:
        while self._idle:
            worker = self._idle[0]
            lease = None
            if worker.is_up:
                lease = self._dispatch.take(worker.name, now=self._events.now)
                if lease is None:
                    return
            self._idle.popleft()
            if lease is not None:
                worker.lease = lease
                worker.states = {share.state.stream_id: share.state for share in lease.work}
                worker.report = ProgressReport(now=self._events.now)
                worker.left.extend((share, turn) for share in lease.work for turn in share.turns)
                self._begin(worker)

    # Workers

    def _begin(self, worker: _SimulatedWorker) -> None:
        """Begin the next turn of a worker's lease, or take another lease."""
        if not worker.left:
            worker.lease = None
            self._idle.append(worker)
            self._lease()
            return
        _, turn = worker.left[0]
        took, life = self._draw_seconds(self._groups[turn.stream_id]), worker.life
        self._report.busy += took
        self._events.after(took, lambda: self._decoded(worker, life))

    def _draw_seconds(self, group: SimulatedGroup) -> float:
        mean = group.cost
        if group.motion_share and self._random.random() < group.motion_share:
            mean += group.motion_cost
        shape = 1.0 / group.spread**2
        return self._random.gammavariate(shape, mean / shape)

    def _decoded(self, worker: _SimulatedWorker, life: int) -> None:
        if life != worker.life:
            return
        if self._gpu is None:
            self._finish(worker, life)
            return
        samples = self._groups[worker.left[0][1].stream_id].samples
        self._gpu.score(samples, lambda: self._finish(worker, life))

    def _finish(self, worker: _SimulatedWorker, life: int) -> None:
        if life != worker.life or worker.lease is None:
            return
        share, turn = worker.left.popleft()
        state = worker.states[turn.stream_id]
        state = worker.states[turn.stream_id] = replace(state, turn=state.turn + 1)
        worker.report.add(StreamProgress(state=state, events=(), turn_ends=(0,)))
        now = self._events.now
        if share.suspect or not worker.left or worker.report.is_due(now=now):
            self._dispatch.receive(worker.lease, worker.report.take())
            worker.report.restart(now=now)
            self._commit()
        self._begin(worker)

    # Results

    def _commit(self) -> None:
        """Begin a transaction for everything that is ready, unless one is under way."""
        if self._commits or not self._dispatch.ready():
            return
        self._commits = True
        ready = list(self._dispatch.take_ready())
        took = self._shape.commit_seconds * sum(len(one.turn_ends) for one in ready)
        self._events.after(took, lambda: self._committed(ready))

    def _committed(self, ready: Sequence[StreamProgress]) -> None:
        self._commits = False
        for one in ready:
            for back in range(len(one.turn_ends)):
                self._note(one.stream_id, one.state.turn - 1 - back)
        self._commit()
        self._offer()

    def _note(self, stream_id: StreamId, sequence: int) -> None:
        due = self._due.pop((stream_id, sequence), None)
        if due is not None and due >= self._shape.warm_up:
            self._report.latencies.append((due, self._events.now - due))

    # Failures

    def _fail(self, failure: NodeFailure) -> None:
        for worker in self._workers[: failure.workers]:
            worker.is_up, worker.life = False, worker.life + 1
            lease, worker.lease = worker.lease, None
            self._report.redone += len(worker.left)
            worker.left.clear()
            if lease is not None:
                self._dispatch.lose(lease, "its machine ended")
            self._events.after(failure.back_after, lambda worker=worker: self._return(worker))  # type: ignore[misc]
        self._lease()

    def _return(self, worker: _SimulatedWorker) -> None:
        worker.is_up = True
        if worker not in self._idle:
            self._idle.append(worker)
        self._lease()


def _nothing() -> None:
    """Do nothing: only the last sample of a segment ends its turn."""


def _refuse_quarantine(*_: object) -> StreamProgress:
    raise RuntimeError("a machine that ends once quarantines nothing")

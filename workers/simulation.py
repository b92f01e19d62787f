"""A fleet of workers under load, simulated event by event with the real dispatch.

    segment due --> Dispatch.offer --> lease of an idle worker --> decoded --> scored --> committed
                         ^                                            |          ^
        backlog ---------+                                            `-> Batcher, accelerator
                         ^
        worker ends -----+ Dispatch.lose: what was not reported is done again

``Dispatch`` and ``Batcher`` are those of the service; workers, the accelerator and time are
simulated. A cell has its own dispatch, as it has its own journal: cells share nothing, so that many
are simulated one after another.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from scanner.stream.inputs import Job, SegmentTurn, Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import Segment, SegmentKey, StreamId
from workers.batching import Batcher, Batching
from workers.dispatch import Bounds, Dispatch, Lease

__all__ = [
    "Accelerator",
    "CellShape",
    "NodeFailure",
    "SimulatedGroup",
    "SimulationReport",
    "least_workers",
    "simulate_cell",
]

_SOURCE: Final = Path("segment")
Act = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedGroup:
    """Streams that are alike."""

    streams: int
    segment_seconds: float = 4.0
    cost: float
    """Mean seconds that one worker takes for a segment, without an accelerator's part."""
    spread: float = 0.3
    """Standard deviation of that time over its mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """A GPU that scores the samples of all workers in batches."""

    samples: int
    """Samples of a segment."""
    start: float
    """Seconds of a batch, whatever its size."""
    each: float
    """Seconds of each sample in a batch."""
    batching: Batching = field(default_factory=Batching)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailure:
    """Workers that end at once, as with their machine, and come back later."""

    at: float
    workers: int
    back_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CellShape:
    """One cell: its streams and its workers."""

    groups: tuple[SimulatedGroup, ...]
    workers: int
    accelerator: Accelerator | None = None
    failure: NodeFailure | None = None
    seconds: float = 60.0
    """Length of the simulation."""
    warm_up: float = 8.0
    """Seconds at the beginning whose segments are not counted."""


@dataclass(slots=True)
class SimulationReport:
    """Latencies from when a segment is due to when it is committed, and how busy workers were."""

    latencies: list[tuple[float, float]] = field(default_factory=list)
    """When each counted segment was due, and its latency, in seconds."""
    busy: float = 0.0
    """Seconds that workers worked."""
    offered: int = 0
    redone: int = 0
    """Turns that were in hand of workers that ended."""
    waiting: int = 0
    """Segments without a result at the end."""

    def quantile(self, share: float, *, since: float = 0.0, until: float = float("inf")) -> float:
        """Return a percentile of the latencies of segments due in a span; 0 without any."""
        ordered = sorted(late for due, late in self.latencies if since <= due < until)
        return ordered[round(share * (len(ordered) - 1))] if ordered else 0.0


def simulate_cell(shape: CellShape, *, seed: int = 0) -> SimulationReport:
    """Run a cell for ``shape.seconds``, and then until all that was due is done or a minute has
    passed."""
    return _Cell(shape, random.Random(seed)).run()


@dataclass(slots=True)
class _Hand:
    """A worker, and what it has in hand."""

    name: str
    lease: Lease | None = None
    left: deque[tuple[StreamState, Turn]] = field(default_factory=deque)
    is_up: bool = True
    life: int = 0
    """Grows with each end, so that events of an earlier life are dropped."""


class _Cell:
    def __init__(self, shape: CellShape, generator: random.Random) -> None:
        self._shape = shape
        self._random = generator
        self._report = SimulationReport()
        self._dispatch = Dispatch(Bounds(workers=shape.workers), _refuse_quarantine)
        self._hands = [_Hand(name=f"worker-{number}") for number in range(shape.workers)]
        self._idle = deque(self._hands)
        self._backlog: deque[Turn] = deque()
        self._due: dict[tuple[StreamId, int], float] = {}
        self._costs: dict[StreamId, SimulatedGroup] = {}
        self._states: dict[StreamId, StreamState] = {}
        self._events: list[tuple[float, int, Act]] = []
        self._number = 0
        self._now = 0.0
        self._accelerator_busy = False
        self._batcher: Batcher[Act] | None = None
        if shape.accelerator is not None:
            self._batcher = Batcher(shape.accelerator.batching.for_items_of(1))

    def run(self) -> SimulationReport:
        self._schedule_streams()
        if (failure := self._shape.failure) is not None:
            self._at(failure.at, lambda: self._fail(failure))
        while self._events and self._now < self._shape.seconds + 60.0:
            self._now, _, act = heapq.heappop(self._events)
            act()
        self._report.waiting = len(self._due)
        return self._report

    def _at(self, time: float, act: Act) -> None:
        self._number += 1
        heapq.heappush(self._events, (time, self._number, act))

    # Streams

    def _schedule_streams(self) -> None:
        number = 0
        for group in self._shape.groups:
            for _ in range(group.streams):
                stream_id = StreamId(f"s{number}")
                number += 1
                self._costs[stream_id] = group
                first = self._random.random() * group.segment_seconds
                self._at(first, lambda stream_id=stream_id: self._arrive(stream_id, 0))  # type: ignore[misc]

    def _arrive(self, stream_id: StreamId, sequence: int) -> None:
        key = SegmentKey(stream_id=stream_id, sequence=sequence)
        job = Job(segment=Segment(key=key, source=_SOURCE), name="segment", windowed=False)
        self._due[stream_id, sequence] = self._now
        self._report.offered += 1
        self._backlog.append(SegmentTurn(job=job))
        following = self._now + self._costs[stream_id].segment_seconds
        if following < self._shape.seconds:
            self._at(following, lambda: self._arrive(stream_id, sequence + 1))
        self._feed()

    def _feed(self) -> None:
        """Offer what may be offered, and give idle workers what waits."""
        while self._backlog and self._dispatch.admits(self._backlog[0]):
            self._dispatch.offer(self._backlog.popleft())
        while self._idle:
            hand = self._idle[0]
            if not hand.is_up:
                self._idle.popleft()
                continue
            lease = self._dispatch.take(hand.name, now=self._now)
            if lease is None:
                return
            self._idle.popleft()
            hand.lease = lease
            hand.left.extend((share.state, turn) for share in lease.work for turn in share.turns)
            self._begin(hand)

    # Workers

    def _begin(self, hand: _Hand) -> None:
        """Begin the next turn of a worker's lease, or take another lease."""
        if not hand.left:
            hand.lease = None
            self._idle.append(hand)
            self._feed()
            return
        _, turn = hand.left[0]
        group = self._costs[turn.stream_id]
        shape = 1.0 / group.spread**2
        took = self._random.gammavariate(shape, group.cost / shape)
        self._report.busy += took
        life = hand.life
        self._at(self._now + took, lambda: self._decoded(hand, life))

    def _decoded(self, hand: _Hand, life: int) -> None:
        accelerator = self._shape.accelerator
        if life != hand.life:
            return
        if self._batcher is None or accelerator is None:
            self._finish(hand, life)
            return
        for number in range(accelerator.samples):
            last = number == accelerator.samples - 1
            done: Act = (lambda: self._finish(hand, life)) if last else _nothing
            self._batcher.add(done, now=self._now)
        self._serve_accelerator()

    def _finish(self, hand: _Hand, life: int) -> None:
        if life != hand.life or hand.lease is None:
            return
        state, _ = hand.left.popleft()
        current = self._states.get(state.stream_id, state)
        progressed = replace(current, turn=current.turn + 1)
        self._states[state.stream_id] = progressed
        self._dispatch.receive(hand.lease, [StreamProgress(state=progressed, events=())])
        for one in self._dispatch.take_ready():
            self._commit(one)
        self._begin(hand)

    def _commit(self, progress: StreamProgress) -> None:
        due = self._due.pop((progress.stream_id, progress.state.turn - 1), None)
        if due is not None and due >= self._shape.warm_up:
            self._report.latencies.append((due, self._now - due))

    # The accelerator

    def _serve_accelerator(self) -> None:
        accelerator, batcher = self._shape.accelerator, self._batcher
        if self._accelerator_busy or accelerator is None or batcher is None:
            return
        batch = batcher.take_due(now=self._now)
        if not batch:
            deadline = batcher.deadline()
            if deadline is not None:
                self._at(max(deadline, self._now), self._serve_accelerator)
            return
        self._accelerator_busy = True
        took = accelerator.start + accelerator.each * len(batch)
        self._at(self._now + took, lambda: self._scored(batch))

    def _scored(self, batch: Sequence[Act]) -> None:
        self._accelerator_busy = False
        for done in batch:
            done()
        self._serve_accelerator()

    # Failures

    def _fail(self, failure: NodeFailure) -> None:
        for hand in self._hands[: failure.workers]:
            hand.is_up, hand.life = False, hand.life + 1
            lease, hand.lease = hand.lease, None
            self._report.redone += len(hand.left)
            hand.left.clear()
            if lease is not None:
                self._dispatch.lose(lease, "its machine ended")
            self._at(self._now + failure.back_after, lambda hand=hand: self._return(hand))  # type: ignore[misc]
        self._feed()

    def _return(self, hand: _Hand) -> None:
        hand.is_up = True
        if hand not in self._idle:
            self._idle.append(hand)
        self._feed()


def _nothing() -> None:
    """Do nothing: only the last sample of a segment ends its turn."""


def _refuse_quarantine(*_: object) -> StreamProgress:
    raise RuntimeError("a machine that ends once quarantines nothing")


def least_workers(shape: CellShape, *, bound: float, guess: int, seed: int = 0) -> int:
    """Return the fewest workers with which the 95th percentile stays within ``bound`` seconds."""

    load = sum(one.streams * one.cost / one.segment_seconds for one in shape.groups)

    def holds(workers: int) -> bool:
        if workers <= load:
            return False  # its queue grows, if slowly
        report = simulate_cell(replace(shape, workers=workers), seed=seed)
        return report.waiting == 0 and report.quantile(0.95) <= bound

    low, high = 0, max(1, guess)
    while not holds(high):
        low, high = high, high + max(1, high // 8)
    while high - low > 1:
        middle = max(low + 1, high - max(1, (high - low) // 4))
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

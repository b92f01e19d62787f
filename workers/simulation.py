"""A cell under load, simulated event by event with the decisions of the service.

    segment due --> feed, polled: decide --> Dispatch.offer --> lease of an idle worker
                                                ^                        |
         worker ends: Dispatch.lose ------------+      decoded --> scored --> ProgressReport
                                                                    |  ^            |
                                                      Batcher, accelerator    Dispatch.receive
                                                                                    |
                                              committed, one transaction at a time <+

``decide``, ``spread_turns``, ``Dispatch``, ``ProgressReport`` and ``Batcher`` are those of the
service, with its times of polling and reporting. Workers, the accelerator, the length of a
transaction and time are simulated. Cells share nothing, so that each is simulated by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from workers.batching import Batching

__all__ = [
    "Accelerator",
    "CellShape",
    "NodeFailure",
    "SimulatedGroup",
    "SimulationReport",
    "StreamSurge",
    "most_that_hold",
    "simulate_cell",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedGroup:
    """Streams that are alike."""

    streams: int
    segment_seconds: float = 4.0
    cost: float
    """Mean seconds that one worker takes for a segment, without an accelerator's part."""
    spread: float = 0.3
    """Standard deviation of that time over its mean."""
    samples: int = 2
    """Samples of a segment that an accelerator scores."""
    motion_share: float = 0.0
    """Share of segments with a look in motion."""
    motion_cost: float = 0.0
    """Mean seconds that a look in motion takes in addition."""

    @property
    def mean_cost(self) -> float:
        """Mean seconds of a segment, looks in motion included."""
        return self.cost + self.motion_share * self.motion_cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """A GPU that scores the samples of all workers in batches, one scorer after the other."""

    start: float
    """Seconds of a batch, whatever its size."""
    each: float
    """Seconds of each sample in a batch."""
    scorers: int = 1
    """Scorers of every sample, each with a queue of its own; the last one takes the time."""
    batching: Batching = field(default_factory=Batching)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailure:
    """Workers that end at once, and come back later: all of them as with their machine."""

    at: float
    workers: int
    back_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSurge:
    """Streams that come from a lost machine, and leave when it is back."""

    at: float
    until: float
    share: float
    """Their number over that of the streams that are here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellShape:
    """One cell: its streams and its workers."""

    groups: tuple[SimulatedGroup, ...]
    workers: int
    accelerator: Accelerator | None = None
    commit_seconds: float = 0.0
    """Seconds of the driver for each segment, which is committed by one thread."""
    failure: NodeFailure | None = None
    surge: StreamSurge | None = None
    seconds: float = 60.0
    """Length of the simulation."""
    warm_up: float = 8.0
    """Seconds at the beginning whose segments are not counted."""

    @property
    def load(self) -> float:
        """Workers that are busy on average, without waiting for an accelerator."""
        return sum(one.streams * one.mean_cost / one.segment_seconds for one in self.groups)


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
    from workers.simulated_cell import run_cell

    return run_cell(shape, seed=seed)


def most_that_hold(
    cell: Callable[[int], CellShape], *, bound: float, guess: int, seed: int = 0
) -> int:
    """Return the most streams whose 95th percentile stays within ``bound`` seconds, to two percent.

    ``cell`` returns the cell with a number of streams.
    """

    def holds(streams: int) -> bool:
        shape = cell(streams)
        if shape.load >= shape.workers:
            return False  # its queue grows, if slowly
        report = simulate_cell(replace(shape, failure=None, surge=None), seed=seed)
        return report.waiting == 0 and report.quantile(0.95) <= bound

    low, high = 0, max(1, guess)
    while holds(high):
        low, high = high, high + max(1, high // 8)
    if low == 0:
        low = high
        while low > 1 and not holds(low):
            low, high = low - max(1, low // 8), low
    while high - low > max(1, high // 50):
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low

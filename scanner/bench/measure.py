"""Repeats a piece of work and measures its wall time and the processor time of the whole process
tree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from scanner.bench.process_tree import cpu_seconds

__all__ = ["Amount", "BenchPlan", "BenchResult", "BenchRun", "BenchWork", "Spread", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchPlan:
    """Number and length of the repeats."""

    repeats: int = 5
    seconds: float = 1.0
    """Minimum wall time of each repeat; work that has begun is finished."""
    warm_up: int = 1
    """Turns before the first repeat that are not measured, to start child processes and fill
    caches."""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be 1 or more, got {self.repeats}")
        if not self.seconds >= 0:
            raise ValueError(f"seconds must be 0 or more, got {self.seconds}")
        if self.warm_up < 0:
            raise ValueError(f"warm-up must be 0 or more, got {self.warm_up}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """The amount of work that was done."""

    units: int
    """Segments or batches."""
    samples: int
    media_seconds: float = 0.0
    """Seconds of video; 0 if the input is no video."""

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"units must be 1 or more, got {self.units}")


BenchWork = Callable[[Iterable[None]], Amount]
"""Does the same work once for each turn that it receives, and returns the total amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """One repeat of a piece of work."""

    amount: Amount
    wall: float
    """Seconds of wall time."""
    cpu: float
    """Seconds of user and system time of this process and its descendants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median and range of one figure over the repeats."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """The repeats of one piece of work: one row of the table."""

    name: str
    unit: str
    """The unit of work: ``segment`` or ``batch``."""
    provider: str | None
    """The execution provider that ran the model, as the runtime reports it; None without a
    model."""
    runs: tuple[BenchRun, ...]

    @property
    def wall_ms(self) -> Spread:
        """Milliseconds of wall time for one unit."""
        return self._spread(lambda run: 1000 * run.wall / run.amount.units)

    @property
    def cpu_ms(self) -> Spread:
        """Milliseconds of processor time for one unit."""
        return self._spread(lambda run: 1000 * run.cpu / run.amount.units)

    @property
    def units_per_second(self) -> Spread:
        """Units per second of wall time, on the whole machine."""
        return self._spread(lambda run: run.amount.units / run.wall)

    @property
    def samples_per_second(self) -> Spread:
        """Samples per second of wall time; the metric of MLPerf's offline scenario."""
        return self._spread(lambda run: run.amount.samples / run.wall)

    @property
    def streams_per_core(self) -> Spread | None:
        """Seconds of video processed per second of processor time; None if the input is no
        video."""
        if not all(run.amount.media_seconds for run in self.runs):
            return None
        return self._spread(lambda run: run.amount.media_seconds / run.cpu)

    def _spread(self, figure: Callable[[BenchRun], float]) -> Spread:
        figures = [figure(run) for run in self.runs]
        return Spread(median=median(figures), least=min(figures), most=max(figures))


def measure(work: BenchWork, plan: BenchPlan) -> tuple[BenchRun, ...]:
    """Run the warm-up, then return the measured repeats."""
    for _ in range(plan.warm_up):
        work([None])
    return tuple(_run(work, plan.seconds) for _ in range(plan.repeats))


def _run(work: BenchWork, seconds: float) -> BenchRun:
    cpu, wall = cpu_seconds(), time.perf_counter()
    amount = work(_turns(wall + seconds))
    took = time.perf_counter() - wall
    return BenchRun(amount=amount, wall=took, cpu=cpu_seconds() - cpu)


def _turns(until: float) -> Iterator[None]:
    """Yield one turn, then more until ``until``."""
    yield
    while time.perf_counter() < until:
        yield

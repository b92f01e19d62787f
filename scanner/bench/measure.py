"""Work, repeated and measured: what it took on the wall and in processor time, the whole process
tree counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from scanner.bench.family import cpu_seconds

__all__ = ["Amount", "Plan", "Result", "Run", "Spread", "Work", "measure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How often, and how long."""

    repeats: int = 5
    seconds: float = 1.0
    """On the wall, of each repeat at least; work that was begun is finished."""
    warm_up: int = 1
    """Turns before the first repeat, which count for nothing: children start, caches fill."""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be 1 or more, got {self.repeats}")
        if not self.seconds >= 0:
            raise ValueError(f"seconds must be 0 or more, got {self.seconds}")
        if self.warm_up < 0:
            raise ValueError(f"warm-up must be 0 or more, got {self.warm_up}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """What was done."""

    units: int
    """Segments, or batches."""
    samples: int
    media_seconds: float = 0.0
    """Of video; 0 where the input is no video."""

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"one unit must be done at least, got {self.units}")


Work = Callable[[Iterable[None]], Amount]
"""Does the same once for each turn that it is given, and says how much it did in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One repeat."""

    amount: Amount
    wall: float
    """Seconds."""
    cpu: float
    """Seconds of user and system time of this process and all below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One figure of several repeats."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of a bench: all repeats of one piece of work."""

    name: str
    unit: str
    """What was done again and again: ``segment`` or ``batch``."""
    provider: str | None
    """Where a model ran, as the runtime tells it; None where none did."""
    runs: tuple[Run, ...]

    @property
    def wall_ms(self) -> Spread:
        """Of one unit."""
        return self._spread(lambda run: 1000 * run.wall / run.amount.units)

    @property
    def cpu_ms(self) -> Spread:
        """Of one unit."""
        return self._spread(lambda run: 1000 * run.cpu / run.amount.units)

    @property
    def units_per_second(self) -> Spread:
        """On the wall, on this whole machine."""
        return self._spread(lambda run: run.amount.units / run.wall)

    @property
    def samples_per_second(self) -> Spread:
        """On the wall; the metric of MLPerf's offline scenario."""
        return self._spread(lambda run: run.amount.samples / run.wall)

    @property
    def streams_per_core(self) -> Spread | None:
        """Seconds of video for each second of one core; None where the input is no video."""
        if not all(run.amount.media_seconds for run in self.runs):
            return None
        return self._spread(lambda run: run.amount.media_seconds / run.cpu)

    def _spread(self, figure: Callable[[Run], float]) -> Spread:
        figures = [figure(run) for run in self.runs]
        return Spread(median=median(figures), least=min(figures), most=max(figures))


def measure(work: Work, plan: Plan) -> tuple[Run, ...]:
    """The repeats, after the warm-up."""
    for _ in range(plan.warm_up):
        work([None])
    return tuple(_run(work, plan.seconds) for _ in range(plan.repeats))


def _run(work: Work, seconds: float) -> Run:
    cpu, wall = cpu_seconds(), time.perf_counter()
    amount = work(_turns(wall + seconds))
    took = time.perf_counter() - wall
    return Run(amount=amount, wall=took, cpu=cpu_seconds() - cpu)


def _turns(until: float) -> Iterator[None]:
    """One, and then more as long as it is not ``until``."""
    yield
    while time.perf_counter() < until:
        yield

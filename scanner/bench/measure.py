"""Repeats a piece of work and measures its wall time and the processor time of the whole process
tree."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import shake_128
from statistics import median
from typing import Any, Final

from scanner.bench.process_tree import children_seconds

__all__ = [
    "Amount",
    "BenchPlan",
    "BenchResult",
    "BenchRun",
    "BenchWork",
    "CostRatio",
    "Latency",
    "Spread",
    "StageMeter",
    "measure",
    "measure_in_turns",
    "reference_seconds",
]

_REFERENCE: Final = shake_128(b"reference").digest(1 << 17) * 2
"""A quarter of a mebibyte for the reference work."""


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
    bursts: int = 0
    """Bursts that a model of motion scored, in addition to the samples."""

    def __post_init__(self) -> None:
        if self.units < 1:
            raise ValueError(f"units must be 1 or more, got {self.units}")


StageMeter = Callable[[float, float], Mapping[str, float]]
"""Returns the processor time of each stage so far, in seconds, from that of this process and that
of its descendants; differences of two calls are used."""

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
    stages: Mapping[str, float] = field(default_factory=dict)
    """The part of ``cpu`` that each stage took; empty where stages are not told apart."""
    reference: float = 0.0
    """Processor time of a fixed piece of work, in seconds, measured beside this repeat: how fast
    the machine was at that moment. 0 if it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median and range of one figure over the repeats."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRatio:
    """Processor time over that of another way to do the same work, from rounds in turn."""

    over: str
    """Name of the other way."""
    median: float
    low: float
    high: float
    """The middle half of the rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Latencies under arrivals at a fixed rate, in milliseconds."""

    rate: float
    """Arrivals per second."""
    count: int
    p50: float
    p95: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Iterable[float], *, rate: float) -> Latency:
        """Return the percentiles of one or more latencies in seconds."""
        ordered = sorted(1000 * one for one in seconds)
        last = len(ordered) - 1
        return cls(
            rate=rate,
            count=len(ordered),
            p50=ordered[round(0.50 * last)],
            p95=ordered[round(0.95 * last)],
            p99=ordered[round(0.99 * last)],
            most=ordered[last],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """The repeats of one piece of work: one row of the table."""

    bench: str = ""
    """``decode``, ``infer``, ``pipeline`` or ``start``."""
    name: str
    unit: str
    """The unit of work: ``segment`` or ``batch``."""
    provider: str | None
    """The execution provider that ran the model, as the runtime reports it; None without a
    model."""
    runs: tuple[BenchRun, ...]
    ratios: tuple[CostRatio, ...] = ()
    latency: Latency | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else is known of the work, as JSON values: its codec, its batch, its limits."""

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

    @property
    def stage_ms(self) -> dict[str, Spread]:
        """Milliseconds of processor time of each stage for one unit."""
        return {name: self._spread(partial(_stage_ms, name)) for name in self.runs[0].stages}

    def _spread(self, figure: Callable[[BenchRun], float]) -> Spread:
        figures = [figure(run) for run in self.runs]
        return Spread(median=median(figures), least=min(figures), most=max(figures))


def _stage_ms(name: str, run: BenchRun) -> float:
    return 1000 * run.stages[name] / run.amount.units


def measure(
    work: BenchWork, plan: BenchPlan, stages: StageMeter | None = None
) -> tuple[BenchRun, ...]:
    """Run the warm-up, then return the measured repeats."""
    for _ in range(plan.warm_up):
        work([None])
    return tuple(_run(work, plan.seconds, stages) for _ in range(plan.repeats))


def measure_in_turns(
    works: Mapping[str, BenchWork],
    plan: BenchPlan,
    stages: Mapping[str, StageMeter] | None = None,
) -> dict[str, tuple[BenchRun, ...]]:
    """Run all warm-ups, then one repeat of each piece of work after another (A, B, A, B), so that
    the repeats of one round see the same machine."""
    for work in works.values():
        for _ in range(plan.warm_up):
            work([None])
    runs: dict[str, list[BenchRun]] = {name: [] for name in works}
    for _ in range(plan.repeats):
        for name, work in works.items():
            runs[name].append(_run(work, plan.seconds, (stages or {}).get(name)))
    return {name: tuple(found) for name, found in runs.items()}


def reference_seconds() -> float:
    """Return the processor time of the reference work, some 10 ms: compressing bytes with zlib,
    which no change of this program makes faster or slower."""
    began = time.process_time()
    zlib.compress(_REFERENCE, 6)
    return time.process_time() - began


def _run(work: BenchWork, seconds: float, stages: StageMeter | None) -> BenchRun:
    references = [reference_seconds() for _ in range(3)]
    children, own = children_seconds(), time.process_time()
    before = stages(own, children) if stages else {}
    wall = time.perf_counter()
    amount = work(_turns(wall + seconds))
    took, own_after = time.perf_counter() - wall, time.process_time()
    children_after = children_seconds()
    after = stages(own_after, children_after) if stages else {}
    references += [reference_seconds() for _ in range(3)]
    return BenchRun(
        amount=amount,
        wall=took,
        cpu=own_after - own + children_after - children,
        stages={name: max(0.0, after[name] - before[name]) for name in after},
        reference=median(references),
    )


def _turns(until: float) -> Iterator[None]:
    """Yield one turn, then more until ``until``."""
    yield
    while time.perf_counter() < until:
        yield

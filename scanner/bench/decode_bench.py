"""The benchmark of decoding, beside other ways to decode the same clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from statistics import quantiles
from typing import Final

from scanner.bench.bench_input import BenchInput
from scanner.bench.cases import DecodeCase
from scanner.bench.measure import (
    Amount,
    BenchPlan,
    BenchResult,
    BenchRun,
    BenchWork,
    CostRatio,
    measure_in_turns,
)
from scanner.bench.rivals import find_rivals
from scanner.media.request import DecodeRequest
from scanner.sandbox.sandbox import Sandbox

__all__ = ["bench_decode", "cost_ratios"]

CHILD: Final = "child"
HAND_OVER: Final = "hand-over"
"""The stages: the sandboxed child, and this process."""
OURS: Final = "ours"


def bench_decode(
    video: BenchInput,
    request: DecodeRequest,
    sandbox: Sandbox,
    plan: BenchPlan,
    case: DecodeCase | None = None,
) -> BenchResult:
    """Measure decoding as a scan does it: in the sandboxed child, including opening the file,
    scaling, and returning the pictures. Of a ``case``, whose clip is generated, other ways to
    decode it are measured in turn."""

    def work(turns: Iterable[None]) -> Amount:
        windows = [
            window
            for _ in turns
            for window in sandbox.decode(video.path, request, name=video.path.name, stream="bench")
        ]
        samples = sum(len(window.samples) for window in windows)
        return Amount(
            units=len(windows),
            samples=samples,
            media_seconds=float(sum(window.times.duration for window in windows)),
        )

    rivals = {} if case is None else find_rivals(case, video.path)
    works = {OURS: work, **{name: _as_work(rival, video) for name, rival in rivals.items()}}
    runs = measure_in_turns(works, plan, {OURS: _stages})
    ours = runs.pop(OURS)
    return BenchResult(
        bench="decode",
        name=request.sampling.strategy if case is None else case.name,
        unit="segment",
        provider=None,
        runs=ours,
        ratios=cost_ratios(ours, runs),
    )


def cost_ratios(
    ours: tuple[BenchRun, ...], others: Mapping[str, tuple[BenchRun, ...]]
) -> tuple[CostRatio, ...]:
    """Return the ratio of our processor time for a sample to that of each other way, round by
    round."""
    return tuple(_ratio(ours, name, theirs) for name, theirs in others.items())


def _ratio(ours: tuple[BenchRun, ...], name: str, theirs: tuple[BenchRun, ...]) -> CostRatio:
    rounds = [
        (mine.cpu / mine.amount.samples) / (other.cpu / other.amount.samples)
        for mine, other in zip(ours, theirs, strict=True)
    ]
    several = rounds * 2 if len(rounds) == 1 else rounds
    low, middle, high = quantiles(several, n=4, method="inclusive")
    return CostRatio(over=name, median=middle, low=low, high=high)


def _stages(own: float, children: float) -> Mapping[str, float]:
    return {CHILD: children, HAND_OVER: own}


def _as_work(rival: Callable[[], object], video: BenchInput) -> BenchWork:
    """Return the rival as a piece of work on the whole clip."""
    once = Amount(units=1, samples=video.samples, media_seconds=video.seconds)

    def work(turns: Iterable[None]) -> Amount:
        count = 0
        for _ in turns:
            rival()
            count += 1
        return replace(
            once,
            units=count,
            samples=count * once.samples,
            media_seconds=count * once.media_seconds,
        )

    return work

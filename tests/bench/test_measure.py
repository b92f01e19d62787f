from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable

import pytest

from scanner.bench.measure import Amount, BenchPlan, BenchResult, Spread, measure
from scanner.bench.process_tree import cpu_seconds, descendants
from tests.bench.build import run

BUSY = "import time\nwhile time.process_time() < 0.2: pass\n"


class Counting:
    """Work that records the number of turns of each call."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, turns: Iterable[None]) -> Amount:
        self.calls.append(sum(1 for _ in turns))
        return Amount(units=self.calls[-1], samples=0)


def result(*runs: tuple[float, float]) -> BenchResult:
    return BenchResult(
        name="made up",
        unit="segment",
        provider=None,
        runs=tuple(run(wall=wall, cpu=cpu) for wall, cpu in runs),
    )


def test_the_warm_up_is_not_measured() -> None:
    work = Counting()

    runs = measure(work, BenchPlan(repeats=3, seconds=0, warm_up=2))

    assert work.calls == [1, 1, 1, 1, 1]
    assert len(runs) == 3


def test_a_repeat_takes_as_long_as_the_plan_says() -> None:
    (single,) = measure(Counting(), BenchPlan(repeats=1, seconds=0.05, warm_up=0))

    assert single.wall >= 0.05
    assert single.amount.units > 1


def test_processor_time_of_child_processes_is_counted() -> None:
    def work(turns: Iterable[None]) -> Amount:
        for _ in turns:
            subprocess.run([sys.executable, "-S", "-c", BUSY], check=True)
        return Amount(units=1, samples=0)

    (single,) = measure(work, BenchPlan(repeats=1, seconds=0, warm_up=0))

    assert single.cpu >= 0.2


def test_processor_time_of_a_running_child_is_counted() -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", BUSY + "print(flush=True)\ninput()"], stdin=-1, stdout=-1
    ) as child:
        assert child.stdout is not None
        before = cpu_seconds(iter(()))
        child.stdout.readline()

        with_child = cpu_seconds(pid for pid in descendants() if pid == child.pid)

        child.communicate(b"\n")
    assert with_child - before >= 0.2


def test_a_process_that_has_ended_is_no_error() -> None:
    gone = subprocess.Popen([sys.executable, "-S", "-c", ""])
    gone.wait()

    assert cpu_seconds(iter((gone.pid,))) > 0


def test_figures_are_per_unit_with_their_spread() -> None:
    measured = result((0.2, 0.1), (0.4, 0.05), (0.1, 0.08))

    assert measured.wall_ms == Spread(median=200, least=100, most=400)
    assert measured.cpu_ms == Spread(median=80, least=50, most=100)
    assert measured.units_per_second == Spread(median=5, least=2.5, most=10)
    assert measured.samples_per_second == Spread(median=10, least=5, most=20)


def test_streams_per_core_is_seconds_of_video_per_second_of_processor_time() -> None:
    assert result((1.0, 0.1)).streams_per_core == Spread(median=40, least=40, most=40)


def test_streams_per_core_is_none_without_video() -> None:
    measured = BenchResult(
        name="model", unit="batch", provider=None, runs=(run(wall=1, cpu=1, media_seconds=0),)
    )

    assert measured.streams_per_core is None


@pytest.mark.parametrize(
    "wrong", [{"repeats": 0}, {"seconds": -1.0}, {"seconds": float("nan")}, {"warm_up": -1}]
)
def test_a_plan_that_measures_nothing_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)).split("_")[0]):
        BenchPlan(**wrong)  # type: ignore[arg-type]

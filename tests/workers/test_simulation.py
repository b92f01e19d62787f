"""The simulation drives the real dispatch, and agrees with the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.bench.fleet import MeasuredCosts, plan_fleet
from scanner.bench.shape import MachineShape, ServiceShape, StreamGroup
from workers.plan_check import cell_of, check_plan
from workers.simulation import (
    Accelerator,
    CellShape,
    NodeFailure,
    SimulatedGroup,
    least_workers,
    simulate_cell,
)

CASE = "h264:1080:2:adaptive"
COSTS = MeasuredCosts(decode={CASE: 0.01}, samples={CASE: 0.5}, score=0.004, motion=0.5, fold=0.002)
SMALL = CellShape(
    groups=(SimulatedGroup(streams=100, cost=0.05),), workers=3, seconds=40.0, warm_up=4.0
)


def service(streams: int, cell: int = 1000) -> ServiceShape:
    group = StreamGroup(streams=streams, motion_share=0.02)
    return ServiceShape(groups=(group,), peak=1.0, cell_streams=cell)


def test_every_segment_is_done_once_and_in_order() -> None:
    report = simulate_cell(replace(SMALL, warm_up=0.0))

    assert report.offered == 100 * 10
    assert len(report.latencies) == report.offered
    assert report.waiting == 0


def test_a_simulation_with_the_same_seed_is_the_same() -> None:
    assert simulate_cell(SMALL, seed=3).latencies == simulate_cell(SMALL, seed=3).latencies


def test_too_few_workers_fall_behind() -> None:
    enough, few = simulate_cell(SMALL), simulate_cell(replace(SMALL, workers=1))

    assert enough.quantile(0.95) < 0.3
    assert few.quantile(0.95) > 5.0


def test_a_machine_that_ends_loses_no_segment_and_latencies_return() -> None:
    failure = NodeFailure(at=15.0, workers=2, back_after=5.0)
    busy = (SimulatedGroup(streams=100, cost=0.1),)
    report = simulate_cell(replace(SMALL, groups=busy, failure=failure))

    assert report.waiting == 0
    assert report.redone >= 1
    assert len({due for due, _ in report.latencies}) == len(report.latencies)
    assert report.quantile(0.95, since=15, until=20) > 2 * report.quantile(0.95, until=15)
    assert report.quantile(0.95, since=38) < report.quantile(0.95, since=15, until=20) / 2


def test_an_accelerator_scores_the_samples_of_all_workers_in_batches() -> None:
    fast = Accelerator(samples=2, start=0.003, each=0.0002)
    slow = replace(fast, each=0.05)
    with_fast = simulate_cell(replace(SMALL, accelerator=fast))
    with_slow = simulate_cell(replace(SMALL, accelerator=slow))

    assert with_fast.waiting == 0
    assert with_fast.quantile(0.5) > simulate_cell(SMALL).quantile(0.5)
    assert with_slow.quantile(0.95) > 2.0


def test_the_fewest_workers_carry_the_load_and_one_less_does_not() -> None:
    fewest = least_workers(SMALL, bound=1.0, guess=5)

    assert fewest == 2
    assert simulate_cell(replace(SMALL, workers=fewest)).quantile(0.95) <= 1.0


def assert_agrees(streams: int, cell: int, *, seconds: float) -> None:
    shape = service(streams, cell)
    plan = plan_fleet(shape, COSTS)
    simulated = replace(cell_of(shape, plan), seconds=seconds)

    fewest = least_workers(simulated, bound=shape.latency_seconds, guess=plan.workers_per_cell)

    assert plan.workers == pytest.approx(fewest * plan.cells, rel=0.15)
    assert plan.workers >= fewest * plan.cells


def test_the_plan_of_1000_streams_agrees_with_the_simulation_within_15_percent() -> None:
    assert_agrees(1000, 1000, seconds=30.0)


@pytest.mark.slow
@pytest.mark.parametrize(("streams", "cell"), [(10_000, 1000), (10_000, 10_000), (100_000, 10_000)])
def test_larger_plans_agree_too(streams: int, cell: int) -> None:
    assert_agrees(streams, cell, seconds=30.0)


def test_the_check_of_a_plan_tells_latencies_before_during_and_after_a_loss() -> None:
    shape = ServiceShape(
        groups=(StreamGroup(streams=100),),
        peak=1.0,
        machine=MachineShape(cores=1),
        spare_machines=0,
    )

    checked = check_plan(shape, plan_fleet(shape, COSTS))

    rows = checked["latency_ms"]
    assert checked["unfinished"] == 0
    assert checked["workers"] >= checked["least_workers"]
    assert rows["while it is away"]["p95"] > rows["before the loss"]["p95"]
    assert rows["no machine lost"]["p50"] > 0


def test_a_spare_machine_keeps_latencies_while_another_one_is_away() -> None:
    shape = ServiceShape(groups=(StreamGroup(streams=100),), peak=1.0, spare_machines=1)

    rows = check_plan(shape, plan_fleet(shape, COSTS))["latency_ms"]

    assert rows["while it is away"]["p95"] < 1.5 * rows["no machine lost"]["p95"]

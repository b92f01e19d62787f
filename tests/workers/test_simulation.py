"""The simulation takes the decisions of the service, and agrees with the plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.bench.fleet import MeasuredCosts, plan_fleet
from scanner.bench.shape import MachineShape, ServiceShape, StreamGroup
from workers.plan_check import check_plan, most_streams
from workers.simulation import (
    Accelerator,
    CellShape,
    NodeFailure,
    SimulatedGroup,
    StreamSurge,
    most_that_hold,
    simulate_cell,
)

CASE = "h264:1080:2:adaptive"
SMALL_CASE, LONG_CASE, DENSE_CASE = "h264:360:2:adaptive", "h264:1080:10:adaptive", "dense"
COSTS = MeasuredCosts(
    decode={CASE: 0.0125, SMALL_CASE: 0.003, LONG_CASE: 0.015, DENSE_CASE: 0.12},
    samples={CASE: 0.5, SMALL_CASE: 0.5, LONG_CASE: 0.5, DENSE_CASE: 2.0},
    score=0.01,
    motion=0.3,
    motion_share=0.067,
    fold=0.004,
)
SMALL = CellShape(
    groups=(SimulatedGroup(streams=100, cost=0.05),), workers=3, seconds=40.0, warm_up=4.0
)


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
    fast = Accelerator(start=0.003, each=0.0002)
    slow = replace(fast, each=0.05)
    with_fast = simulate_cell(replace(SMALL, accelerator=fast))
    with_slow = simulate_cell(replace(SMALL, accelerator=slow))

    assert with_fast.waiting == 0
    assert with_fast.quantile(0.5) > simulate_cell(SMALL).quantile(0.5)
    assert with_slow.quantile(0.95) > 2.0


def test_a_lease_of_several_turns_is_reported_as_a_worker_does() -> None:
    """A worker that has waited 0.25 s reports what it has, and the rest at the lease's end."""
    one = replace(SMALL, groups=(SimulatedGroup(streams=12, cost=0.03),), workers=1)

    report = simulate_cell(replace(one, groups=(replace(one.groups[0], spread=0.01),)))

    assert report.quantile(0.0) > 0.03  # the feed is polled, and a segment takes that long
    assert report.quantile(1.0) < 0.05 + 0.25 + 12 * 0.03


def test_a_driver_that_commits_slowly_delays_and_then_falls_behind() -> None:
    quick, slow = (replace(SMALL, commit_seconds=cost) for cost in (0.005, 0.05))

    assert simulate_cell(quick).quantile(0.95) < 0.4
    assert simulate_cell(slow).quantile(0.95) > 5.0  # 25 segments a second, and it commits 20


def test_streams_of_a_lost_machine_come_and_leave_again() -> None:
    surge = StreamSurge(at=15.0, until=25.0, share=0.5)

    usual, more = simulate_cell(SMALL), simulate_cell(replace(SMALL, surge=surge))

    assert more.offered - usual.offered == pytest.approx(50 * 10 / 4, abs=50)
    assert more.waiting == 0


def test_the_most_streams_are_those_that_the_workers_carry() -> None:
    def cell(streams: int) -> CellShape:
        group = SimulatedGroup(streams=streams, cost=0.05)
        return replace(SMALL, groups=(group,), seconds=20.0)

    most = most_that_hold(cell, bound=1.0, guess=100)

    assert most == pytest.approx(3 * 4 / 0.05, rel=0.1)
    assert most_that_hold(cell, bound=1.0, guess=500) == pytest.approx(most, rel=0.05)


def service(name: str, streams: int) -> ServiceShape:
    """Return one of the shapes for which plans are checked, at its busiest time."""
    usual = StreamGroup(streams=streams)
    many, few = (max(1, round(share * streams)) for share in (0.8, 0.2))
    groups = {
        "1080p": (usual,),
        "many small": (
            StreamGroup(streams=many, case=SMALL_CASE, megabits=0.8),
            StreamGroup(streams=few, megabits=6.0),
        ),
        "long GOP": (usual.model_copy(update={"case": LONG_CASE, "segment_seconds": 10.0}),),
        "dense": (usual.model_copy(update={"case": DENSE_CASE}),),
        "GPU": (usual,),
    }[name]
    gpu = {"gpus": 1, "gpu_samples_per_second": 4000.0} if name == "GPU" else {}
    bound = 2.0 if name == "dense" else 1.0  # of which a segment takes half a second
    machine = MachineShape(cores=4, **gpu)
    return ServiceShape(groups=groups, peak=1.0, machine=machine, latency_seconds=bound)


def assert_agrees(name: str, streams: int) -> None:
    shape = service(name, streams)
    plan = plan_fleet(shape, COSTS)

    simulated = most_streams(shape, plan)

    assert plan.streams_per_machine == pytest.approx(simulated, rel=0.15)
    assert plan.streams_per_machine <= 1.03 * simulated  # which is searched to two percent


def test_the_plan_of_1000_streams_agrees_with_the_simulation_within_15_percent() -> None:
    assert_agrees("1080p", 1000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["1080p", "many small", "long GOP", "dense", "GPU"])
@pytest.mark.parametrize("streams", [1000, 10_000, 100_000])
def test_plans_of_other_shapes_and_sizes_agree_too(name: str, streams: int) -> None:
    assert_agrees(name, streams)


def test_the_check_of_a_plan_tells_latencies_of_each_loss() -> None:
    shape = ServiceShape(groups=(StreamGroup(streams=100),), machine=MachineShape(cores=3))

    checked = check_plan(shape, plan_fleet(shape, COSTS))

    rows = checked["latency_ms"]
    assert checked["unfinished"] == 0
    assert checked["most_streams"] == pytest.approx(checked["planned_streams"], rel=0.15)
    assert checked["streams"] < checked["planned_streams"]
    assert rows["its driver restarts, meanwhile"]["p50"] > 3000
    assert rows["1 machine is lost: the others"]["p95"] <= 1000 * shape.latency_seconds
    assert rows["all machines up"]["p50"] > 0


def test_of_a_lone_machine_no_other_one_is_lost() -> None:
    shape = ServiceShape(
        groups=(StreamGroup(streams=10),), machine=MachineShape(cores=2), spare_machines=0
    )

    rows = check_plan(shape, plan_fleet(shape, COSTS))["latency_ms"]

    assert [name for name in rows if "lost" in name] == []

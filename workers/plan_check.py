"""A planned machine, simulated: what it carries, its latencies, and what happens at a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import median_low
from typing import Any, Final

from scanner.bench.fleet import FleetPlan
from scanner.bench.shape import ServiceShape
from workers.simulation import (
    Accelerator,
    CellShape,
    NodeFailure,
    SimulatedGroup,
    SimulationReport,
    StreamSurge,
    most_that_hold,
    simulate_cell,
)

__all__ = ["cell_of", "check_plan", "most_streams"]

FAILS_AT: Final = 30.0
AWAY_SECONDS: Final = 60.0
"""Seconds until the streams of a lost machine leave the others again."""
RESTART_SECONDS: Final = 11.0
"""Seconds until a driver with two Ray workers is ready again (``benchmarks.rest``)."""
SECONDS: Final = 120.0
SEARCH_SECONDS: Final = 50.0
"""Length of each simulation with which the most streams are searched."""
DRAWS: Final = 3
"""Searches for the most streams, each with other times at which the streams begin. With a hundred
streams of segments of ten seconds, eight searches gave 100 to 128, depending on how evenly segments
came."""
BATCH_SECONDS: Final = 0.003
"""What a batch costs on a GPU whatever its size; an assumption until it is measured."""
GPU_SCORERS: Final = 2
"""Queues that a picture passes: the test card and one model."""


def check_plan(shape: ServiceShape, plan: FleetPlan) -> dict[str, Any]:
    """Simulate one machine of the plan, and what it goes through when another one is lost, or its
    own driver ends; as JSON values."""
    streams = plan.streams / plan.machines
    calm = simulate_cell(cell_of(shape, plan, streams))
    rows = {"all machines up": _percentiles(calm)}
    failed = simulate_cell(
        replace(
            cell_of(shape, plan, streams),
            failure=NodeFailure(at=FAILS_AT, workers=plan.workers, back_after=RESTART_SECONDS),
        )
    )
    until = FAILS_AT + RESTART_SECONDS
    rows["its driver restarts, meanwhile"] = _percentiles(failed, since=FAILS_AT, until=until)
    rows["in the minute after that"] = _percentiles(failed, since=until, until=until + 60.0)
    unfinished = calm.waiting + failed.waiting
    if plan.machines > 1:
        lost = min(max(1, plan.spare_machines), plan.machines - 1)
        away = _simulate_surge(shape, plan, lost / (plan.machines - lost))
        until = FAILS_AT + AWAY_SECONDS
        name = "machine is" if lost == 1 else "machines are"
        rows[f"{lost} {name} lost: the others"] = _percentiles(away, since=FAILS_AT, until=until)
        rows["after its return"] = _percentiles(away, since=until)
        unfinished += away.waiting
    return {
        "streams": round(streams),
        "workers": plan.workers,
        "planned_streams": plan.streams_per_machine,
        "most_streams": most_streams(shape, plan),
        "busy": calm.busy / plan.workers / SECONDS,
        "redone": failed.redone,
        "unfinished": unfinished,
        "latency_ms": rows,
    }


def most_streams(shape: ServiceShape, plan: FleetPlan) -> int:
    """Return the most streams with which a machine keeps the bound in the simulation, as a median
    of ``DRAWS``. It knows cores, driver and GPU; what the web process, the network and
    ``cell_streams`` carry is taken from the plan."""
    drawn = [
        most_that_hold(
            lambda streams: replace(cell_of(shape, plan, streams), seconds=SEARCH_SECONDS),
            bound=shape.latency_seconds,
            guess=round(plan.streams_per_machine),
            seed=seed,
        )
        for seed in range(DRAWS)
    ]
    simulated = median_low(drawn)
    others = [plan.carries[name] for name in ("web process", "network", "cell_streams")]
    return min(simulated, *map(int, others))


def cell_of(shape: ServiceShape, plan: FleetPlan, streams: float) -> CellShape:
    """Return a machine of the plan with so many streams, of each group its share."""
    machine, usual = shape.machine, sum(load.group.streams for load in plan.loads)
    counts = _round_shares([streams * load.group.streams / usual for load in plan.loads])
    groups = tuple(
        SimulatedGroup(
            streams=count,
            segment_seconds=load.group.segment_seconds,
            cost=load.worker_seconds,
            samples=max(1, round(load.samples)),
            motion_share=min(1.0, load.motion_share),
            motion_cost=load.motion_seconds * max(1.0, load.motion_share),
        )
        for load, count in zip(plan.loads, counts, strict=True)
        if count
    )
    accelerator = None
    if machine.gpus and machine.gpu_samples_per_second:
        accelerator = Accelerator(
            start=BATCH_SECONDS,
            each=1.0 / machine.gpu_samples_per_second,
            scorers=GPU_SCORERS,
        )
    return CellShape(
        groups=groups,
        workers=plan.workers,
        accelerator=accelerator,
        commit_seconds=1.0 / shape.driver_segments_per_second,
        seconds=SECONDS,
    )


def _round_shares(shares: list[float]) -> list[int]:
    """Return whole numbers with the same sum, at least 1, each within 1 of its share.

    >>> _round_shares([10.4, 0.3, 0.3])
    [11, 0, 0]
    """
    whole = [int(share) for share in shares]
    left = max(1, round(sum(shares))) - sum(whole)
    order = sorted(range(len(shares)), key=lambda index: whole[index] - shares[index])
    for index in order[:left]:
        whole[index] += 1
    return whole


def _simulate_surge(shape: ServiceShape, plan: FleetPlan, share: float) -> SimulationReport:
    cell = cell_of(shape, plan, plan.streams / plan.machines)
    surge = StreamSurge(at=FAILS_AT, until=FAILS_AT + AWAY_SECONDS, share=share)
    return simulate_cell(replace(cell, surge=surge))


def _percentiles(
    report: SimulationReport, *, since: float = 0.0, until: float = float("inf")
) -> Mapping[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    return {
        name: 1000 * report.quantile(share, since=since, until=until)
        for name, share in shares.items()
    }

"""A planned cell, simulated: its latencies, the fewest workers, and the loss of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from scanner.bench.fleet import FleetPlan
from scanner.bench.shape import ServiceShape
from workers.simulation import (
    Accelerator,
    CellShape,
    NodeFailure,
    SimulatedGroup,
    SimulationReport,
    least_workers,
    simulate_cell,
)

__all__ = ["cell_of", "check_plan"]

FAILS_AT: Final = 30.0
BACK_AFTER: Final = 15.0
"""Seconds until the work of a lost machine is taken over: its restart, or another machine."""
BATCH_SECONDS: Final = 0.003
"""What a batch costs on a GPU whatever its size; an assumption until it is measured."""


def check_plan(shape: ServiceShape, plan: FleetPlan) -> dict[str, Any]:
    """Simulate one cell of the plan, without and with the loss of a machine, as JSON values."""
    cell = cell_of(shape, plan)
    calm = simulate_cell(cell)
    failed = simulate_cell(_with_failure(cell, shape))
    fewest = least_workers(cell, bound=shape.latency_seconds, guess=cell.workers)
    until = FAILS_AT + BACK_AFTER
    return {
        "streams": sum(group.streams for group in cell.groups),
        "workers": cell.workers,
        "least_workers": fewest,
        "busy": calm.busy / cell.workers / cell.seconds,
        "redone": failed.redone,
        "unfinished": calm.waiting + failed.waiting,
        "latency_ms": {
            "no machine lost": _percentiles(calm),
            "before the loss": _percentiles(failed, until=FAILS_AT),
            "while it is away": _percentiles(failed, since=FAILS_AT, until=until),
            "after its return": _percentiles(failed, since=until),
        },
    }


def cell_of(shape: ServiceShape, plan: FleetPlan) -> CellShape:
    """Return the cell of a plan as the simulation takes it: its share of each group's streams."""
    machine = shape.machine
    groups = tuple(
        SimulatedGroup(
            streams=max(1, round(shape.peak * load.group.streams / plan.cells)),
            segment_seconds=load.group.segment_seconds,
            cost=load.worker_seconds,
        )
        for load in plan.loads
    )
    accelerator = None
    if machine.gpus and machine.gpu_samples_per_second:
        segments = sum(load.segments_per_second for load in plan.loads)
        samples = sum(load.samples_per_second for load in plan.loads)
        gpus = plan.gpus / plan.cells
        accelerator = Accelerator(
            samples=max(1, round(samples / segments)),
            start=BATCH_SECONDS / gpus,
            each=1.0 / machine.gpu_samples_per_second / gpus,
        )
    return CellShape(
        groups=groups, workers=plan.workers_per_cell, accelerator=accelerator, seconds=90.0
    )


def _with_failure(cell: CellShape, shape: ServiceShape) -> CellShape:
    """Return the cell with the workers of its spare machines, of which one machine is lost."""
    cores = shape.machine.cores
    workers = cell.workers + shape.spare_machines * cores
    lost = min(cores, max(1, workers - 1))
    failure = NodeFailure(at=FAILS_AT, workers=lost, back_after=BACK_AFTER)
    return replace(cell, workers=workers, failure=failure)


def _percentiles(
    report: SimulationReport, *, since: float = 0.0, until: float = float("inf")
) -> Mapping[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1.0}
    return {
        name: 1000 * report.quantile(share, since=since, until=until)
        for name, share in shares.items()
    }

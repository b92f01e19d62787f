"""How many machines a service needs: from measured costs and its shape. Pure.

Streams are spread over cells that share nothing. A cell needs as many workers as its work keeps
busy at the busiest time, and some more so that queues stay short::

    load    = segments per second x worker seconds per segment
    workers = load + 0.25 x square root of the load, rounded up

which ``workers.simulation`` checks with the real dispatch. Everything else is counted per segment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Final

from scanner.bench.shape import ServiceShape, StreamGroup
from scanner.errors import SetupError

__all__ = ["FleetPlan", "GroupLoad", "MeasuredCosts", "plan_fleet", "read_costs"]

MARGIN: Final = 0.25
"""Workers beyond the load, in square roots of the load."""
GPU_USE: Final = 0.8
"""Most use of a GPU, so that batches do not queue."""
ROWS_PER_SEGMENT: Final = 5
"""Rows of a segment in the journal: itself, its place, scores, state, verdict."""
HOURS_PER_MONTH: Final = 730.0
JOURNAL: Final = "journal"
NETWORK: Final = "network of a machine"
WORKERS: Final = "decoding and scoring cores"
GPUS: Final = "GPUs"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCosts:
    """Processor time, from a document of ``bench all``, in seconds."""

    decode: Mapping[str, float]
    """Of a second of video, by case."""
    samples: Mapping[str, float]
    """Samples of a second of video, by case."""
    score: float
    """Of one sample, all models of single frames together."""
    motion: float
    """Of one look in motion, decoding included."""
    fold: float
    """Of a segment: hand-over, folding, writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLoad:
    """What the streams of a group need at the busiest time, over all cells."""

    group: StreamGroup
    segments_per_second: float
    worker_seconds: float
    """Of one segment on one core of the planned machine."""
    samples_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """The answer: what to buy, what it costs, and what is scarce."""

    streams: int
    """At the busiest time."""
    cells: int
    workers_per_cell: int
    machines_per_cell: int
    """Including spare ones."""
    gpus: int
    gigabits_in: float
    """Network of the whole service, in Gb/s."""
    gigabytes_kept: float
    journal_share: float
    """Rows of a cell over what its journal takes."""
    use: Mapping[str, float]
    """Share of each component that is used at the busiest time, with no machine lost."""
    loads: tuple[GroupLoad, ...]
    cost_per_hour: float
    cost_per_1000_stream_hours: float

    @property
    def machines(self) -> int:
        """Machines of all cells."""
        return self.cells * self.machines_per_cell

    @property
    def workers(self) -> int:
        """Workers of all cells."""
        return self.cells * self.workers_per_cell

    @property
    def bottleneck(self) -> str:
        """The component that is used most."""
        return max(self.use, key=lambda name: self.use[name])


def read_costs(document: Mapping[str, Any]) -> MeasuredCosts:
    """Take the costs from a document of ``bench all --json``.

    Raises:
        SetupError: a benchmark is missing in it.
    """
    results = document.get("results", [])
    decode = [one for one in results if one.get("bench") == "decode"]
    infer = [
        one for one in results if one.get("bench") == "infer" and one["facts"].get("batch") == 1
    ]
    pipeline = [one for one in results if one.get("bench") == "pipeline"]
    if not (decode and infer and pipeline):
        raise SetupError("the measurement must be that of `streamwarden bench all --json`")
    frames = [one for one in infer if not one["facts"].get("motion")]
    usual = pipeline[0]
    return MeasuredCosts(
        decode={one["name"]: _per_second(one) for one in decode},
        samples={one["name"]: _samples_per_second(one) for one in decode},
        score=sum(one["cpu_ms"]["median"] for one in frames) / 1000,
        motion=_motion_seconds(usual, pipeline),
        fold=usual["stage_ms"]["fold"]["median"] / 1000,
    )


def _per_second(result: Mapping[str, Any]) -> float:
    return 1.0 / float(result["streams_per_core"]["median"])


def _samples_per_second(result: Mapping[str, Any]) -> float:
    run = result["runs"][0]
    return float(run["samples"] / run["media_seconds"])


def _motion_seconds(usual: Mapping[str, Any], pipeline: list[Any]) -> float:
    """Return what a look in motion adds, from the stream that wants them everywhere; 0 where none
    was made."""
    for result in pipeline:
        bursts = sum(run["bursts"] for run in result["runs"])
        if result is usual or not bursts:
            continue
        units = sum(run["units"] for run in result["runs"])
        more = result["cpu_ms"]["median"] - usual["cpu_ms"]["median"]
        return float(max(0.0, more) / 1000 * units / bursts)
    return 0.0


def plan_fleet(shape: ServiceShape, costs: MeasuredCosts) -> FleetPlan:
    """Return what the service needs.

    Raises:
        SetupError: a case was not measured, or GPUs lack their measured speed.
    """
    loads = tuple(_load(group, shape, costs) for group in shape.groups)
    streams = ceil(shape.peak * sum(group.streams for group in shape.groups))
    cells = ceil(streams / shape.cell_streams)
    gigabits = shape.peak * sum(one.streams * one.megabits for one in shape.groups) / 1000
    need = _need_of_cell(shape, loads, gigabits, cells)
    machines = max(1, *(ceil(amount) for amount in need.machines.values()))
    total = machines + shape.spare_machines
    use = {name: amount / machines for name, amount in need.busy.items()}
    use[JOURNAL] = need.journal
    kept = gigabits / 8 * 60 * shape.keep_minutes
    cost = _cost_per_hour(shape, cells * total, kept, gigabits)
    return FleetPlan(
        streams=streams,
        cells=cells,
        workers_per_cell=need.workers,
        machines_per_cell=total,
        gpus=cells * total * shape.machine.gpus,
        gigabits_in=gigabits,
        gigabytes_kept=kept,
        journal_share=use[JOURNAL],
        use=use,
        loads=loads,
        cost_per_hour=cost,
        cost_per_1000_stream_hours=1000 * cost / sum(group.streams for group in shape.groups),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _CellNeed:
    """What one cell needs of each component, in machines."""

    workers: int
    machines: Mapping[str, float]
    """Machines that the component needs, with what queues need beyond its load."""
    busy: Mapping[str, float]
    """Machines that its load alone would keep busy."""
    journal: float
    """Rows over those that its journal takes."""


def _need_of_cell(
    shape: ServiceShape, loads: Sequence[GroupLoad], gigabits: float, cells: int
) -> _CellNeed:
    machine = shape.machine
    segments = sum(load.segments_per_second for load in loads) / cells
    load = sum(one.segments_per_second * one.worker_seconds for one in loads) / cells
    workers = ceil(load + MARGIN * sqrt(load))
    service = segments * shape.service_ms / 1000 / machine.speed
    network = 2 * gigabits / cells / machine.gigabits  # in, and to the workers
    machines = {WORKERS: (workers + service) / machine.cores, NETWORK: network}
    busy = {WORKERS: (load + service) / machine.cores, NETWORK: network}
    if machine.gpus:
        samples = sum(one.samples_per_second for one in loads) / cells
        busy[GPUS] = samples / _gpu_speed(shape) / machine.gpus
        machines[GPUS] = busy[GPUS] / GPU_USE
    return _CellNeed(
        workers=workers,
        machines=machines,
        busy=busy,
        journal=ROWS_PER_SEGMENT * segments / shape.journal_rows_per_second,
    )


def _load(group: StreamGroup, shape: ServiceShape, costs: MeasuredCosts) -> GroupLoad:
    if group.case not in costs.decode:
        raise SetupError(
            f"case {group.case!r} was not measured; there are {', '.join(costs.decode)}:"
            " add it with `bench decode --case`"
        )
    segments = shape.peak * group.streams / group.segment_seconds
    samples = costs.samples[group.case] * group.segment_seconds
    scored = 0.0 if shape.machine.gpus else samples * costs.score
    seconds = costs.decode[group.case] * group.segment_seconds
    seconds += scored + costs.fold + group.motion_share * costs.motion
    return GroupLoad(
        group=group,
        segments_per_second=segments,
        worker_seconds=seconds / shape.machine.speed,
        samples_per_second=segments * samples,
    )


def _gpu_speed(shape: ServiceShape) -> float:
    if shape.machine.gpu_samples_per_second is None:
        raise SetupError(
            "machine.gpu_samples_per_second is missing: measure it with"
            " `streamwarden bench infer --provider cuda` on such a GPU"
        )
    return shape.machine.gpu_samples_per_second


def _cost_per_hour(
    shape: ServiceShape, machines: int, gigabytes_kept: float, gigabits: float
) -> float:
    """Return the price of an hour: machines for the busiest time, traffic of an ordinary one."""
    storage = gigabytes_kept * shape.price_per_gigabyte_month / HOURS_PER_MONTH
    traffic = gigabits / shape.peak / 8 * 3600 * shape.price_per_gigabyte_in
    return machines * shape.machine.price_per_hour + storage + traffic

"""How many machines a service needs: from measured costs and its shape. Pure.

A machine is a cell: a whole service with its own web process, driver, journal and workers. It
carries as many streams as its scarcest part::

    cores      workers x (load + margin) on some cores, everything else of the service on the others
    web        segments a second that one process receives
    driver     segments a second that one process orders and commits
    network, GPU, and ``cell_streams``

    load   = segments per second x seconds that a worker has each in hand
    margin = 0.25 x square root of the load, so that queues stay short

``workers.simulation`` checks cores, driver and GPU with the decisions of the service.
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
MOST_USE: Final = 0.9
"""Most use of what serves one after another (web, driver, GPU, network), so that nothing queues."""
GPU_SECONDS: Final = 0.024
"""Seconds that a worker waits for the scores of a segment beyond decoding it: two batches, of which
each waits 10 ms for others."""
SLOW_SEGMENT: Final = 1.7
"""Time of the slowest twentieth of segments over the mean, of the spread that is simulated."""
PLACE_SECONDS: Final = 0.1
"""Seconds of a segment on its way to a worker and from it."""
HOURS_PER_MONTH: Final = 730.0
CORES: Final = "cores"
WEB: Final = "web process"
DRIVER: Final = "driver and journal"
NETWORK: Final = "network"
GPU: Final = "GPU"
CELL: Final = "cell_streams"


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
    motion_share: float
    """Looks in motion of a segment, of a stream that wants them everywhere: what their budget
    allows."""
    fold: float
    """Of a segment: hand-over, folding, writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLoad:
    """What the streams of a group need at the busiest time, over all machines."""

    group: StreamGroup
    segments_per_second: float
    worker_seconds: float
    """Processor time of one segment on one core of the planned machine, looks in motion apart."""
    motion_seconds: float
    """The same of one look in motion."""
    motion_share: float
    """Looks in motion of a segment."""
    wait_seconds: float
    """Seconds that the worker waits for a GPU."""
    samples: float
    """Samples of a segment."""

    @property
    def held_seconds(self) -> float:
        """Mean seconds that a worker has a segment in hand."""
        motion = self.motion_share * self.motion_seconds
        return self.worker_seconds + motion + self.wait_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """The answer: what to buy, what it costs, and what is scarce."""

    streams: int
    """At the busiest time."""
    machines_needed: int
    """Machines that carry all streams at the busiest time."""
    spare_machines: int
    """Machines in addition, which may be lost at that time."""
    carries: Mapping[str, float]
    """Streams that one machine carries, by the part that limits it."""
    workers: int
    """Workers of one machine, a core each."""
    gpus: int
    gigabits_in: float
    """Network of the whole service at the busiest time, in Gb/s."""
    gigabytes_kept: float
    loads: tuple[GroupLoad, ...]
    cost_per_hour: float
    cost_per_1000_stream_hours: float

    @property
    def machines(self) -> int:
        """Machines to buy."""
        return self.machines_needed + self.spare_machines

    @property
    def streams_per_machine(self) -> float:
        """Streams that one machine carries: as many as its scarcest part."""
        return self.carries[self.bottleneck]

    @property
    def bottleneck(self) -> str:
        """The part of a machine that carries the fewest streams."""
        return min(self.carries, key=lambda name: self.carries[name])

    @property
    def use(self) -> dict[str, float]:
        """Share of each part of a machine that is used at the busiest time, with all machines."""
        each = self.streams / self.machines
        return {name: each / most for name, most in self.carries.items()}


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
        **_motion(usual, pipeline),
        fold=usual["stage_ms"]["fold"]["median"] / 1000,
    )


def _per_second(result: Mapping[str, Any]) -> float:
    return 1.0 / float(result["streams_per_core"]["median"])


def _samples_per_second(result: Mapping[str, Any]) -> float:
    run = result["runs"][0]
    return float(run["samples"] / run["media_seconds"])


def _motion(usual: Mapping[str, Any], pipeline: list[Any]) -> dict[str, float]:
    """Return what a look in motion adds, and how many a segment has, from the stream that wants
    them everywhere; 0 where none was made."""
    for result in pipeline:
        bursts = sum(run["bursts"] for run in result["runs"])
        if result is usual or not bursts:
            continue
        share = bursts / sum(run["units"] for run in result["runs"])
        more = max(0.0, result["cpu_ms"]["median"] - usual["cpu_ms"]["median"]) / 1000
        return {"motion": more / share, "motion_share": share}
    return {"motion": 0.0, "motion_share": 0.0}


def plan_fleet(shape: ServiceShape, costs: MeasuredCosts) -> FleetPlan:
    """Return what the service needs.

    Raises:
        SetupError: a case was not measured, GPUs lack their measured speed, a segment takes as long
            as the bound on latencies, or a machine carries not even one stream.
    """
    loads = tuple(_load(group, shape, costs) for group in shape.groups)
    _check_bound(loads, shape.latency_seconds)
    usual = sum(group.streams for group in shape.groups)
    streams = ceil(shape.peak * usual)
    gigabits = shape.peak * sum(one.streams * one.megabits for one in shape.groups) / 1000
    workers, carries = _carries(shape, loads, streams, gigabits)
    least = min(carries, key=lambda name: carries[name])
    if carries[least] < 1:
        raise SetupError(
            f"a machine carries {carries[least]:.2f} streams, because of its {least}: give a larger"
            " machine, or more of that part"
        )
    needed = ceil(streams / carries[least])
    machines = needed + shape.spare_machines
    kept = gigabits / 8 * 60 * shape.keep_minutes
    cost = _cost_per_hour(shape, machines, kept, gigabits)
    return FleetPlan(
        streams=streams,
        machines_needed=needed,
        spare_machines=shape.spare_machines,
        carries=carries,
        workers=workers,
        gpus=machines * shape.machine.gpus,
        gigabits_in=gigabits,
        gigabytes_kept=kept,
        loads=loads,
        cost_per_hour=cost,
        cost_per_1000_stream_hours=1000 * cost / usual,
    )


def _check_bound(loads: Sequence[GroupLoad], bound: float) -> None:
    """Refuse a bound that not even an idle machine keeps."""
    for load in loads:
        least = PLACE_SECONDS + SLOW_SEGMENT * load.held_seconds
        if least > bound:
            raise SetupError(
                f"latency_seconds is {bound:g}: a segment of {load.group.case} takes"
                f" {load.held_seconds:.2f} s of a worker, so that {least:.1f} s or more is wanted"
            )


def _carries(
    shape: ServiceShape, loads: Sequence[GroupLoad], streams: int, gigabits: float
) -> tuple[int, dict[str, float]]:
    """Return the workers of a machine, and the streams of the mix that each part carries."""
    machine = shape.machine
    segments = sum(load.segments_per_second for load in loads) / streams  # of a stream, as the rest
    held = sum(one.segments_per_second * one.held_seconds for one in loads) / streams
    service = segments * shape.service_ms / 1000 / machine.speed
    workers, most = max(
        (
            (number, min(_streams_of_workers(number, held), (machine.cores - number) / service))
            if service
            else (number, _streams_of_workers(number, held))
            for number in range(1, max(1, machine.cores - bool(service)) + 1)
        ),
        key=lambda pair: pair[1],
    )
    carries = {
        CORES: most,
        WEB: MOST_USE * shape.web_segments_per_second / segments,
        DRIVER: MOST_USE * shape.driver_segments_per_second / segments,
        NETWORK: MOST_USE * machine.gigabits * streams / gigabits,
        CELL: float(shape.cell_streams),
    }
    if machine.gpus:
        samples = sum(one.segments_per_second * one.samples for one in loads) / streams
        carries[GPU] = MOST_USE * _gpu_speed(shape) / samples
    return workers, carries


def _streams_of_workers(workers: int, held: float) -> float:
    """Return the streams that keep so many workers busy, less the margin: each stream keeps
    ``held`` of a worker busy."""
    root = (sqrt(MARGIN**2 + 4 * workers) - MARGIN) / 2
    return root**2 / held


def _load(group: StreamGroup, shape: ServiceShape, costs: MeasuredCosts) -> GroupLoad:
    if group.case not in costs.decode:
        raise SetupError(
            f"case {group.case!r} was not measured; there are {', '.join(costs.decode)}:"
            f" measure it with `streamwarden bench decode --case {group.case} --json > more.json`,"
            " and add --bench more.json"
        )
    samples = costs.samples[group.case] * group.segment_seconds
    scored = 0.0 if shape.machine.gpus else samples * costs.score
    seconds = costs.decode[group.case] * group.segment_seconds + scored + costs.fold
    share = costs.motion_share if group.motion_share is None else group.motion_share
    return GroupLoad(
        group=group,
        segments_per_second=shape.peak * group.streams / group.segment_seconds,
        worker_seconds=seconds / shape.machine.speed,
        motion_seconds=costs.motion / shape.machine.speed,
        motion_share=share,
        wait_seconds=GPU_SECONDS if shape.machine.gpus else 0.0,
        samples=samples,
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

"""The result of a benchmark as JSON: figures, and everything that they depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Final

from scanner.bench.bench_input import BenchInput
from scanner.bench.machine import LoadWatch, Machine
from scanner.bench.measure import BenchPlan, BenchResult, BenchRun

__all__ = ["SCHEMA", "BenchReport", "schema", "to_document"]

SCHEMA: Final = "streamwarden-bench/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """One benchmark that was run."""

    bench: str
    """``decode``, ``infer``, ``pipeline``, ``start`` or ``all``."""
    scenario: str = "offline"
    """MLPerf's words: ``offline``, all input is there and throughput is measured; ``server``,
    arrivals at a fixed rate; ``live``, the most streams in real time."""
    created: str
    """Time of the run, in ISO 8601."""
    machine: Machine
    load: LoadWatch
    settings: Mapping[str, Any]
    """The settings that the figures depend on, as JSON values."""
    plan: BenchPlan
    video: BenchInput | None
    """The input; None for ``infer``, which has none."""
    results: tuple[BenchResult, ...]


def schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of this version's documents."""
    loaded: dict[str, Any] = json.loads(
        files("scanner.bench").joinpath("bench.schema.json").read_text("utf-8")
    )
    return loaded


def to_document(report: BenchReport) -> dict[str, Any]:
    """Return the report as JSON values."""
    return {
        "schema": SCHEMA,
        "bench": report.bench,
        "scenario": report.scenario,
        "created": report.created,
        "machine": asdict(report.machine),
        "load": {"others": report.load.others, "mhz": list(report.load.mhz)},
        "settings": dict(report.settings),
        "plan": asdict(report.plan),
        "input": None if report.video is None else _input_values(report.video),
        "results": [_result(result) for result in report.results],
    }


def _input_values(video: BenchInput) -> dict[str, Any]:
    return {
        "name": video.path.name,
        "drawn": video.drawn,
        "bytes": video.size,
        "seconds": video.seconds,
        "segments": video.segments,
        "samples": video.samples,
        **asdict(video.info),
    }


def _result(result: BenchResult) -> dict[str, Any]:
    streams = result.streams_per_core
    return {
        "bench": result.bench,
        "name": result.name,
        "unit": result.unit,
        "provider": result.provider,
        "wall_ms": asdict(result.wall_ms),
        "cpu_ms": asdict(result.cpu_ms),
        "units_per_second": asdict(result.units_per_second),
        "samples_per_second": asdict(result.samples_per_second),
        "streams_per_core": None if streams is None else asdict(streams),
        "stage_ms": {name: asdict(spread) for name, spread in result.stage_ms.items()},
        "ratios": [asdict(ratio) for ratio in result.ratios],
        "latency_ms": None if result.latency is None else asdict(result.latency),
        "facts": dict(result.facts),
        "runs": [_run(run) for run in result.runs],
    }


def _run(run: BenchRun) -> dict[str, Any]:
    return {
        **asdict(run.amount),
        "wall_seconds": run.wall,
        "cpu_seconds": run.cpu,
        "stages": dict(run.stages),
        "reference_seconds": run.reference,
    }

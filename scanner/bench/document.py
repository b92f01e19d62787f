"""A bench as JSON: figures, and all that they depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Final

from scanner.bench.footage import Footage
from scanner.bench.machine import Machine
from scanner.bench.measure import Plan, Result, Run

__all__ = ["SCHEMA", "Report", "schema", "to_document"]

SCHEMA: Final = "streamwarden-bench/1"
SCENARIO: Final = "offline"
"""MLPerf's word for work that all lies ready, measured by how much is done in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One bench that was run."""

    bench: str
    """``decode``, ``infer`` or ``pipeline``."""
    created: str
    """When, in ISO 8601."""
    machine: Machine
    settings: Mapping[str, Any]
    """Those that the figures depend on, as JSON values."""
    plan: Plan
    footage: Footage | None
    """None where no video went in."""
    results: tuple[Result, ...]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that every bench of this version keeps to."""
    loaded: dict[str, Any] = json.loads(
        files("scanner.bench").joinpath("bench.schema.json").read_text("utf-8")
    )
    return loaded


def to_document(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    return {
        "schema": SCHEMA,
        "bench": report.bench,
        "scenario": SCENARIO,
        "created": report.created,
        "machine": asdict(report.machine),
        "settings": dict(report.settings),
        "plan": asdict(report.plan),
        "input": None if report.footage is None else _input(report.footage),
        "results": [_result(result) for result in report.results],
    }


def _input(footage: Footage) -> dict[str, Any]:
    return {
        "name": footage.path.name,
        "drawn": footage.drawn,
        "bytes": footage.size,
        "seconds": footage.seconds,
        "segments": footage.segments,
        "samples": footage.samples,
        **asdict(footage.info),
    }


def _result(result: Result) -> dict[str, Any]:
    streams = result.streams_per_core
    return {
        "name": result.name,
        "unit": result.unit,
        "provider": result.provider,
        "wall_ms": asdict(result.wall_ms),
        "cpu_ms": asdict(result.cpu_ms),
        "units_per_second": asdict(result.units_per_second),
        "samples_per_second": asdict(result.samples_per_second),
        "streams_per_core": None if streams is None else asdict(streams),
        "runs": [_run(run) for run in result.runs],
    }


def _run(run: Run) -> dict[str, Any]:
    return {**asdict(run.amount), "wall_seconds": run.wall, "cpu_seconds": run.cpu}

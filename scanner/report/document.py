"""A report as JSON: the form that machines read, with its schema beside it."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final

from scanner.report.nouns import PathReport, Report
from scanner.report.thin import Series, series
from scanner.types import Unseen

__all__ = ["SCHEMA", "schema", "to_document"]

SCHEMA: Final = "streamwarden-report/1"
PROBABILITY, ORDER = "probability", "order"
"""What a risk is: before a fit to labelled streams it only says which of two is higher."""


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that every report of this version keeps to."""
    loaded: dict[str, Any] = json.loads(
        files("scanner.report").joinpath("report.schema.json").read_text("utf-8")
    )
    return loaded


def to_document(report: Report) -> dict[str, Any]:
    """The report as JSON values; its risk timelines are thinned, their peaks kept."""
    return {
        "schema": SCHEMA,
        "streamwarden": report.version,
        "created": report.created,
        "risk_is": PROBABILITY if report.fitted else ORDER,
        "settings": dict(report.settings),
        "models": [_plain(model) for model in report.models],
        "policy": {
            "version": report.policy_version,
            "sha256": report.policy_sha256,
            "labels": [_plain(policy) for policy in report.policies],
        },
        "taxonomy": report.taxonomy_version,
        "uncovered": [_plain(category) for category in report.uncovered],
        "paths": [_path(path) for path in report.paths],
    }


def _path(path: PathReport) -> dict[str, Any]:
    labels = sorted({label for point in path.timeline for label in point.risk})
    return {
        "path": path.path,
        "duration": path.duration,
        "frames": path.frames,
        "coverage": path.coverage,
        "unseen": [_unseen(hole) for hole in path.unseen],
        "picture": None if path.picture is None else _plain(path.picture),
        "incidents": [_plain(finding) for finding in path.incidents],
        "timeline": {label: _timeline(series(path.timeline, label)) for label in labels},
        "peak_risk": dict(path.peak_risk),
        "peak_level": dict(path.peak_level),
        "peak_score": dict(path.peak_score),
        "medium": dict(path.medium),
        "flagged": list(path.flagged),
        "errors": [_plain(error) for error in path.errors],
    }


def _timeline(shown: Series) -> dict[str, Any]:
    return {
        "at": [round(at, 3) for at in shown.at],
        "risk": [round(risk, 6) for risk in shown.risk],
        "level": [None if level is None else round(level, 3) for level in shown.level],
    }


def _unseen(hole: Unseen) -> dict[str, Any]:
    return {"start": float(hole.span.start), "end": float(hole.span.end), "reason": hole.reason}


def _plain(noun: Any) -> Any:
    """A frozen noun as JSON values."""
    return _listed(asdict(noun))


def _listed(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_listed(item) for item in value]
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return value

"""A report as JSON: the form that programs read, with its schema in ``report.schema.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any, Final

from scanner.report.explanations import LabelExplanation, explain_labels
from scanner.report.lines import incident_values, skipped_line, summary_values
from scanner.report.nouns import (
    Clip,
    IncidentReport,
    PathReport,
    PolicyUsed,
    ScanReport,
    Unlisted,
)
from scanner.report.overview import ReportTotals, count_totals, describe_totals, result_of
from scanner.report.reasons import GAP_REASONS
from scanner.report.timeline import RiskSeries, thin
from scanner.stream.inputs import FilesSkipped
from scanner.types import Unseen

__all__ = ["SCHEMA", "load_schema", "to_document"]

SCHEMA: Final = "streamwarden-report/1"
PROBABILITY, ORDER = "probability", "order"
"""The meaning of a risk: before a fit to labelled streams it only says which of two is higher."""


def load_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) that every report of this version satisfies."""
    text = files("scanner.report").joinpath("report.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def to_document(report: ScanReport) -> dict[str, Any]:
    """Return the report as JSON values; its timelines are thinned, their peaks kept."""
    return {
        "schema": SCHEMA,
        "streamwarden": report.version,
        "created": report.created,
        "summary": _totals_values(count_totals(report)),
        "risk_is": PROBABILITY if report.fitted else ORDER,
        "settings": dict(report.settings),
        "models": [_to_json(model) for model in report.models],
        "policy": {
            "version": report.policy_version,
            "sha256": report.policy_sha256,
            "labels": [_to_json(policy) for policy in report.policies],
        },
        "taxonomy": report.taxonomy_version,
        "uncovered": [_to_json(category) for category in report.uncovered],
        "skipped": [_skipped_values(one) for one in report.skipped],
        "paths": [_path_values(path, report.policies) for path in report.paths],
    }


def _totals_values(totals: ReportTotals) -> dict[str, Any]:
    return {"text": describe_totals(totals), **_to_json(totals)}


def _skipped_values(skipped: FilesSkipped) -> dict[str, Any]:
    line = skipped_line(skipped)
    return {"path": line.path, "kind": line.kind, "files": line.files, "message": line.message}


def _path_values(path: PathReport, policies: Sequence[PolicyUsed]) -> dict[str, Any]:
    summary = _lists(summary_values(path.summary))
    values = {
        "path": path.path,
        "result": result_of(path).value,
        "still": path.is_still,
        "labels": [_explanation_values(one) for one in explain_labels(path, policies)],
        "duration": summary["duration"],
        "frames": summary["frames"],
        "coverage": summary["coverage"],
        "unseen": [_unseen_values(unseen) for unseen in path.unseen],
        "picture": None if path.picture is None else _to_json(path.picture),
        "incidents": [_incident_values(found) for found in path.incidents],
        "timeline": {
            str(label): _series_values(path.timeline[label]) for label in sorted(path.timeline)
        },
        **summary,
        "errors": [_to_json(error) for error in path.errors],
    }
    if path.unlisted != Unlisted():
        values["unlisted"] = _unlisted_values(path.unlisted)
    return values


def _explanation_values(explanation: LabelExplanation) -> dict[str, Any]:
    return {**_to_json(explanation), "outcome": explanation.outcome.value}


def _incident_values(found: IncidentReport) -> dict[str, Any]:
    incident = found.incident
    return {
        **_lists(incident_values(incident)),
        "reason": None if incident.reason is None else incident.reason.value,
        "closed": None if found.closed is None else float(found.closed),
        "shadow": incident.shadow,
        "escalation": [step.reason for step in incident.escalation],
        "clips": [_clip_values(clip) for clip in found.clips],
        "sheet": None if found.sheet is None else _to_json(found.sheet),
        "missing": found.missing,
    }


def _clip_values(clip: Clip) -> dict[str, Any]:
    return {
        "file": clip.file,
        "start": float(clip.span.start),
        "end": float(clip.span.end),
        "transcoded": clip.transcoded,
        "truncated": clip.truncated,
        "poster": clip.poster,
    }


def _series_values(series: RiskSeries) -> dict[str, Any]:
    shown = thin(series)
    return {
        "at": [round(at, 3) for at in shown.at],
        "risk": [round(risk, 6) for risk in shown.risk],
        "level": [None if level is None else round(level, 3) for level in shown.level],
    }


def _unseen_values(unseen: Unseen) -> dict[str, Any]:
    start, end = float(unseen.span.start), float(unseen.span.end)
    return {
        "start": start,
        "end": end,
        "reason": unseen.reason,
        "message": GAP_REASONS[unseen.reason],
    }


def _unlisted_values(unlisted: Unlisted) -> dict[str, Any]:
    return {
        "unseen": unlisted.gaps,
        "unseen_seconds": float(unlisted.gap_seconds),
        "errors": unlisted.errors,
        "incidents": unlisted.incidents,
    }


def _to_json(noun: Any) -> Any:
    """Return a frozen noun without times as JSON values."""
    return _lists(asdict(noun))


def _lists(value: Any) -> Any:
    """Return the value with lists in place of tuples."""
    if isinstance(value, tuple | list):
        return [_lists(item) for item in value]
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return value

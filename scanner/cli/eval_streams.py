"""``streamwarden eval --streams``: output of the evaluation on streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any

from scanner.cli.eval_scoring import print_unscored
from scanner.cli.options import wants_json
from scanner.cli.status import Status
from scanner.cli.terminal import OutputTable, new_table, open_console, sanitize
from scanner.compose import compose
from scanner.errors import SetupError
from scanner.evaluate.comparisons import UnscoredRow
from scanner.evaluate.measures import Interval
from scanner.evaluate.page import PageSection
from scanner.evaluate.rows import LabelledRow
from scanner.evaluate.streams.fit import FalseIncidentLimits
from scanner.evaluate.streams.outcome import EventSubset, OutcomeSummary
from scanner.evaluate.streams.pieces import FootagePool, build_pool
from scanner.evaluate.streams.rate import Rate
from scanner.evaluate.streams.recordings import Recording, read_recordings
from scanner.evaluate.streams.result import (
    LabelResult,
    StreamsResult,
    evaluate_streams,
)
from scanner.evaluate.streams.sections import build_sections
from scanner.report.line_text import read_lines
from scanner.report.lines import Line
from scanner.risk.policy import Policies
from scanner.settings.sections import Settings

__all__ = ["read_scores", "streams_command"]

SOURCES_SHOWN = 10
COLUMNS = (
    "method",
    "as fitted on all",
    "missed",
    "no cut",
    "cut",
    "delay, s",
    "p90",
    "p99",
    "within 3 s",
    "false an hour",
    "pictures",
)


def read_scores(files: Iterable[Path]) -> Iterator[Line]:
    """Yield all lines of earlier scans.

    Raises:
        SetupError: a file cannot be read.
    """
    for path in files:
        try:
            with path.open(encoding="utf-8") as file:
                yield from read_lines(file)
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(
                f"{path}: cannot be read ({error}); expected the output of `scan --json`"
            ) from error


def streams_command(
    settings: Settings,
    rows: Sequence[LabelledRow],
    lines: Iterable[Line],
    *,
    seed: int,
    as_json: bool,
    page: Callable[[Sequence[PageSection]], None] | None,
) -> Status:
    """Run the evaluation, write its results, and return the exit status."""
    read = list(read_recordings(rows, lines))
    failed = [one for one in read if isinstance(one, UnscoredRow)]
    print_unscored(failed)
    program = compose(settings)
    pool = build_pool(
        (one for one in read if isinstance(one, Recording)), settings.sampling.max_gap
    )
    result = _evaluate(pool, program.policies, seed)
    if page is not None:
        page(build_sections(result))
    document = {
        "type": "stream_evaluation",
        "models": [str(one.ref) for one in program.manifests],
        "failed": len(failed),
        **_to_json(result),
    }
    if wants_json(as_json):
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        _print_result(result)
    return Status.FAILED if failed else Status.NOTHING


def _evaluate(pool: FootagePool, policies: Policies, seed: int) -> StreamsResult:
    if not pool.safe or not pool.event_clips:
        raise SetupError(
            "--streams needs both events and footage that shows none of them;"
            " the manifest has only one of the two"
        )
    with open_console(stderr=True).status("assembling streams") as status:
        return evaluate_streams(
            pool,
            policies,
            FalseIncidentLimits(),
            seed=seed,
            on_progress=lambda text: status.update(sanitize(text)),
        )


def _to_json(value: Any) -> Any:
    """Return a JSON value: NaN is null, fractions are numbers, and a rate includes its derived
    values."""
    if isinstance(value, Rate):
        return _to_json(
            {"count": value.count, "hours": value.hours, "value": value.value, "upper": value.upper}
        )
    if isinstance(value, float | Fraction):
        return float(value) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_to_json(inner) for inner in value]
    return (
        {field.name: _to_json(getattr(value, field.name)) for field in fields(value)}
        if is_dataclass(value)
        else value
    )


def _print_result(result: StreamsResult) -> None:
    console = open_console()
    hours = ", ".join(
        f"{one.kind} {one.hours * 60:.1f} min of {one.groups} sources" for one in result.safe
    )
    console.print(
        f"Distinct safe footage: {hours}. Streams with an event: {result.staged}.", highlight=False
    )
    for kind, rate in result.incidents.items():
        console.print(
            f"False incidents with the policies in force, {kind}: {_format_rate(rate)}",
            highlight=False,
        )
    for label in result.labels:
        console.print(_table(label))
        console.print(*_safe_level_lines(label), sep="\n", highlight=False)
        console.print(_source_table(label))
    console.print(
        "Intervals: 95 % by bootstrap over groups."
        " Rates: observed count and hours, with an upper bound (95 %, one-sided).",
        style="dim",
    )


def _table(label: LabelResult) -> OutputTable:
    force = label.in_force
    table = new_table(
        f"{label.label}: {force.summary.events} events of {force.summary.groups} sources",
        *COLUMNS,
    )
    table.add_row(
        "in force, in shadow" if force.shadow else "in force",
        f"{force.method} at {force.threshold:g}",
        *_summary_cells(force.summary),
    )
    for one in label.compared:
        table.add_row(
            one.name,
            f"{one.fitted.candidate} at {one.fitted.threshold:g}",
            *_summary_cells(one.summary),
            style="dim" if one.reference else "",
        )
    return table


def _safe_level_lines(label: LabelResult) -> Iterator[str]:
    safe = label.safe_level
    if safe is None:
        yield f"{label.label}: too little ordinary footage for a safe level"
        return
    yield (
        f"{label.label}: safe level {safe.level:g}: highest level {safe.peak:.2f}, tail"
        f" {safe.tail.rate_at(safe.level):.2g} an hour, margin {safe.margin:.2f};"
        f" {_format_rate(safe.rate)} an hour, {safe.sources} sources"
    )
    if label.found is not None:
        yield (
            f"  events on camera that reach it: {label.found.on_camera} of"
            f" {label.found.camera_events}; photographs, held: {label.found.held} of"
            f" {label.found.photographs}"
        )
    for half in label.halves:
        yield (
            f"  fitted on one half of the sources, level {half.level:g}; on the other half"
            f" {_format_rate(half.rate)} an hour, {half.found} of {half.events} events found"
        )


def _source_table(label: LabelResult) -> OutputTable:
    table = new_table(
        f"{label.label}: sources with the highest levels, policy in force",
        "source",
        "footage",
        "highest level",
        "false an hour",
    )
    for one in label.sources[:SOURCES_SHOWN]:
        table.add_row(sanitize(one.origin), one.kind, f"{one.peak:.1f}", _format_rate(one.rate))
    return table


def _summary_cells(summary: OutcomeSummary) -> Iterator[str]:
    yield _format_share(summary.missed)
    yield _format_missed([summary.parts[name] for name in ("after own",) if name in summary.parts])
    yield _format_missed(
        [summary.parts[name] for name in ("after ordinary", "after games") if name in summary.parts]
    )
    yield _format_seconds(summary.median)
    yield f"{summary.p90:.1f}"
    yield f"{summary.p99:.1f}"
    yield f"{summary.soon:.0%}"
    yield _format_rate(summary.false["all"])
    flagged, pictures = summary.photographs
    yield f"{flagged} of {pictures}"


def _format_missed(parts: Sequence[EventSubset]) -> str:
    return (
        f"{sum(one.missed for one in parts)} of {sum(one.events for one in parts)}"
        if parts
        else "-"
    )


def _format_share(interval: Interval) -> str:
    return (
        f"{interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"
        if isfinite(interval.low)
        else f"{interval.value:.0%}"
    )


def _format_seconds(interval: Interval) -> str:
    return (
        f"{interval.value:.1f} [{interval.low:.1f}, {interval.high:.1f}]"
        if isfinite(interval.low)
        else f"{interval.value:.1f}"
    )


def _format_rate(rate: Rate) -> str:
    return f"{rate.count} in {rate.hours:.2f} h, below {rate.upper:.1f}"

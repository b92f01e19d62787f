"""``streamwarden eval --streams``: what is told of the evaluation on streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any

from rich.console import Console

from scanner.cli.options import wants_json
from scanner.cli.show import new_table
from scanner.cli.status import Status
from scanner.errors import SetupError
from scanner.evaluate.measures import Interval
from scanner.evaluate.page import Section
from scanner.evaluate.rows import Row
from scanner.evaluate.streams.fit import Limits
from scanner.evaluate.streams.footage import collect
from scanner.evaluate.streams.outcome import Part, Summary
from scanner.evaluate.streams.rate import Rate
from scanner.evaluate.streams.recordings import Recording, recordings
from scanner.evaluate.streams.result import Compared, LabelResult, StreamsResult, evaluate_streams
from scanner.evaluate.streams.sections import sections
from scanner.evaluate.tables import Unread
from scanner.lines import Line, read_lines
from scanner.runner import used_models
from scanner.settings.policies import compose_policies
from scanner.settings.sections import Settings

__all__ = ["read_scores", "streams_command"]

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
    """All lines of earlier scans.

    Raises:
        SetupError: a file cannot be read.
    """
    for path in files:
        try:
            with path.open(encoding="utf-8") as file:
                yield from read_lines(file)
        except (OSError, UnicodeDecodeError) as why:
            raise SetupError(
                f"{path}: cannot be read ({why}); name a file that `scan --json` wrote"
            ) from why


def streams_command(
    settings: Settings,
    rows: Sequence[Row],
    lines: Iterable[Line],
    *,
    seed: int,
    as_json: bool,
    page: Callable[[Sequence[Section]], None] | None,
) -> Status:
    """Measure, tell, and say how the program ends."""
    said = list(recordings(rows, lines))
    failed = [one for one in said if isinstance(one, Unread)]
    errors = Console(stderr=True)
    for unread in failed:
        errors.print(f"not counted: {unread.reason}", markup=False, highlight=False)
    manifests = used_models(settings)
    footage = collect(
        (one for one in said if isinstance(one, Recording)), settings.sampling.max_gap
    )
    if not footage.safe or not footage.takes:
        raise SetupError(
            "streams want both events and footage that shows none of them; the manifest has only one of the two"
        )
    with errors.status("putting streams together") as status:
        result = evaluate_streams(
            footage, compose_policies(settings, manifests), Limits(), seed=seed, told=status.update
        )
    if page is not None:
        page(sections(result))
    document = {
        "type": "stream_evaluation",
        "models": [str(one.ref) for one in manifests],
        "failed": len(failed),
        **_plain(result),
    }
    if wants_json(as_json):
        sys.stdout.write(json.dumps(document, allow_nan=False) + "\n")
    else:
        _print(result)
    return Status.FAILED if failed else Status.NOTHING


def _plain(value: Any) -> Any:
    """What JSON has: NaN is null, fractions are numbers, and what is derived of a rate is told with
    it."""
    if isinstance(value, Rate):
        return _plain(
            {"count": value.count, "hours": value.hours, "value": value.value, "upper": value.upper}
        )
    if isinstance(value, float | Fraction):
        return float(value) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return (
        {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        if is_dataclass(value)
        else value
    )


def _print(result: StreamsResult) -> None:
    console = Console()
    hours = ", ".join(
        f"{one.kind} {one.hours * 60:.1f} min of {one.groups} sources" for one in result.safe
    )
    console.print(
        f"Distinct safe footage: {hours}. Streams with an event: {result.staged}.", highlight=False
    )
    for kind, rate in result.incidents.items():
        console.print(
            f"False incidents with the policies in force, {kind}: {_rate(rate)}", highlight=False
        )
    for label in result.labels:
        console.print(_table(label))
    console.print(
        "Intervals: 95 % by bootstrap over groups. Rates: so many seen, and an upper bound (95 %, one-sided).",
        style="dim",
    )


def _table(label: LabelResult) -> Any:
    table = new_table(
        f"{label.label}: {label.in_force.summary.events} events of {label.in_force.summary.groups} sources",
        *COLUMNS,
    )
    shadow = ", in shadow" if label.in_force.shadow else ""
    table.add_row(
        f"in force{shadow}",
        f"{label.in_force.method} at {label.in_force.threshold:g}",
        *_cells(label.in_force.summary),
    )
    for one in label.compared:
        table.add_row(
            one.name,
            f"{one.fitted.candidate} at {one.fitted.threshold:g}",
            *_cells(one.summary),
            style=_style(one),
        )
    return table


def _style(compared: Compared) -> str:
    return "dim" if compared.reference else ""


def _cells(summary: Summary) -> Iterator[str]:
    yield _share(summary.missed)
    yield _of([summary.parts[name] for name in ("after own",) if name in summary.parts])
    yield _of(
        [summary.parts[name] for name in ("after ordinary", "after games") if name in summary.parts]
    )
    yield _seconds(summary.median)
    yield f"{summary.p90:.1f}"
    yield f"{summary.p99:.1f}"
    yield f"{summary.soon:.0%}"
    yield _rate(summary.false["all"])
    flagged, pictures = summary.photographs
    yield f"{flagged} of {pictures}"


def _of(parts: Sequence[Part]) -> str:
    return (
        f"{sum(one.missed for one in parts)} of {sum(one.events for one in parts)}"
        if parts
        else "-"
    )


def _share(interval: Interval) -> str:
    return (
        f"{interval.value:.0%} [{interval.low:.0%}, {interval.high:.0%}]"
        if isfinite(interval.low)
        else f"{interval.value:.0%}"
    )


def _seconds(interval: Interval) -> str:
    return (
        f"{interval.value:.1f} [{interval.low:.1f}, {interval.high:.1f}]"
        if isfinite(interval.low)
        else f"{interval.value:.1f}"
    )


def _rate(rate: Rate) -> str:
    return f"{rate.count} in {rate.hours:.2f} h, below {rate.upper:.1f}"

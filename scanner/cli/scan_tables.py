"""The tables at the end of a scan: incidents, paths with the flagged ones first, and totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.text import Text

from scanner.cli.messages import count_of
from scanner.cli.terminal import OutputTable, new_table
from scanner.report.lines import ErrorLine, IncidentLine, SummaryLine
from scanner.report.text import clock, percent

__all__ = ["SEVERITIES", "describe_totals", "incident_table", "path_table", "sort_incidents"]

SEVERITIES: Final = ("green", "yellow", "dark_orange", "red")
"""The colour of each severity, 0 to 3."""
WELL_SEEN: Final = 0.99
"""Coverage below which a path is highlighted, and listed in any case."""
MOST_ORDINARY: Final = 20
"""Paths without a finding that are listed; the others are counted."""


def sort_incidents(incidents: Sequence[IncidentLine]) -> list[IncidentLine]:
    """Return the incidents, those that flag first, then by severity."""
    return sorted(incidents, key=lambda line: (line.shadow, -line.severity, line.path, line.start))


def incident_table(incidents: Sequence[IncidentLine]) -> OutputTable:
    """Return a table with a row for each incident."""
    table = new_table("Incidents", "label", "severity", "began", "ended", "known", "risk", "path")
    for line in sort_incidents(incidents):
        labels = Text(
            ", ".join(line.labels) + (" (shadow)" if line.shadow else ""),
            style=SEVERITIES[line.severity],
        )
        times = (clock(line.start), clock(line.end), clock(line.opened))
        table.add_row(labels, str(line.severity), *times, f"{line.peak:.3f}", line.path)
    return table


def path_table(summaries: Sequence[SummaryLine], errors: Sequence[ErrorLine]) -> OutputTable:
    """Return a table of the paths: flagged ones, failed ones, those with gaps, then others, of
    which long lists are cut."""
    failed = _failures(errors)
    scanned = {line.path for line in summaries}
    table = new_table("Paths", "found", "length", "seen", "highest score", "path")
    ordered = sorted(summaries, key=lambda line: (not line.flagged, line.path not in failed))
    flagged = [line for line in ordered if line.flagged]
    partly = [line for line in ordered if not line.flagged and _needs_look(line, failed)]
    ordinary = [line for line in ordered if not line.flagged and not _needs_look(line, failed)]
    for line in flagged:
        _add(table, line, failed)
    for path, kind in failed.items():
        if path not in scanned:
            table.add_row(Text(kind, style="red"), "-", "-", "-", path)
    for line in (*partly, *ordinary[:MOST_ORDINARY]):
        _add(table, line, failed)
    more = len(ordinary) - MOST_ORDINARY
    if more > 0:
        rest = f"and {more} more with nothing found"
        table.add_row("-", "", "", "", Text(rest, style="dim"))
    return table


def _needs_look(line: SummaryLine, failed: Mapping[str, str]) -> bool:
    return line.path in failed or (line.duration > 0 and line.coverage < WELL_SEEN)


def _add(table: OutputTable, line: SummaryLine, failed: Mapping[str, str]) -> None:
    found = Text(", ".join(line.flagged) or "-", style="red" if line.flagged else "")
    if line.path in failed:
        error = Text(failed[line.path], style="red")
        found = Text(", ").join((found, error)) if line.flagged else error
    table.add_row(
        found,
        clock(line.duration),
        Text(percent(line.coverage), style="yellow" if line.coverage < WELL_SEEN else ""),
        _largest(line.peak_score),
        line.path,
    )


def describe_totals(
    summaries: Sequence[SummaryLine], errors: Sequence[ErrorLine], incidents: Sequence[IncidentLine]
) -> str:
    """Return one line with the totals of a scan."""
    failed = _failures(errors)
    paths = {line.path for line in summaries} | failed.keys()
    flagged = sum(bool(line.flagged) for line in summaries)
    seconds = sum(line.duration for line in summaries)
    seen = sum(line.duration * line.coverage for line in summaries)
    shadow = sum(line.shadow for line in incidents)
    parts = [f"{count_of(len(paths), 'path')}: {flagged} flagged, {len(failed)} with errors"]
    parts.append(f"{clock(seconds)} of video")
    if seconds:
        parts.append(f"{percent(min(seen / seconds, 1.0))} seen")
    parts.append(
        count_of(len(incidents), "incident") + (f" ({shadow} in shadow)" if shadow else "")
    )
    return "; ".join(parts)


def _failures(errors: Sequence[ErrorLine]) -> dict[str, str]:
    """Return the kind of the first error of each path."""
    kinds: dict[str, str] = {}
    for line in errors:
        kinds.setdefault(line.path, line.kind)
    return kinds


def _largest(scores: Mapping[str, float]) -> str:
    """Return the label with the highest score, and the score."""
    name = max(scores, key=lambda name: scores[name], default=None)
    return "-" if name is None else f"{name} {scores[name]:.2f}"

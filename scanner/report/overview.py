"""The first thing that a report says: what was flagged, what was only recorded, what was not seen,
and what was not looked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scanner.report.explanations import recorded_labels
from scanner.report.nouns import PathReport, ScanReport
from scanner.report.text import count, join_words

__all__ = ["PathResult", "ReportTotals", "count_totals", "describe_totals", "result_of"]

LOW_COVERAGE: Final = 0.95
"""Below this share of the duration, "nothing flagged" names the share that was seen."""


class PathResult(StrEnum):
    """Result of one path, in a word."""

    FLAGGED = "flagged"
    UNREAD = "unread"
    """Nothing of it could be read."""
    PARTLY = "partly"
    """Nothing was flagged in the part that was seen, or a part of it failed."""
    NOTHING = "nothing"
    """Nothing was flagged, and it was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTotals:
    """Counts over all paths, and the labels that could not be flagged whatever they showed."""

    paths: int
    flagged: int
    """Paths that were flagged, still pictures among them."""
    flagged_stills: int
    """Still pictures that were flagged; they have no incident."""
    unread: int
    partly: int
    skipped: int
    """Files of folders that were not scanned; segments of playlists are not among them."""
    recorded: int
    """Paths that a label in shadow would have flagged."""
    recorded_stills: int
    """Still pictures among them; they have no incident."""
    incidents: int
    """Live incidents that are listed."""
    shadow_incidents: int
    flagged_labels: tuple[str, ...]
    """Labels that were flagged on any path, the most severe first."""
    shadow_labels: tuple[str, ...]
    """Labels in shadow: recorded, and never flagged."""
    still_only_labels: tuple[str, ...]
    """Labels in shadow that are flagged on still pictures."""
    missing_categories: tuple[str, ...]
    """Categories of which no label was looked for."""
    missing_labels: tuple[str, ...]
    """Labels of the other categories that were not looked for."""


def result_of(path: PathReport) -> PathResult:
    """Return the result of a path."""
    summary = path.summary
    if summary.flagged:
        return PathResult.FLAGGED
    if not path.is_read:
        return PathResult.UNREAD
    is_partly_seen = summary.duration > 0 and summary.coverage < LOW_COVERAGE
    return PathResult.PARTLY if is_partly_seen or path.errors else PathResult.NOTHING


def count_totals(report: ScanReport) -> ReportTotals:
    """Return the totals of a report."""
    results = [result_of(path) for path in report.paths]
    recorded = [path for path in report.paths if recorded_labels(path, report.policies)]
    found = [one.incident for path in report.paths for one in path.incidents]
    flagged = {label for path in report.paths for label in path.summary.flagged}
    return ReportTotals(
        paths=len(report.paths),
        flagged=results.count(PathResult.FLAGGED),
        flagged_stills=sum(path.is_still and bool(path.summary.flagged) for path in report.paths),
        unread=results.count(PathResult.UNREAD),
        partly=results.count(PathResult.PARTLY),
        skipped=sum(one.files for one in report.skipped if one.kind != "in_playlist"),
        recorded=len(recorded),
        recorded_stills=sum(path.is_still for path in recorded),
        incidents=sum(not incident.shadow for incident in found),
        shadow_incidents=sum(incident.shadow for incident in found),
        flagged_labels=tuple(p.label for p in report.policies if p.label in flagged),
        shadow_labels=tuple(p.label for p in report.policies if p.shadow and p.still_shadow),
        still_only_labels=tuple(
            p.label for p in report.policies if p.shadow and not p.still_shadow
        ),
        missing_categories=tuple(one.category for one in report.uncovered if one.whole),
        missing_labels=tuple(
            label for one in report.uncovered if not one.whole for label in one.labels
        ),
    )


def describe_totals(totals: ReportTotals) -> str:
    """Return the totals as one sentence."""
    return "; ".join(_parts(totals)) + "."


def _parts(totals: ReportTotals) -> Iterator[str]:
    """Yield what was found, then everything that limits it."""
    if totals.flagged:
        yield f"{totals.flagged} of {count(totals.paths, 'path')} flagged"
    elif totals.unread < totals.paths:
        yield "Nothing flagged"
    else:
        yield "Nothing was scanned"
    if totals.unread:
        yield f"{count(totals.unread, 'path')} could not be read"
    if totals.partly:
        yield f"{count(totals.partly, 'path')} only seen in part"
    if totals.skipped:
        yield f"{count(totals.skipped, 'file')} skipped"
    if totals.shadow_labels:
        yield f"{join_words(totals.shadow_labels, 'and')} only recorded"
    if totals.still_only_labels:
        yield f"{join_words(totals.still_only_labels, 'and')} flagged on still pictures only"
    yield from _not_looked_for(totals.missing_categories, totals.missing_labels)


def _not_looked_for(categories: Sequence[str], labels: Sequence[str]) -> Iterator[str]:
    if categories:
        yield f"{count(len(categories), 'category', 'categories')} not looked for"
    elif labels:
        yield f"{count(len(labels), 'label')} not looked for"

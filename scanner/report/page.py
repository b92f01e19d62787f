"""A report as one static page that needs no network, written beside its document.

The page carries its own style and script; a content security policy allows these two, by their
hashes, and no others.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markupsafe import Markup

from scanner.private import make_folder, write_file
from scanner.report.chart import RiskChart, make_chart
from scanner.report.document import SCHEMA, to_document
from scanner.report.explanations import LabelExplanation, explain_labels, recorded_labels
from scanner.report.html import breakable, content_policy, page_environment, read_asset
from scanner.report.nouns import PathReport, ScanReport
from scanner.report.overview import PathResult, count_totals, describe_totals, result_of
from scanner.report.reasons import GAP_REASONS, SKIP_REASONS
from scanner.report.text import clock, count, percent
from scanner.risk.incident import Reason

__all__ = ["to_page", "write_report"]

PACKAGE: Final = "scanner.report"
THRESHOLDS: Final = (
    "Levels of the shipped models were set on less than an hour of ordinary footage, not on your"
    " streams."
)
"""The limit of the default thresholds; the README has the same sentence."""
GROUPS: Final = {
    "flagged": "Flagged",
    "recorded": "Only recorded",
    "unread": "Not read",
    "partly": "Seen in part",
    "nothing": "Nothing flagged",
}
"""Groups of paths that the filter offers, by key."""


def _percent(share: float) -> str:
    """Return a share in percent that no line break divides."""
    return percent(share).replace(" ", "\u00a0")


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    "breakable": breakable,
    "clock": clock,
    "count": count,
    "percent": _percent,
}
REASONS: Final[Mapping[Reason, str]] = {
    Reason.QUIET: "the level fell",
    Reason.UNSEEN: "the stream was not seen for too long",
    Reason.ENDED: "the stream ended",
    Reason.WITHDRAWN: "its label has no policy any more",
}
"""Why an incident closed, in words."""


def write_report(report: ScanReport, folder: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into ``folder`` and return the page's path.

    Only their owner may read them. The clips and sheets that the report names lie in the same
    folder. The JSON is pure ASCII, so that a hostile name is harmless in a terminal too.
    """
    make_folder(folder)
    text = json.dumps(to_document(report), indent=1, allow_nan=False)
    write_file(folder / "report.json", f"{text}\n".encode("ascii"))
    page = folder / "report.html"
    write_file(page, to_page(report).encode())
    return page


@dataclass(frozen=True, slots=True, kw_only=True)
class _PathView:
    """One path with everything that the page derives from it."""

    number: int
    """Place on the page, from 1."""
    path: PathReport
    result: PathResult
    labels: tuple[LabelExplanation, ...]
    recorded_labels: tuple[str, ...]
    """Labels in shadow that would have flagged the path."""
    chart: RiskChart | None

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the filter's groups that the path belongs to."""
        if self.result is PathResult.NOTHING and self.recorded_labels:
            return ("recorded",)
        return (self.result.value, "recorded") if self.recorded_labels else (self.result.value,)


def to_page(report: ScanReport) -> str:
    """Return the page; it refers to clips and sheets by relative names."""
    style, script = read_asset(PACKAGE, "report.css"), read_asset(PACKAGE, "report.js")
    totals = count_totals(report)
    views = [_view(number, path, report) for number, path in enumerate(report.paths, 1)]
    return (
        page_environment(PACKAGE, FILTERS)
        .get_template("report.html")
        .render(
            report=report,
            schema=SCHEMA,
            totals=totals,
            headline=describe_totals(totals),
            thresholds=THRESHOLDS,
            views=views,
            groups=_filter_groups(views),
            reasons=REASONS,
            skip_reasons=SKIP_REASONS,
            gap_reasons=GAP_REASONS,
            style=Markup(style),
            script=Markup(script),
            security=content_policy(style=style, script=script, media=True),
        )
    )


def _filter_groups(views: Sequence[_PathView]) -> list[tuple[str, str, int]]:
    """Return key, name and number of paths of each group that the filter offers."""
    numbers = Counter(group for view in views for group in view.groups)
    return [(key, name, numbers[key]) for key, name in GROUPS.items() if numbers[key]]


def _view(number: int, path: PathReport, report: ScanReport) -> _PathView:
    return _PathView(
        number=number,
        path=path,
        result=result_of(path),
        labels=explain_labels(path, report.policies),
        recorded_labels=recorded_labels(path, report.policies),
        chart=make_chart(path, report.policies),
    )

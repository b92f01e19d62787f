"""A report as one static page that needs nothing from anywhere."""

from __future__ import annotations

from markupsafe import Markup

from scanner.report.chart import chart
from scanner.report.document import SCHEMA
from scanner.report.html import content_policy, page_environment, read_asset
from scanner.report.nouns import PathReport, Report
from scanner.report.text import clock, percent

__all__ = ["to_page"]

PACKAGE = "scanner.report"
LITTLE_SEEN = 0.95
"""Below this share of the duration, nothing found is not told without what was not seen."""


def to_page(report: Report) -> str:
    """The page; its clips and sheets are looked for beside it, and its style and script are the
    only ones that may run."""
    style, script = read_asset(PACKAGE, "report.css"), read_asset(PACKAGE, "report.js")
    return (
        page_environment(PACKAGE, {"clock": clock, "percent": percent})
        .get_template("report.html")
        .render(
            report=report,
            schema=SCHEMA,
            charts=[chart(path, report.policies) for path in report.paths],
            verdicts=[_verdict(path) for path in report.paths],
            style=Markup(style),
            script=Markup(script),
            security=content_policy(style=style, script=script, media=True),
        )
    )


def _verdict(path: PathReport) -> str:
    """One word for the page's marks: ``flagged``, ``unread``, ``partly`` or ``nothing``."""
    if path.flagged:
        return "flagged"
    if not path.read:
        return "unread"
    return "partly" if path.duration > 0 and path.coverage < LITTLE_SEEN else "nothing"

"""A report as one static page that needs no network, written beside its document.

The page carries its own style and script; a content security policy allows these two, by their
hashes, and no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from markupsafe import Markup

from scanner.report.chart import make_chart
from scanner.report.document import SCHEMA, to_document
from scanner.report.html import content_policy, page_environment, read_asset
from scanner.report.nouns import PathReport, ScanReport
from scanner.report.text import clock, percent
from scanner.risk.incident import Reason

__all__ = ["to_page", "write_report"]

PACKAGE: Final = "scanner.report"
LOW_COVERAGE: Final = 0.95
"""Below this share of the duration, "nothing found" names the share that was seen."""
REASONS: Final[Mapping[Reason, str]] = {
    Reason.QUIET: "the level fell",
    Reason.UNSEEN: "the stream was not seen for too long",
    Reason.ENDED: "the stream ended",
    Reason.WITHDRAWN: "its label has no policy any more",
}
"""Why an incident closed, in words."""


def write_report(report: ScanReport, folder: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into ``folder`` and return the page's path.

    The clips and sheets that the report names lie in the same folder. The JSON is pure ASCII, so
    that a hostile name is harmless in a terminal too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_document(report), indent=1, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", "ascii")
    page = folder / "report.html"
    page.write_text(to_page(report), "utf-8")
    return page


def to_page(report: ScanReport) -> str:
    """Return the page; it refers to clips and sheets by relative names."""
    style, script = read_asset(PACKAGE, "report.css"), read_asset(PACKAGE, "report.js")
    return (
        page_environment(PACKAGE, {"clock": clock, "percent": percent})
        .get_template("report.html")
        .render(
            report=report,
            schema=SCHEMA,
            charts=[make_chart(path, report.policies) for path in report.paths],
            verdicts=[_verdict(path) for path in report.paths],
            reasons=REASONS,
            style=Markup(style),
            script=Markup(script),
            security=content_policy(style=style, script=script, media=True),
        )
    )


def _verdict(path: PathReport) -> str:
    """Return the page's word for a path: ``flagged``, ``unread``, ``partly`` or ``nothing``."""
    summary = path.summary
    if summary.flagged:
        return "flagged"
    if not path.is_read:
        return "unread"
    return "partly" if summary.duration > 0 and summary.coverage < LOW_COVERAGE else "nothing"

"""Put a report into a folder."""

from __future__ import annotations

import json
from pathlib import Path

from scanner.report.document import to_document
from scanner.report.nouns import Report
from scanner.report.page import to_page

__all__ = ["write_report"]


def write_report(report: Report, folder: Path) -> Path:
    """Write ``report.json`` and ``report.html`` into ``folder``, where its clips and sheets already
    are; the page's path.

    The JSON is pure ASCII, so that a hostile name stays harmless in a terminal too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = to_document(report)
    (folder / "report.json").write_text(
        json.dumps(document, indent=1, allow_nan=False) + "\n", "ascii"
    )
    page = folder / "report.html"
    page.write_text(to_page(report), "utf-8")
    return page

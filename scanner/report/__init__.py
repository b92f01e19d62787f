"""What is delivered: one JSON document, and one page that shows it.

A report is built of plain values (``scanner.report.nouns``), so that it knows nothing of how risk
is folded.
"""

from scanner.report.document import SCHEMA, schema, to_document
from scanner.report.nouns import (
    Clip,
    Failure,
    Finding,
    ModelUsed,
    PathReport,
    PolicyUsed,
    Report,
    RiskPoint,
    Sheet,
    UncoveredCategory,
)
from scanner.report.page import to_page
from scanner.report.sheet import Tile, write_poster, write_sheet
from scanner.report.write import write_report

__all__ = [
    "SCHEMA",
    "Clip",
    "Failure",
    "Finding",
    "ModelUsed",
    "PathReport",
    "PolicyUsed",
    "Report",
    "RiskPoint",
    "Sheet",
    "Tile",
    "UncoveredCategory",
    "schema",
    "to_document",
    "to_page",
    "write_poster",
    "write_report",
    "write_sheet",
]

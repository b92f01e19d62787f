"""How good scores are, on labelled footage: areas, recalls at stated false positives, calibration, each with its interval."""

from scanner.evaluate.measures import Interval, auc, average_precision, bootstrap, calibration_error, recall_at
from scanner.evaluate.rows import Row, read_rows
from scanner.evaluate.tables import Judged, Result, Unread, results
from scanner.evaluate.work import judge

__all__ = [
    "Interval",
    "Judged",
    "Result",
    "Row",
    "Unread",
    "auc",
    "average_precision",
    "bootstrap",
    "calibration_error",
    "judge",
    "read_rows",
    "recall_at",
    "results",
]

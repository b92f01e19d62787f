"""How good scores are, on labelled footage: areas, recalls at stated false positives, calibration, each with its interval."""

from scanner.evaluate.folds import FoldModels, read_fold_models
from scanner.evaluate.measures import Interval, auc, average_precision, bootstrap, calibration_error, recall_at
from scanner.evaluate.rows import Row, read_rows
from scanner.evaluate.tables import Judged, Result, Unread, results
from scanner.evaluate.work import RunnerOf, Score, judge, record

__all__ = [
    "FoldModels",
    "Interval",
    "Judged",
    "Result",
    "Row",
    "RunnerOf",
    "Score",
    "Unread",
    "auc",
    "average_precision",
    "bootstrap",
    "calibration_error",
    "judge",
    "read_fold_models",
    "read_rows",
    "recall_at",
    "record",
    "results",
]

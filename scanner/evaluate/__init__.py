"""How good scores are, on labelled footage: areas, recalls at stated false positives, calibration,
each with its interval.

rows -> folds, work (scored by the real scan, each by models that never saw it) -> tables (contests)
contests -> results, curves, reliability, slices, robustness (after ``scanner.altering``) ->
evaluation -> page, JSON
"""

from scanner.evaluate.evaluation import Evaluation, Subject, evaluate, to_json
from scanner.evaluate.folds import FoldModels, read_fold_models
from scanner.evaluate.footage import Footage, look_at
from scanner.evaluate.measures import (
    Interval,
    auc,
    average_precision,
    bootstrap,
    calibration_error,
    recall_at,
)
from scanner.evaluate.page import Section, to_page
from scanner.evaluate.results import Result, results
from scanner.evaluate.robustness import Robustness, altered_by, robustness
from scanner.evaluate.rows import Row, read_rows
from scanner.evaluate.sampled import sampled
from scanner.evaluate.slices import Slice, slices
from scanner.evaluate.tables import Judged, Unread
from scanner.evaluate.work import RunnerOf, Score, judge, record

__all__ = [
    "Evaluation",
    "FoldModels",
    "Footage",
    "Interval",
    "Judged",
    "Result",
    "Robustness",
    "Row",
    "RunnerOf",
    "Score",
    "Section",
    "Slice",
    "Subject",
    "Unread",
    "altered_by",
    "auc",
    "average_precision",
    "bootstrap",
    "calibration_error",
    "evaluate",
    "judge",
    "look_at",
    "read_fold_models",
    "read_rows",
    "recall_at",
    "record",
    "results",
    "robustness",
    "sampled",
    "slices",
    "to_json",
    "to_page",
]

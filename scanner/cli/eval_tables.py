"""Tables of an evaluation, for a terminal."""

from __future__ import annotations

from math import isfinite

from scanner.cli.terminal import OutputTable, new_table, open_console
from scanner.evaluate.evaluation import Evaluation
from scanner.evaluate.measures import Interval

__all__ = ["print_evaluation"]

QUALITY = (
    "task",
    "against",
    "n",
    "groups",
    "AUC",
    "AP",
    "recall at 1 %",
    "2 %",
    "5 %",
    "calibration error",
)
RELIABILITY = ("label", "n", "groups", "calibration error")
ROBUSTNESS = (
    "task",
    "against",
    "n",
    "change",
    "AUC",
    "difference",
    "recall at 5 %",
    "difference",
    "flagged",
    "falsely",
)
SLICES = ("task", "against", "slice", "n", "groups", "AUC", "flagged", "falsely")
UNKNOWN = "-"


def print_evaluation(evaluation: Evaluation) -> None:
    """Print one table for each part of the evaluation."""
    console = open_console()
    console.print(_quality(evaluation))
    if evaluation.reliability:
        console.print(_reliability(evaluation))
    if evaluation.robustness:
        console.print(_robustness(evaluation))
    if evaluation.slices:
        console.print(_slices(evaluation))


def _quality(evaluation: Evaluation) -> OutputTable:
    table = new_table("Quality, 95 % by bootstrap over groups", *QUALITY)
    for one in evaluation.results:
        recalls = [_format_interval(recall) for recall in one.recalls.values()]
        n, error = f"{one.positives} / {one.negatives}", f"{one.calibration_error:.3f}"
        table.add_row(
            f"{one.task}: {one.label}",
            one.against,
            n,
            str(one.groups),
            _format_interval(one.auc),
            f"{one.average_precision:.3f}",
            *recalls,
            error,
        )
    return table


def _reliability(evaluation: Evaluation) -> OutputTable:
    table = new_table(
        "Calibration, scores rebased to the share of positives among these rows", *RELIABILITY
    )
    for one in evaluation.reliability:
        table.add_row(
            one.label,
            f"{one.positives} / {one.negatives}",
            str(one.groups),
            _format_interval(one.calibration_error),
        )
    return table


def _robustness(evaluation: Evaluation) -> OutputTable:
    most = evaluation.subject.sampled
    scope = (
        "all rows"
        if most is None
        else f"at most {most} rows of each task and label, seed {evaluation.subject.seed}"
    )
    table = new_table(
        f"Robustness, {scope}; differences are paired with the unchanged input", *ROBUSTNESS
    )
    for one in evaluation.robustness:
        n = f"{one.positives} / {one.negatives}"
        changes = [
            _format_interval(one.auc),
            _format_interval(one.auc_difference, format_signed=True),
            _format_interval(one.recall),
            _format_interval(one.recall_difference, format_signed=True),
        ]
        flagged = (_format_interval(one.flagged_positives), _format_interval(one.flagged_negatives))
        table.add_row(
            one.task,
            one.against,
            n,
            one.change or "unchanged",
            *changes,
            *flagged,
            style="" if one.change else "bold",
        )
    return table


def _slices(evaluation: Evaluation) -> OutputTable:
    table = new_table("Slices; a side without a row in a slice counts whole", *SLICES)
    for one in evaluation.slices:
        n = f"{one.positives or 'all'} / {one.negatives or 'all'}"
        area = "too few" if one.few else _format_interval(one.auc)
        table.add_row(
            one.task,
            one.against,
            one.slice,
            n,
            str(one.groups),
            area,
            _format_interval(one.flagged_positives),
            _format_interval(one.flagged_negatives),
        )
    return table


def _format_interval(interval: Interval, *, format_signed: bool = False) -> str:
    if not isfinite(interval.value):
        return UNKNOWN
    form = "+.3f" if format_signed else ".3f"
    if not isfinite(interval.low):
        return f"{interval.value:{form}}"
    short = form.replace("3", "2")
    return f"{interval.value:{form}} [{interval.low:{short}}, {interval.high:{short}}]"

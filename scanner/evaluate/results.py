"""Separation of positives from each kind of negatives, and thresholds for stated false-positive
rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from scanner.evaluate.comparisons import Comparison, ScoredRow, build_comparisons
from scanner.evaluate.measures import (
    ROUNDS,
    Floats,
    Interval,
    Truths,
    auc,
    average_precision,
    bootstrap,
    calibration_error,
    recall_at,
    threshold_at,
)

__all__ = [
    "FALSE_POSITIVES",
    "RATES",
    "ComparisonResult",
    "Threshold",
    "find_thresholds",
    "measure_comparisons",
    "recall_for",
]

FALSE_POSITIVES: Final = (0.01, 0.02, 0.05)
"""Shares of the negatives at which recall is reported."""
RATES: Final = (0.002, 0.01, 0.02, 0.05)
"""Shares of the negatives for which thresholds are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResult:
    """One task against one kind of negatives."""

    task: str
    label: str
    against: str
    """``own``: the task's own negatives; ``benign``: ordinary pictures and clips; ``games``:
    rendered games and screens."""
    positives: int
    negatives: int
    groups: int
    auc: Interval
    average_precision: float
    recalls: Mapping[str, Interval]
    """Recall at each of ``FALSE_POSITIVES``, by its percentage."""
    calibration_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """The score above which a stated share of one kind of negatives lies, and the recall there."""

    task: str
    label: str
    against: str
    rate: float
    negatives: int
    allowed: int
    """Number of negatives that may lie above the threshold; 0 if there are too few rows to measure
    the rate, and the threshold is then the highest negative score."""
    threshold: float
    """A probability; scores above it are flagged."""
    recall: float


def measure_comparisons(
    scored: Sequence[ScoredRow], *, rounds: int = ROUNDS
) -> list[ComparisonResult]:
    """Return the result of each comparison."""
    return [_measure(comparison, rounds) for comparison in build_comparisons(scored)]


def find_thresholds(scored: Sequence[ScoredRow]) -> list[Threshold]:
    """Return, for each label and kind of negatives (and for the medium), the threshold of each of
    ``RATES``."""
    alone = (
        one
        for comparison in build_comparisons(scored)
        for one in ([comparison.of_label(label) for label in comparison.labels] or [comparison])
    )
    return [threshold for comparison in alone for threshold in _thresholds(comparison)]


def recall_for(rate: float) -> partial[float]:
    """Return the measure that computes recall at this false-positive rate."""
    return partial(_recall, rate)


def _recall(rate: float, truths: Truths, scores: Floats) -> float:
    return recall_at(truths, scores, rate)


def _measure(comparison: Comparison, rounds: int) -> ComparisonResult:
    truths, scores = comparison.truths, comparison.scores
    measured = partial(
        bootstrap, truths=truths, scores=scores, groups=comparison.groups, rounds=rounds
    )
    return ComparisonResult(
        task=comparison.task,
        label=comparison.label,
        against=comparison.against,
        positives=int(truths.sum()),
        negatives=int((~truths).sum()),
        groups=len(set(comparison.groups)),
        auc=measured(auc),
        average_precision=average_precision(truths, scores),
        recalls={f"{rate:.0%}": measured(recall_for(rate)) for rate in FALSE_POSITIVES},
        calibration_error=calibration_error(truths, scores),
    )


def _thresholds(comparison: Comparison) -> Iterator[Threshold]:
    negatives = int((~comparison.truths).sum())
    for rate in RATES:
        yield Threshold(
            task=comparison.task,
            label=comparison.label,
            against=comparison.against,
            rate=rate,
            negatives=negatives,
            allowed=int(rate * negatives),
            threshold=threshold_at(comparison.truths, comparison.scores, rate),
            recall=recall_at(comparison.truths, comparison.scores, rate),
        )

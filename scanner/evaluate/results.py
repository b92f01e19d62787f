"""How well positives stand out from negatives of each kind, and thresholds for stated false
positives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

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
from scanner.evaluate.tables import Contest, Judged, contests

__all__ = ["FALSE_POSITIVES", "RATES", "Result", "Threshold", "recall_for", "results", "thresholds"]

FALSE_POSITIVES: Final = (0.01, 0.02, 0.05)
"""Shares of the negatives at which recall is told."""
RATES: Final = (0.002, 0.01, 0.02, 0.05)
"""Shares of the negatives for which thresholds are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One task, against one kind of negatives."""

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
    """The score above which a stated share of one kind of negatives lies, and what is found there."""

    task: str
    label: str
    against: str
    rate: float
    negatives: int
    allowed: int
    """Negatives that may lie above it; none where there are too few rows to tell the rate, the
    threshold then being the highest of them."""
    threshold: float
    """A probability; what is flagged lies above it."""
    recall: float


def results(judged: Sequence[Judged], *, rounds: int = ROUNDS) -> list[Result]:
    """A result for each contest."""
    return [_measured(contest, rounds) for contest in contests(judged)]


def thresholds(judged: Sequence[Judged]) -> list[Threshold]:
    """For each label and kind of negatives (for the medium too) the threshold of each of ``RATES``."""
    alone = (
        one
        for contest in contests(judged)
        for one in ([contest.of_label(label) for label in contest.labels] or [contest])
    )
    return [threshold for contest in alone for threshold in _thresholds(contest)]


def recall_for(rate: float) -> partial[float]:
    """The measure that is the recall at this share of false positives."""
    return partial(_recall, rate)


def _recall(rate: float, truths: Truths, scores: Floats) -> float:
    return recall_at(truths, scores, rate)


def _measured(contest: Contest, rounds: int) -> Result:
    truths, scores = contest.truths, contest.scores
    measured = partial(
        bootstrap, truths=truths, scores=scores, groups=contest.groups, rounds=rounds
    )
    return Result(
        task=contest.task,
        label=contest.label,
        against=contest.against,
        positives=int(truths.sum()),
        negatives=int((~truths).sum()),
        groups=len(set(contest.groups)),
        auc=measured(auc),
        average_precision=average_precision(truths, scores),
        recalls={f"{rate:.0%}": measured(recall_for(rate)) for rate in FALSE_POSITIVES},
        calibration_error=calibration_error(truths, scores),
    )


def _thresholds(contest: Contest) -> Iterator[Threshold]:
    negatives = int((~contest.truths).sum())
    for rate in RATES:
        yield Threshold(
            task=contest.task,
            label=contest.label,
            against=contest.against,
            rate=rate,
            negatives=negatives,
            allowed=int(rate * negatives),
            threshold=threshold_at(contest.truths, contest.scores, rate),
            recall=recall_at(contest.truths, contest.scores, rate),
        )

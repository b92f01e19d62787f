"""Measures of scores against ground truth. Pure functions from arrays to numbers.

``truths`` are booleans, ``scores`` floats of the same length. A measure of too few rows is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Floats",
    "Interval",
    "Truths",
    "auc",
    "average_precision",
    "bootstrap",
    "bootstrap_difference",
    "bootstrap_statistic",
    "calibration_error",
    "flagged_share",
    "recall_at",
    "threshold_at",
]

Truths = NDArray[np.bool_]
Floats = NDArray[np.float64]
Measure = Callable[[Truths, Floats], float]

BINS = 10
"""Number of bins of the calibration error."""
ROUNDS = 1000
"""Number of bootstrap rounds; with another seed, the ends of an interval move by about a fiftieth
of its width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measure and its 95 % interval, by bootstrap or exact; NaN where it cannot be computed."""

    value: float
    low: float
    high: float


def auc(truths: Truths, scores: Floats) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative, with ties
    counted as half (Mann and Whitney).

    >>> auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    positives = int(truths.sum())
    negatives = len(truths) - positives
    if positives == 0 or negatives == 0:
        return nan
    return float(
        (_ranks(scores)[truths].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    )


def average_precision(truths: Truths, scores: Floats) -> float:
    """Return the mean of precision over recall, stepwise; rows with equal scores count together.

    >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7]))
    0.8333333333333333
    """
    positives = int(truths.sum())
    if positives == 0:
        return nan
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    found = np.cumsum(truths[order])[ends]
    precision = found / (ends + 1)
    return float(np.sum(np.diff(found, prepend=0) / positives * precision))


def recall_at(truths: Truths, scores: Floats, false_positives: float) -> float:
    """Return the share of positives above the lowest threshold that flags at most this share of the
    negatives.

    >>> recall_at(np.array([False, False, True, True]), np.array([0.1, 0.5, 0.4, 0.9]), 0.0)
    0.5
    """
    if not truths.any() or truths.all():
        return nan
    return float(np.mean(scores[truths] > threshold_at(truths, scores, false_positives)))


def calibration_error(truths: Truths, scores: Floats) -> float:
    """Return the expected calibration error: the mean distance of probabilities from observed
    frequencies, over ``BINS`` bins of equal width."""
    if len(truths) == 0:
        return nan
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    return float(
        sum(abs(float(np.sum(truths[bins == b] - scores[bins == b]))) for b in range(BINS))
        / len(truths)
    )


def threshold_at(truths: Truths, scores: Floats, false_positives: float) -> float:
    """Return the value that a score must exceed so that at most this share of the negatives is
    flagged; NaN without negatives.

    >>> threshold_at(np.array([False, False, True]), np.array([0.1, 0.5, 0.9]), 0.5)
    0.1
    """
    negatives = np.sort(scores[~truths])[::-1]
    if len(negatives) == 0:
        return nan
    allowed = int(false_positives * len(negatives))
    return float(negatives[allowed]) if allowed < len(negatives) else -np.inf


def flagged_share(truths: Truths, flags: Floats) -> float:
    """Return the share of rows that are flagged (1.0, not 0.0), whatever their truth; it has a
    measure's signature."""
    return float(flags.mean()) if len(flags) else nan


def bootstrap(
    measure: Measure,
    truths: Truths,
    scores: Floats,
    groups: Sequence[str],
    *,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Interval:
    """Return the measure and its percentile interval. Whole groups are resampled, because the rows
    of one group are not independent."""
    return bootstrap_statistic(
        lambda index: measure(truths[index], scores[index]), groups, seed=seed, rounds=rounds
    )


def bootstrap_difference(
    measure: Measure,
    truths: Truths,
    before: Floats,
    after: Floats,
    groups: Sequence[str],
    *,
    seed: int = 0,
    rounds: int = ROUNDS,
) -> Interval:
    """Return how much the measure gains from one score of the same rows to another. The comparison
    is paired: the same groups are resampled for both."""
    return bootstrap_statistic(
        lambda index: measure(truths[index], after[index]) - measure(truths[index], before[index]),
        groups,
        seed=seed,
        rounds=rounds,
    )


def bootstrap_statistic(
    statistic: Callable[[NDArray[np.intp]], float], groups: Sequence[str], *, seed: int, rounds: int
) -> Interval:
    """Return a statistic of row indices over all rows, and its percentile interval over groups
    drawn with replacement; NaN for fewer than two groups."""
    value = statistic(np.arange(len(groups)))
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    rows = (
        [np.flatnonzero(members == group) for group in range(int(members.max()) + 1)]
        if len(groups)
        else []
    )
    if np.isnan(value) or len(rows) < 2:
        return Interval(value=value, low=nan, high=nan)
    random = np.random.default_rng(seed)
    drawn = (
        np.concatenate([rows[i] for i in random.integers(0, len(rows), len(rows))])
        for _ in range(rounds)
    )
    values = np.array([statistic(index) for index in drawn])
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return Interval(value=value, low=nan, high=nan)
    low, high = np.percentile(known, (2.5, 97.5))
    return Interval(value=value, low=float(low), high=float(high))


def _ranks(scores: Floats) -> Floats:
    """Return ranks from 1; tied scores share their mean rank."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place])

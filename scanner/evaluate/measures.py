"""Measures of scores against truths. Pure; arrays in, numbers out.

``truths`` are booleans, ``scores`` floats of the same length. A measure of too few rows is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Interval", "Truths", "auc", "average_precision", "bootstrap", "calibration_error", "recall_at"]

Truths = NDArray[np.bool_]
Floats = NDArray[np.float64]
Measure = Callable[[Truths, Floats], float]

BINS = 10
"""Of the calibration error."""
ROUNDS = 1000
"""Of the bootstrap; from seed to seed, the ends of an interval then move by some fiftieth of its width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A measure, and where 95 % of its bootstrap lies; NaN where it cannot be had."""

    value: float
    low: float
    high: float


def auc(truths: Truths, scores: Floats) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties counting half (Mann and Whitney).

    >>> auc(np.array([False, True, True]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    positives = int(truths.sum())
    negatives = len(truths) - positives
    if positives == 0 or negatives == 0:
        return nan
    return float((_ranks(scores)[truths].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(truths: Truths, scores: Floats) -> float:
    """The mean of precision over recall, stepwise; rows of equal score count together.

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
    """The share of positives above the lowest threshold that flags at most this share of the negatives.

    >>> recall_at(np.array([False, False, True, True]), np.array([0.1, 0.5, 0.4, 0.9]), 0.0)
    0.5
    """
    negatives = np.sort(scores[~truths])[::-1]
    if len(negatives) == 0 or not truths.any():
        return nan
    allowed = int(false_positives * len(negatives))
    threshold = negatives[allowed] if allowed < len(negatives) else -np.inf
    return float(np.mean(scores[truths] > threshold))


def calibration_error(truths: Truths, scores: Floats) -> float:
    """Expected calibration error: how far probabilities lie from what came true, over ``BINS`` bins of equal width."""
    if len(truths) == 0:
        return nan
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    return float(sum(abs(float(np.sum(truths[bins == b] - scores[bins == b]))) for b in range(BINS)) / len(truths))


def bootstrap(measure: Measure, truths: Truths, scores: Floats, groups: Sequence[str], *, seed: int = 0, rounds: int = ROUNDS) -> Interval:
    """The measure, and its percentile interval when whole groups are drawn: rows of one video say the same thing many times."""
    value = measure(truths, scores)
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    rows = [np.flatnonzero(members == group) for group in range(int(members.max()) + 1)] if len(truths) else []
    if np.isnan(value) or len(rows) < 2:
        return Interval(value=value, low=nan, high=nan)
    random = np.random.default_rng(seed)
    drawn = (np.concatenate([rows[i] for i in random.integers(0, len(rows), len(rows))]) for _ in range(rounds))
    values = np.array([measure(truths[index], scores[index]) for index in drawn])
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return Interval(value=value, low=nan, high=nan)
    low, high = np.percentile(known, (2.5, 97.5))
    return Interval(value=value, low=float(low), high=float(high))


def _ranks(scores: Floats) -> Floats:
    """Ranks from 1, ties sharing the mean of theirs."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place])

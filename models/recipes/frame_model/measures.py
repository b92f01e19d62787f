"""Measures of quality, with intervals by bootstrap over groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figure", "auc", "bootstrap", "calibration_error", "recall_at", "threshold_at"]

RESAMPLES = 500

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float
    groups: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def auc(scores: Array, truth: Array) -> float:
    """Return the probability that a positive scores above a negative; ties count half.

    >>> auc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    0.875
    """
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positive = truth == 1
    hits, misses = positive.sum(), (~positive).sum()
    if not hits or not misses:
        return float("nan")
    return float((rank[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def threshold_at(negatives: Array, rate: float) -> float:
    """Return the lowest threshold that at most a share ``rate`` of the negatives lies above.

    >>> threshold_at(np.arange(100.0), 0.02)
    97.0
    """
    allowed = int(np.floor(rate * len(negatives)))
    return float(np.sort(negatives)[len(negatives) - 1 - allowed])


def recall_at(positives: Array, negatives: Array, rate: float) -> float:
    """Return the recall at the threshold that a share ``rate`` of the negatives exceeds."""
    return float((positives > threshold_at(negatives, rate)).mean())


def calibration_error(probabilities: Array, truth: Array, bins: int = 10) -> float:
    """Return the expected calibration error, over bins of equal count.

    >>> calibration_error(np.full(10, 0.2), np.repeat([0, 1], [8, 2]))
    0.0
    """
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    gaps = [abs(probabilities[part].mean() - truth[part].mean()) * len(part) for part in parts]
    if np.ptp(probabilities) == 0:
        return float(round(abs(probabilities.mean() - truth.mean()), 12))
    return float(sum(gaps) / len(order))


def bootstrap(
    measure: Callable[[NDArray[np.int64]], float], groups: Sequence[str], *, seed: int = 0
) -> Figure:
    """Compute ``measure`` on all examples and on resamples of whole groups.

    ``measure`` gets indices of examples. Resamples for which it is NaN are ignored.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    members = [np.flatnonzero(place == index) for index in range(len(names))]
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        drawn = rng.integers(len(names), size=len(names))
        values.append(measure(np.concatenate([members[index] for index in drawn])))
    low, high = (
        np.nanpercentile(values, [2.5, 97.5]) if np.isfinite(values).any() else (np.nan, np.nan)
    )
    return Figure(
        value=measure(np.arange(len(place))), low=float(low), high=float(high), groups=len(names)
    )

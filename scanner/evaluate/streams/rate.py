"""Rates of rare events, with exact Poisson bounds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import exp, inf, lgamma, log, sqrt
from typing import Final

__all__ = ["CONFIDENCE", "Rate", "upper_mean"]

CONFIDENCE: Final = 0.95
"""One-sided confidence of every upper bound."""
STEPS: Final = 200
"""Steps of a bisection; the precision of a double needs no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A number of events in a number of hours."""

    count: int
    hours: float

    @property
    def value(self) -> float:
        """Events per hour; infinite for zero hours."""
        return self.count / self.hours if self.hours > 0 else inf

    @property
    def upper(self) -> float:
        """The upper bound of the rate, with ``CONFIDENCE``."""
        return upper_mean(self.count) / self.hours if self.hours > 0 else inf


@cache
def upper_mean(count: int, confidence: float = CONFIDENCE) -> float:
    """Return the exact upper bound: the largest mean at which ``count`` or fewer events have a
    probability of 1 - ``confidence``.

    >>> round(upper_mean(0), 3), round(upper_mean(1), 3), round(upper_mean(10), 2)
    (2.996, 4.744, 16.96)
    """
    low, high = float(count), count + 10.0 + 10.0 * sqrt(count + 1)
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(count, middle) > 1.0 - confidence else (low, middle)
    return high


def _at_most(count: int, mean: float) -> float:
    """Return the probability of ``count`` or fewer events."""
    return (
        sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count + 1))
        if mean > 0
        else 1.0
    )

"""Beyond what was seen: how the rate of false incidents would go on falling, if the highest levels
of safe footage fall off exponentially. An estimate and no bound: it says where a threshold for one
in ten hours might lie when there is half an hour."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, nan
from typing import Final

import numpy as np

from scanner.evaluate.streams.sweep import THRESHOLDS, Material, Sweep

__all__ = ["HIGHEST", "Tail", "fit_tail"]

HIGHEST: Final = 10
"""So many of the highest pieces are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The rate falls by a factor of e with each ``scale`` of the level; NaN where too few pieces
    have a level."""

    start: float
    """The level from which on that is so."""
    scale: float
    rate: float
    """An hour, at ``start``."""

    def rate_at(self, level: float) -> float:
        """Estimated false incidents an hour."""
        return self.rate * exp(-(level - self.start) / self.scale)

    def level_at(self, rate: float) -> float:
        """The level at which this rate is reached."""
        return self.start + self.scale * log(self.rate / rate)


def fit_tail(material: Material, found: Sweep) -> Tail:
    """From the highest pieces of moving safe footage, each by the highest threshold at which an
    incident opened on it."""
    moving = ~material.still
    opened = found.openings[moving] > 0
    highest = np.where(
        opened.any(axis=1),
        THRESHOLDS[opened.shape[1] - 1 - opened[:, ::-1].argmax(axis=1)],
        -np.inf,
    )
    ranked = np.sort(highest)[::-1]
    if len(ranked) <= HIGHEST or not np.isfinite(ranked[HIGHEST]):
        return Tail(start=nan, scale=nan, rate=nan)
    start = float(ranked[HIGHEST])
    scale = float(np.mean(ranked[:HIGHEST] - start))
    hours = float(material.hours[moving].sum())
    return Tail(
        start=start, scale=max(scale, float(THRESHOLDS[1] - THRESHOLDS[0])), rate=HIGHEST / hours
    )

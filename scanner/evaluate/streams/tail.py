"""Extrapolates the rate of false incidents beyond the observed levels, assuming that the highest
levels of safe footage fall off exponentially. An estimate and no bound: it suggests a threshold for
one false incident in ten hours when there is half an hour of footage."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log, nan
from typing import Final

import numpy as np

from scanner.evaluate.streams.sweep import THRESHOLDS, LabelMaterial, ThresholdSweep

__all__ = ["TAIL_PIECES", "Tail", "fit_tail"]

TAIL_PIECES: Final = 10
"""Number of the highest pieces that are used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The rate falls by a factor of e with each ``scale`` of the level; NaN if too few pieces have
    a level."""

    start: float
    """The level from which on this holds."""
    scale: float
    rate: float
    """Per hour, at ``start``."""

    def rate_at(self, level: float) -> float:
        """Return the estimated false incidents per hour."""
        return self.rate * exp(-(level - self.start) / self.scale)

    def level_at(self, rate: float) -> float:
        """Return the level at which this rate is reached."""
        return self.start + self.scale * log(self.rate / rate)


def fit_tail(material: LabelMaterial, found: ThresholdSweep) -> Tail:
    """Fit the tail to the highest pieces of moving safe footage, each by the highest threshold at
    which an incident opened on it."""
    moving = ~material.still
    opened = found.openings[moving] > 0
    highest = np.where(
        opened.any(axis=1),
        THRESHOLDS[opened.shape[1] - 1 - opened[:, ::-1].argmax(axis=1)],
        -np.inf,
    )
    ranked = np.sort(highest)[::-1]
    if len(ranked) <= TAIL_PIECES or not np.isfinite(ranked[TAIL_PIECES]):
        return Tail(start=nan, scale=nan, rate=nan)
    start = float(ranked[TAIL_PIECES])
    scale = float(np.mean(ranked[:TAIL_PIECES] - start))
    hours = float(material.hours[moving].sum())
    return Tail(
        start=start,
        scale=max(scale, float(THRESHOLDS[1] - THRESHOLDS[0])),
        rate=TAIL_PIECES / hours,
    )

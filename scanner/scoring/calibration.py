"""From a network's outputs for one picture to calibrated probabilities.

Computed with plain floats: for a row of a few labels, with caches cold after inference, they are
several times faster than NumPy calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scanner.scoring.manifest import Calibration, Output

__all__ = ["calibrate", "class_probabilities", "to_logits"]

FLOOR = 1e-7
"""Probabilities are clipped to this distance from 0 and 1 before their logit is computed."""


def to_logits(row: Sequence[float], output: Output) -> list[float]:
    """Return the logit of each column's uncalibrated probability.

    >>> to_logits([0.5], Output(name="probabilities", kind="label", labels=("gun",)))
    [0.0]
    """
    if output.activation == "sigmoid":
        return list(row)
    probabilities = class_probabilities(row, output) if output.activation == "softmax" else row
    return [_logit(min(max(p, FLOOR), 1.0 - FLOOR)) for p in probabilities]


def calibrate(logits: Sequence[float], calibrations: Sequence[Calibration]) -> list[float]:
    """Return the probability of each logit after Platt scaling with its calibration.

    >>> calibrate([0.0, 1.0], [Calibration(), Calibration(a=2.0, b=-2.0)])
    [0.5, 0.5]
    """
    return [
        0.5 + 0.5 * math.tanh(0.5 * (calibration.a * logit + calibration.b))
        for logit, calibration in zip(logits, calibrations, strict=True)
    ]


def class_probabilities(row: Sequence[float], output: Output) -> list[float]:
    """Return the probability of each of several exclusive classes; they sum to 1."""
    weights = row
    if output.activation == "softmax":
        highest = max(row)
        weights = [math.exp((value - highest) / output.temperature) for value in row]
    total = sum(weights)
    return [weight / total for weight in weights]


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)

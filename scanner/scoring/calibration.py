"""From what a network says of one picture to calibrated probabilities.

Plain floats: for a row of a few labels, right after a network has emptied the processor's caches,
they cost a fraction of NumPy's calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from scanner.scoring.manifest import Calibration, Output

__all__ = ["calibrated", "logits", "shares"]

FLOOR = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""


def logits(row: Sequence[float], output: Output) -> list[float]:
    """The logit of each column's uncalibrated probability, whatever form the network gives it in.

    >>> logits([0.5], Output(name="probabilities", kind="label", labels=("gun",)))
    [0.0]
    """
    if output.activation == "sigmoid":
        return list(row)
    probabilities = shares(row, output) if output.activation == "softmax" else row
    return [_logit(min(max(p, FLOOR), 1.0 - FLOOR)) for p in probabilities]


def calibrated(values: Sequence[float], calibrations: Sequence[Calibration]) -> list[float]:
    """Probabilities, by each column's own Platt scaling.

    >>> calibrated([0.0, 1.0], [Calibration(), Calibration(a=2.0, b=-2.0)])
    [0.5, 0.5]
    """
    return [
        0.5 + 0.5 * math.tanh(0.5 * (by.a * value + by.b))
        for value, by in zip(values, calibrations, strict=True)
    ]


def shares(row: Sequence[float], output: Output) -> list[float]:
    """Probabilities of which one column of several it is: they sum to 1."""
    weights = row
    if output.activation == "softmax":
        most = max(row)
        weights = [math.exp((value - most) / output.temperature) for value in row]
    total = sum(weights)
    return [weight / total for weight in weights]


def _logit(p: float) -> float:
    return math.log(p) - math.log1p(-p)

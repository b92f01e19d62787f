"""From what a network says to calibrated probabilities. Pure; float64; rows are samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scanner.scoring.manifest import Calibration, Output

__all__ = ["calibrated", "logits", "shares"]

FLOOR = 1e-7
"""Probabilities are kept this far from 0 and 1 before their logit is taken."""

Floats = NDArray[np.float64]


def logits(raw: NDArray[np.float32], output: Output) -> Floats:
    """The logit of each column's uncalibrated probability, whatever form the network gives it in."""
    values = raw.astype(np.float64)
    if output.activation == "sigmoid":
        return values
    probabilities = shares(raw, output) if output.activation == "softmax" else values
    clipped = np.clip(probabilities, FLOOR, 1.0 - FLOOR)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def calibrated(values: Floats, calibrations: Sequence[Calibration]) -> Floats:
    """Probabilities, by each column's own Platt scaling.

    >>> calibrated(np.zeros((1, 2)), [Calibration(), Calibration(b=2.0)]).round(3).tolist()
    [[0.5, 0.881]]
    """
    a = np.array([calibration.a for calibration in calibrations])
    b = np.array([calibration.b for calibration in calibrations])
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * (a * values + b))))


def shares(raw: NDArray[np.float32], output: Output) -> Floats:
    """Probabilities of which one column of several it is: each row sums to 1."""
    values = raw.astype(np.float64)
    if output.activation == "softmax":
        values = np.exp((values - values.max(axis=1, keepdims=True)) / output.temperature)
    return np.asarray(values / values.sum(axis=1, keepdims=True))

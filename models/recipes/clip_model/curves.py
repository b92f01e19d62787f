"""Plots of detection for each view, and of reliability, on held-out bursts."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from frame_model.calibration import LabelCalibration

mpl.use("Agg")
from matplotlib import pyplot as plt

from .extraction import PLAIN
from .fitting import truth_of
from .folds import HeldOutBursts, peaks

__all__ = ["draw_curves"]

BINS = 10


def draw_curves(path: Path, held: HeldOutBursts, calibrated: LabelCalibration) -> None:
    """Plot recall over false positives of clips for each view, and the reliability of bursts."""
    figure, (detection, reliability) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    for name, view in held.views.items():
        _detection(detection, held, *peaks(held.logits[name], view.row), name)
    detection.set(
        xlim=(0, 1), ylim=(0, 1), xlabel="ordinary CCTV clips flagged", ylabel="fight clips found"
    )
    detection.legend(fontsize=6)
    row = held.views[PLAIN].row
    _reliability(reliability, calibrated.probability(held.logits[PLAIN]), truth_of(held.rows)[row])
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _detection(
    axes: plt.Axes, held: HeldOutBursts, clips: np.ndarray, probabilities: np.ndarray, name: str
) -> None:
    own = np.array([held.rows[clip].task == "violence_clip" for clip in clips])
    hits = truth_of(held.rows)[clips[own]][np.argsort(-probabilities[own])] == 1
    axes.plot(
        np.cumsum(~hits) / max((~hits).sum(), 1), np.cumsum(hits) / max(hits.sum(), 1), label=name
    )


def _reliability(axes: plt.Axes, probabilities: np.ndarray, truth: np.ndarray) -> None:
    parts = np.array_split(np.argsort(probabilities), BINS)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1)
    axes.plot(
        [probabilities[part].mean() for part in parts],
        [truth[part].mean() for part in parts],
        marker="o",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="predicted probability", ylabel="share of positives")

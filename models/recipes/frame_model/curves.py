"""Plots of detection and reliability on held-out views."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from .calibration import LabelCalibration
from .corpus import LABELS
from .folds import HeldOutViews

__all__ = ["draw_curves"]

BINS = 10


def draw_curves(path: Path, held: HeldOutViews, calibrated: Mapping[str, LabelCalibration]) -> None:
    """Plot recall over false positives, and reliability, for each label."""
    figure, axes = plt.subplots(2, len(LABELS), figsize=(4 * len(LABELS), 8), layout="constrained")
    for column, label in enumerate(LABELS):
        which = (held.fold >= 0) & (held.batch.view == 0) & ~np.isnan(held.batch.values[:, column])
        truth = held.batch.values[which, column] == 1
        _detection(axes[0, column], held.labels[which, column], truth, label)
        _reliability(
            axes[1, column], calibrated[label].probability(held.labels[which, column]), truth
        )
    figure.savefig(path, dpi=100)
    plt.close(figure)


def _detection(axes: plt.Axes, scores: np.ndarray, truth: np.ndarray, title: str) -> None:
    hits = truth[np.argsort(-scores)]
    axes.plot(np.cumsum(~hits) / max((~hits).sum(), 1), np.cumsum(hits) / max(hits.sum(), 1))
    axes.set(
        xscale="log",
        xlim=(1e-3, 1),
        ylim=(0, 1),
        title=title,
        xlabel="false positives",
        ylabel="recall",
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

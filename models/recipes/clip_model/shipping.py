"""A complete model folder for each fold, to evaluate streams by models that were trained without
their footage."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from .calibration import calibrate, fit_policy
from .export import ClipModelFacts, write_model
from .extraction import PLAIN
from .folds import HeldOutBursts
from .model import ClipModel

__all__ = ["write_folds"]


def write_folds(folder: Path, held: HeldOutBursts, *, name: str, version: str, gate: float) -> None:
    """Write ``fold-K/NAME`` for each fold, a model that was trained and calibrated without the rows
    of fold K in ``folds.csv``."""
    fold = held.fold[held.views[PLAIN].row]
    for left_out, head in enumerate(held.heads):
        others = held.without(left_out)
        calibrated = calibrate(others)
        advice = fit_policy(others, calibrated, np.ones(int((fold != left_out).sum()), bool))
        facts = ClipModelFacts(
            name=name,
            version=f"{version}-fold{left_out}",
            calibrated=calibrated,
            advice=advice,
            shadow=advice.shadow,
            gate=gate,
            quality={},
        )
        write_model(folder / f"fold-{left_out}" / name, facts, ClipModel(head))
    with (folder / "folds.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "fold"])
        writer.writerows(
            (row.path, int(own)) for row, own in zip(held.rows, held.fold, strict=True)
        )

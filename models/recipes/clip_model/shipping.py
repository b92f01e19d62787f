"""One complete model folder for each fold, so that streams can be judged by a model that never saw
their footage."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from .calibration import advise, calibrate
from .export import Facts, write_model
from .folds import HeldOut
from .footage import PLAIN
from .model import ClipModel

__all__ = ["write_folds"]


def write_folds(folder: Path, held: HeldOut, *, name: str, version: str, gate: float) -> None:
    """``fold-K/NAME`` for each fold, a model that learned and was calibrated without the rows that
    ``folds.csv`` gives to fold K."""
    fold = held.fold[held.views[PLAIN].row]
    for left_out, head in enumerate(held.heads):
        others = held.without(left_out)
        calibrated = calibrate(others)
        advice = advise(others, calibrated, np.ones(int((fold != left_out).sum()), bool))
        facts = Facts(
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

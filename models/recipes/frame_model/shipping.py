"""Writing model folders from trained networks and held-out logits: the released model, and one for
each fold."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch

from .backbone import FrameModel
from .calibration import calibrate, calibrate_medium
from .corpus import LABELS
from .export import FrameModelFacts, write_golden_scores, write_graph, write_manifest
from .features import OUTSIDE
from .folds import FOLDS, HeldOutViews
from .fp16 import Fp16Model

__all__ = ["FILE", "fit_facts", "write_folds", "write_model"]

FILE, HALF = "frame.onnx", "frame.fp16.onnx"


def fit_facts(held: HeldOutViews, *, name: str, version: str) -> FrameModelFacts:
    """Fit the calibration on held-out logits."""
    calibrated = {label: calibrate(held, label) for label in LABELS}
    temperature, offsets = calibrate_medium(held)
    return FrameModelFacts(
        name=name,
        version=version,
        calibrated=calibrated,
        temperature=temperature,
        offsets=offsets,
    )


def write_model(folder: Path, facts: FrameModelFacts, model: FrameModel) -> float:
    """Write both graphs, manifest and golden scores; the medium's offsets become part of the model.

    The largest difference of a golden score.
    """
    model.heads.medium.bias += torch.from_numpy(facts.offsets).float()
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(model, folder / FILE)
    write_graph(Fp16Model(model), folder / HALF)
    write_manifest(folder, FILE, HALF, facts)
    return write_golden_scores(folder)


def write_folds(
    folder: Path,
    held: HeldOutViews,
    models: Sequence[FrameModel],
    *,
    name: str,
    version: str,
) -> None:
    """Write ``fold-K/NAME`` for each fold, a model that was trained and calibrated without the rows
    of fold K in ``folds.csv``.

    Pictures that are in no training set are assigned to the folds in turn.
    """
    for left_out, own in enumerate(models):
        others = held.take(held.fold != left_out)
        facts = fit_facts(others, name=name, version=f"{version}-fold{left_out}")
        write_model(folder / f"fold-{left_out}" / name, facts, own)
    fold_of = dict(zip(held.batch.row.tolist(), held.fold.tolist(), strict=True))
    with (folder / "folds.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "fold"])
        for index in sorted(fold_of):
            writer.writerow(
                [
                    held.rows[index].path,
                    index % FOLDS if fold_of[index] == OUTSIDE else fold_of[index],
                ]
            )

"""A model's folder, from heads and what they said of footage that they never saw: the shipped one,
and one for each fold."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from .backbone import FrameModel, Heads
from .calibration import advise, calibrate, calibrate_medium
from .corpus import LABELS, MEDIA
from .export import Facts, write_golden_scores, write_graph, write_manifest
from .features import OUTSIDE
from .folds import FOLDS, HeldOut
from .precision import HalfModel

__all__ = ["FILE", "judge", "write_folds", "write_model"]

FILE, HALF = "frame.onnx", "frame.fp16.onnx"


def judge(held: HeldOut, *, name: str, version: str) -> Facts:
    """Calibration and advice, fitted on what was said of footage that was held out."""
    calibrated = {label: calibrate(held, label) for label in LABELS}
    temperature, offsets = calibrate_medium(held)
    camera = (held.medium + offsets).argmax(axis=1) == MEDIA.index("camera")
    advice = {label: advise(held, label, calibrated[label], camera) for label in LABELS}
    return Facts(
        name=name,
        version=version,
        calibrated=calibrated,
        advice=advice,
        temperature=temperature,
        offsets=offsets,
    )


def write_model(folder: Path, facts: Facts, model: FrameModel) -> float:
    """Both graphs, manifest and golden scores; the medium's offsets go into the model.

    The largest difference of a golden score.
    """
    model.heads.medium.bias += torch.from_numpy(facts.offsets).float()
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(model, folder / FILE)
    write_graph(HalfModel(model), folder / HALF)
    write_manifest(folder, FILE, HALF, facts)
    return write_golden_scores(folder)


def write_folds(
    folder: Path,
    held: HeldOut,
    heads: Sequence[Heads],
    blocks: nn.Sequential,
    *,
    name: str,
    version: str,
) -> None:
    """``fold-K/NAME`` for each fold, a model that learned and was calibrated without the rows that
    ``folds.csv`` gives to fold K: what it says of them, nobody has told it.

    Pictures that no fold learns from are dealt out in turn.
    """
    for left_out, own in enumerate(heads):
        others = held.take(held.fold != left_out)
        facts = judge(others, name=name, version=f"{version}-fold{left_out}")
        write_model(folder / f"fold-{left_out}" / name, facts, FrameModel(blocks, own))
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

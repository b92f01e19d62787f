"""What the frame model says of the same footage, fold by fold: what the clip model must beat, and
what opens its gate."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from frame_model.corpus import Row
from numpy.typing import NDArray

from scanner.media.samples import Rgb, Sample
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.scorer import Scorer
from scanner.types import Label, Medium

from .bursts import Film, frames_at, read_film
from .footage import PLAIN, Footage, changed, ordinary_films, read_small, squash
from .scenes import at_rate

__all__ = ["Beside", "frame_scores"]

GAP = Fraction(1, 2)
"""Seconds between the frames that are looked at."""
RATE = Fraction(10)
"""Frames a second of the films that variants are made from: of those, single frames are looked at.
"""
LONGEST = 448
"""Longest side of a frame before it is squashed."""
FIGHT = Label("fight")
NAME = "streamwarden-frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What fold models of the frame model say of frames; the arrays share their first axis."""

    row: NDArray[np.int64]
    at: NDArray[np.float64]
    """Seconds."""
    evidence: NDArray[np.float64]
    """For a fight: log-odds over the prior of the fold model that says so."""
    camera: NDArray[np.bool_]
    """The likeliest medium is the camera."""

    def highest(self, rows: int) -> NDArray[np.float64]:
        """The most evidence of each row, NaN where nothing was looked at."""
        peak = np.full(rows, -np.inf)
        np.maximum.at(peak, self.row, self.evidence)
        return np.where(np.isfinite(peak), peak, np.nan)

    def filmed(self, rows: int) -> NDArray[np.bool_]:
        """Rows most of whose frames are said to be of a camera."""
        shares = np.bincount(self.row, weights=self.camera, minlength=rows) / np.maximum(
            np.bincount(self.row, minlength=rows), 1
        )
        return shares >= 0.5


def frame_scores(
    models: Path, rows: Sequence[Row], folds: Mapping[str, int], plan: Footage, view: str
) -> Beside:
    """Scores of one view; cached.

    Args:
        models: what ``train.py --folds-out`` wrote: ``fold-K/streamwarden-frame``, of the same
        folds.

    Raises:
        ValueError: its folds are not these.
    """
    path = (
        plan.cache / f"frames-{''.join(letter if letter.isalnum() else '-' for letter in view)}.npz"
    )
    if not path.exists():
        _check_folds(models, rows, folds)
        parts = list(_scored(models, rows, folds, plan, view))
        row, at, fight, camera = (np.array(column) for column in zip(*parts, strict=True))
        np.savez(path.with_suffix(".partial.npz"), row=row, at=at, fight=fight, camera=camera)
        path.with_suffix(".partial.npz").rename(path)
        print(f"frames: {view}", flush=True)
    with np.load(path) as data:
        priors = np.array([_prior(models, fold) for fold in sorted(set(folds.values()))])
        prior = priors[[folds[rows[index].group] for index in data["row"]]]
        evidence = _log_odds(data["fight"]) - _log_odds(prior)
        return Beside(row=data["row"], at=data["at"], evidence=evidence, camera=data["camera"])


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(probability / (1 - probability))


def _prior(models: Path, fold: int) -> float:
    return read_manifest(models / f"fold-{fold}" / NAME).labels[FIGHT].training_prior


def _check_folds(models: Path, rows: Sequence[Row], folds: Mapping[str, int]) -> None:
    with (models / "folds.csv").open(newline="") as file:
        theirs = {line["path"]: int(line["fold"]) for line in csv.DictReader(file)}
    for row in rows:
        if theirs.get(row.path) != folds[row.group]:
            raise ValueError(
                f"{models}: {row.path} is in fold {theirs.get(row.path)}, here in {folds[row.group]}"
            )


def _scored(
    models: Path, rows: Sequence[Row], folds: Mapping[str, int], plan: Footage, view: str
) -> Iterator[tuple[int, float, float, bool]]:
    backdrops = {} if view == PLAIN else ordinary_films(rows, folds, plan.data)
    for fold in sorted(set(folds.values())):
        scorer = _open(models / f"fold-{fold}" / NAME)
        for index, row in enumerate(rows):
            if folds[row.group] == fold:
                for at, rgb in _frames(row, view, backdrops.get(fold, []), scorer, plan):
                    yield index, float(at), *_said(scorer, rgb)


def _open(folder: Path) -> Scorer:
    return load_onnx(folder, read_manifest(folder))


def _frames(
    row: Row, view: str, backdrops: Sequence[Film], scorer: Scorer, plan: Footage
) -> Iterator[tuple[Fraction, Rgb]]:
    side = scorer.inputs[0].width
    if view == PLAIN:
        film = read_film(plan.data / row.path, width=side, height=side, seconds=Fraction(6))
    else:
        film = changed(
            row,
            at_rate(read_small(plan.data / row.path, longest=LONGEST), RATE),
            view,
            backdrops,
            plan,
        )
    times = [index * GAP for index in range(int(film.at[-1] / GAP) + 1)]
    for at, rgb in zip(times, frames_at(film, times), strict=True):
        yield at, rgb if view == PLAIN else squash(rgb, side)


def _said(scorer: Scorer, rgb: Rgb) -> tuple[float, bool]:
    sample = Sample(at=Fraction(0), pts=0, keyframe=True, images={scorer.inputs[0]: rgb})
    (scores,) = scorer.score([sample])
    return scores.values[FIGHT], max(
        scores.medium, key=lambda medium: scores.medium[medium]
    ) == Medium.CAMERA

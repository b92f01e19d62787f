"""Scores of the frame model for the same footage, by fold: the baseline of the clip model, and the
input of its gate."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from frame_model.corpus import CorpusRow
from numpy.typing import NDArray

from scanner.media.samples import Rgb, Sample
from scanner.scoring.manifest import read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.scorer import Scorer
from scanner.types import Label, Medium

from .bursts import Video, frames_at, read_video
from .extraction import PLAIN, BurstExtraction, apply_view, ordinary_videos, read_small, squash
from .scenes import at_rate

__all__ = ["FrameEvidence", "score_frames"]

GAP = Fraction(1, 2)
"""Seconds between the scored frames."""
RATE = Fraction(10)
"""Frames per second of the videos that variants are made from."""
LONGEST = 448
"""Longest side of a frame before it is squashed."""
FIGHT = Label("fight")
NAME = "streamwarden-frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameEvidence:
    """Scores of frames by the fold models of the frame model; the arrays share their first axis."""

    row: NDArray[np.int64]
    at: NDArray[np.float64]
    """Times in seconds."""
    evidence: NDArray[np.float64]
    """The evidence of a fight: log-odds over the prior of the fold model."""
    camera: NDArray[np.bool_]
    """True if the most likely medium is the camera."""

    def highest(self, rows: int) -> NDArray[np.float64]:
        """Return the highest evidence of each row; NaN for rows without frames."""
        peak = np.full(rows, -np.inf)
        np.maximum.at(peak, self.row, self.evidence)
        return np.where(np.isfinite(peak), peak, np.nan)

    def camera_rows(self, rows: int) -> NDArray[np.bool_]:
        """Return the rows of which most frames are classified as camera."""
        shares = np.bincount(self.row, weights=self.camera, minlength=rows) / np.maximum(
            np.bincount(self.row, minlength=rows), 1
        )
        return shares >= 0.5


def score_frames(
    models: Path,
    rows: Sequence[CorpusRow],
    folds: Mapping[str, int],
    plan: BurstExtraction,
    view: str,
) -> FrameEvidence:
    """Score the frames of one view, or load the scores from the cache.

    Args:
        models: the output of ``train.py --folds-out``, ``fold-K/streamwarden-frame``.

    Raises:
        ValueError: the models were trained on other folds.
    """
    path = (
        plan.cache / f"frames-{''.join(letter if letter.isalnum() else '-' for letter in view)}.npz"
    )
    if not path.exists():
        _check_folds(models, rows, folds)
        parts = list(_score_rows(models, rows, folds, plan, view))
        row, at, fight, camera = (np.array(column) for column in zip(*parts, strict=True))
        np.savez(path.with_suffix(".partial.npz"), row=row, at=at, fight=fight, camera=camera)
        path.with_suffix(".partial.npz").rename(path)
        print(f"frames: {view}", flush=True)
    with np.load(path) as data:
        priors = np.array([_prior(models, fold) for fold in sorted(set(folds.values()))])
        prior = priors[[folds[rows[index].group] for index in data["row"]]]
        evidence = _log_odds(data["fight"]) - _log_odds(prior)
        return FrameEvidence(
            row=data["row"], at=data["at"], evidence=evidence, camera=data["camera"]
        )


def _log_odds(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(probability / (1 - probability))


def _prior(models: Path, fold: int) -> float:
    return read_manifest(models / f"fold-{fold}" / NAME).labels[FIGHT].training_prior


def _check_folds(models: Path, rows: Sequence[CorpusRow], folds: Mapping[str, int]) -> None:
    with (models / "folds.csv").open(newline="") as file:
        theirs = {line["path"]: int(line["fold"]) for line in csv.DictReader(file)}
    for row in rows:
        if theirs.get(row.path) != folds[row.group]:
            raise ValueError(
                f"{models}: {row.path} is in fold {theirs.get(row.path)}, wanted {folds[row.group]}"
            )


def _score_rows(
    models: Path,
    rows: Sequence[CorpusRow],
    folds: Mapping[str, int],
    plan: BurstExtraction,
    view: str,
) -> Iterator[tuple[int, float, float, bool]]:
    backdrops = {} if view == PLAIN else ordinary_videos(rows, folds, plan.data)
    for fold in sorted(set(folds.values())):
        scorer = _open(models / f"fold-{fold}" / NAME)
        for index, row in enumerate(rows):
            if folds[row.group] == fold:
                for at, rgb in _frames(row, view, backdrops.get(fold, []), scorer, plan):
                    yield index, float(at), *_score(scorer, rgb)


def _open(folder: Path) -> Scorer:
    return load_onnx(folder, read_manifest(folder))


def _frames(
    row: CorpusRow, view: str, backdrops: Sequence[Video], scorer: Scorer, plan: BurstExtraction
) -> Iterator[tuple[Fraction, Rgb]]:
    side = scorer.inputs[0].width
    if view == PLAIN:
        video = read_video(plan.data / row.path, width=side, height=side, seconds=Fraction(6))
    else:
        video = apply_view(
            row,
            at_rate(read_small(plan.data / row.path, longest=LONGEST), RATE),
            view,
            backdrops,
            plan,
        )
    times = [index * GAP for index in range(int(video.at[-1] / GAP) + 1)]
    for at, rgb in zip(times, frames_at(video, times), strict=True):
        yield at, rgb if view == PLAIN else squash(rgb, side)


def _score(scorer: Scorer, rgb: Rgb) -> tuple[float, bool]:
    sample = Sample(at=Fraction(0), pts=0, keyframe=True, images={scorer.inputs[0]: rgb})
    (scores,) = scorer.score([sample])
    return scores.values[FIGHT], max(
        scores.medium, key=lambda medium: scores.medium[medium]
    ) == Medium.CAMERA

"""Cross-validation by group: each view is scored by a network that was trained without its camera,
scene or game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from .backbone import FrameModel
from .corpus import LABELS, MEDIA, CorpusRow
from .features import OUTSIDE, ViewBatch
from .fitting import RIDGE, fit_heads
from .tuning import judge_views, tune
from .tuning_views import TuningViews

__all__ = ["FOLDS", "HeldOutViews", "Training", "cross_validate", "train_model"]

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutViews:
    """Held-out logits of views, each by a network that was trained without its group."""

    batch: ViewBatch
    rows: Sequence[CorpusRow]
    fold: NDArray[np.int64]
    """The fold of each view; ``OUTSIDE`` for pictures that are in no training set (ImageNet)."""
    labels: NDArray[np.float64]
    """N x labels; of views outside the folds, the mean over folds."""
    medium: NDArray[np.float64]
    strangers: NDArray[np.float64]
    """Folds x M x labels: the logits of each fold's network for the M views outside the folds."""

    def take(self, which: NDArray[np.bool_]) -> HeldOutViews:
        """Select the views of a mask, which has all views outside the folds or none of them."""
        outside = which[self.fold == OUTSIDE]
        return replace(
            self,
            batch=self.batch.take(which),
            fold=self.fold[which],
            labels=self.labels[which],
            medium=self.medium[which],
            strangers=self.strangers[:, outside],
        )

    @property
    def stratum(self) -> NDArray[np.str_]:
        """The kind of footage of each view."""
        return np.array([self.rows[index].stratum for index in self.batch.row])

    @property
    def group(self) -> NDArray[np.str_]:
        """The group of each view."""
        return np.array([self.rows[index].group for index in self.batch.row])

    @property
    def label(self) -> NDArray[np.str_]:
        """The manifest's label of each view."""
        return np.array([self.rows[index].label for index in self.batch.row])


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The footage and the published network that every model of a run is made of."""

    batch: ViewBatch
    """The views that the heads are fitted on."""
    views: TuningViews
    """The views that blocks and heads are tuned on, and judged by."""
    rows: Sequence[CorpusRow]
    folds: Mapping[str, int]
    blocks: nn.Sequential
    classifier: nn.Linear
    ridge: Mapping[str, float] = field(default_factory=lambda: RIDGE)

    def fold_of(self, batch: ViewBatch) -> NDArray[np.int64]:
        """Return the fold of each view."""
        return np.array([self.folds.get(self.rows[index].group, OUTSIDE) for index in batch.row])

    def learned(self, batch: ViewBatch, left_out: int | None) -> NDArray[np.bool_]:
        """Return the mask of views that may train a model without the fold ``left_out``; footage
        that only measures may not, even if its group has footage that trains."""
        trains = np.array([self.rows[index].trains for index in batch.row])
        fold = self.fold_of(batch)
        return trains & (fold != OUTSIDE) & (fold != (OUTSIDE if left_out is None else left_out))


def train_model(training: Training, *, left_out: int | None = None) -> FrameModel:
    """Fit the heads on the published network, and tune its last blocks with them, on all folds but
    one."""
    batch, views = training.batch, training.views
    fitted = batch.take(training.learned(batch, left_out))
    heads = fit_heads(fitted, training.rows, training.classifier, training.ridge)
    which = np.flatnonzero(training.learned(views.batch, left_out))
    return tune(training.blocks, heads, views, which, training.rows)


def cross_validate(training: Training) -> tuple[HeldOutViews, tuple[FrameModel, ...]]:
    """Train without each fold and score that fold; return the logits and the models by fold."""
    batch = training.views.batch
    fold = training.fold_of(batch)
    labels, medium = np.zeros((len(batch), len(LABELS))), np.zeros((len(batch), len(MEDIA)))
    outside, outside_labels, every = np.flatnonzero(fold == OUTSIDE), [], []
    for left_out in range(FOLDS):
        model = train_model(training, left_out=left_out)
        every.append(model)
        inside = np.flatnonzero(fold == left_out)
        judged = judge_views(model, training.views, inside)
        labels[inside], medium[inside] = judged.labels, judged.medium
        strange = judge_views(model, training.views, outside)
        outside_labels.append(strange.labels)
        labels[outside] += strange.labels / FOLDS
        medium[outside] += strange.medium / FOLDS
        print(f"fold {left_out}: trained and judged", flush=True)
    held = HeldOutViews(
        batch=batch,
        rows=training.rows,
        fold=fold,
        labels=labels,
        medium=medium,
        strangers=np.stack(outside_labels).astype(float),
    )
    return held, tuple(every)

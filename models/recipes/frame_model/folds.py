"""Cross-validation by group: each view is scored by heads that were trained without its camera,
scene or game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from .backbone import Heads
from .corpus import LABELS, MEDIA, CorpusRow
from .features import OUTSIDE, ViewBatch
from .fitting import RIDGE, fit_heads, predict

__all__ = ["FOLDS", "HeldOutViews", "cross_validate"]

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutViews:
    """Held-out logits of views, each by heads that were trained without its group."""

    batch: ViewBatch
    rows: Sequence[CorpusRow]
    fold: NDArray[np.int64]
    """The fold of each view; ``OUTSIDE`` for pictures that are in no training set (ImageNet)."""
    labels: NDArray[np.float64]
    """N x labels; of views outside the folds, the mean over folds."""
    medium: NDArray[np.float64]
    strangers: NDArray[np.float64]
    """Folds x M x labels: the logits of each fold's heads for the M views outside the folds."""

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


def cross_validate(
    batch: ViewBatch,
    rows: Sequence[CorpusRow],
    folds: Mapping[str, int],
    classifier: nn.Linear,
    ridge: Mapping[str, float] = RIDGE,
) -> tuple[HeldOutViews, tuple[Heads, ...]]:
    """Fit heads without each fold and score that fold with them; return the logits and the heads by
    fold."""
    fold = np.array([folds.get(rows[index].group, OUTSIDE) for index in batch.row])
    labels, medium = np.zeros((len(batch), len(LABELS))), np.zeros((len(batch), len(MEDIA)))
    outside, outside_labels, every = np.flatnonzero(fold == OUTSIDE), [], []
    for left_out in range(FOLDS):
        heads = fit_heads(batch.take((fold >= 0) & (fold != left_out)), rows, classifier, ridge)
        every.append(heads)
        inside = fold == left_out
        judged = predict(heads, batch.take(inside))
        labels[inside], medium[inside] = judged.labels, judged.medium
        strange = predict(heads, batch.take(outside))
        outside_labels.append(strange.labels)
        labels[outside] += strange.labels / FOLDS
        medium[outside] += strange.medium / FOLDS
    held = HeldOutViews(
        batch=batch,
        rows=rows,
        fold=fold,
        labels=labels,
        medium=medium,
        strangers=np.stack(outside_labels).astype(float),
    )
    return held, tuple(every)

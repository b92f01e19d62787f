"""Cross-validation by group: every view is judged by heads that never saw its camera, scene or
game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from .backbone import Heads
from .corpus import LABELS, MEDIA, Row
from .features import OUTSIDE, Batch
from .fitting import RIDGE, fit_heads, predict

__all__ = ["FOLDS", "HeldOut", "cross_validate"]

FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """Logits from outside: each view's by the fold that did not learn from its group."""

    batch: Batch
    rows: Sequence[Row]
    fold: NDArray[np.int64]
    """Of each view; ``OUTSIDE`` for pictures that no fold learns from (the ImageNet ones)."""
    labels: NDArray[np.float64]
    """N x labels; of views outside the folds, the mean over folds."""
    medium: NDArray[np.float64]
    strangers: NDArray[np.float64]
    """Folds x M x labels: what each fold says of the M views outside the folds."""

    def take(self, which: NDArray[np.bool_]) -> HeldOut:
        """The views of a mask that has all views outside the folds, or none of them."""
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
    batch: Batch,
    rows: Sequence[Row],
    folds: Mapping[str, int],
    classifier: nn.Linear,
    ridge: Mapping[str, float] = RIDGE,
) -> tuple[HeldOut, tuple[Heads, ...]]:
    """Fit the heads once for each fold left out and let them judge that fold; also those heads, by
    fold."""
    fold = np.array([folds.get(rows[index].group, OUTSIDE) for index in batch.row])
    labels, medium = np.zeros((len(batch), len(LABELS))), np.zeros((len(batch), len(MEDIA)))
    outside, said, every = np.flatnonzero(fold == OUTSIDE), [], []
    for left_out in range(FOLDS):
        heads = fit_heads(batch.take((fold >= 0) & (fold != left_out)), rows, classifier, ridge)
        every.append(heads)
        inside = fold == left_out
        judged = predict(heads, batch.take(inside))
        labels[inside], medium[inside] = judged.labels, judged.medium
        strange = predict(heads, batch.take(outside))
        said.append(strange.labels)
        labels[outside] += strange.labels / FOLDS
        medium[outside] += strange.medium / FOLDS
    held = HeldOut(
        batch=batch,
        rows=rows,
        fold=fold,
        labels=labels,
        medium=medium,
        strangers=np.stack(said).astype(float),
    )
    return held, tuple(every)

"""Nested cross-validation by group: each burst is scored by a head that was neither trained nor
chosen on its camera or game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from frame_model.corpus import CorpusRow
from frame_model.measures import auc
from numpy.typing import NDArray

from .features import BurstStatistics, join
from .fitting import RIDGES, fit_head, judge, truth_of
from .model import Head

__all__ = ["HeldOutBursts", "choose_ridge", "cross_validate", "peaks"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutBursts:
    """Logits of bursts by heads that were trained without their groups."""

    rows: Sequence[CorpusRow]
    fold: NDArray[np.int64]
    """The fold of each row."""
    views: Mapping[str, BurstStatistics]
    logits: Mapping[str, Array]
    """The logits of the bursts of each view."""
    heads: Sequence[Head]
    """The head of each fold, trained on the other folds."""
    ridges: tuple[float, ...]
    """The ridge of each head, chosen on its training folds."""

    def without(self, left_out: int) -> HeldOutBursts:
        """Return the logits of all folds but one."""
        kept = {name: self.fold[view.row] != left_out for name, view in self.views.items()}
        views = {name: view.take(kept[name]) for name, view in self.views.items()}
        return replace(
            self,
            views=views,
            logits={name: logits[kept[name]] for name, logits in self.logits.items()},
        )


def cross_validate(
    views: Mapping[str, BurstStatistics],
    learned: Sequence[str],
    rows: Sequence[CorpusRow],
    fold: NDArray[np.int64],
    *,
    ridge: float | None = None,
) -> HeldOutBursts:
    """Fit a head for each fold, with a ridge that is chosen on the other folds.

    Args:
        learned: the views to train on; others are only scored.
        fold: the fold of each row.
        ridge: the ridge of all heads; None to choose it.
    """
    joined = join([views[name] for name in learned])
    logits = {name: np.zeros(len(view.row)) for name, view in views.items()}
    heads, ridges = [], []
    for left_out in np.unique(fold):
        inside = joined.take(fold[joined.row] != left_out)
        ridges.append(choose_ridge(inside, rows, fold) if ridge is None else ridge)
        heads.append(fit_head(inside, rows, ridge=ridges[-1]))
        for name, view in views.items():
            which = fold[view.row] == left_out
            if which.any():
                logits[name][which] = judge(heads[-1], view.take(which))
    return HeldOutBursts(
        rows=rows, fold=fold, views=views, logits=logits, heads=heads, ridges=tuple(ridges)
    )


def choose_ridge(
    bursts: BurstStatistics, rows: Sequence[CorpusRow], fold: NDArray[np.int64]
) -> float:
    """Return the ridge with the highest AUC of held-out fights against ordinary scenes."""
    return max(RIDGES, key=lambda ridge: _inner_area(bursts, rows, fold, ridge))


def _inner_area(
    bursts: BurstStatistics, rows: Sequence[CorpusRow], fold: NDArray[np.int64], ridge: float
) -> float:
    """Return the AUC of single bursts of all views."""
    logits = np.zeros(len(bursts.row))
    own = fold[bursts.row]
    for left_out in np.unique(own):
        which = own == left_out
        logits[which] = judge(fit_head(bursts.take(~which), rows, ridge=ridge), bursts.take(which))
    clips = np.array([rows[index].task == "violence_clip" for index in bursts.row])
    return auc(logits[clips], truth_of(rows)[bursts.row[clips]].astype(float))


def peaks(logits: Array, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
    """Return the rows that have bursts, and the highest logit of each."""
    clips, place = np.unique(row, return_inverse=True)
    highest = np.full(len(clips), -np.inf)
    np.maximum.at(highest, place, logits)
    return clips, highest

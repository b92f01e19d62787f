"""Cross-validation by group: every burst is judged by a head that never saw its camera or game, nor
was chosen on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from frame_model.corpus import Row
from frame_model.measures import auc
from numpy.typing import NDArray

from .features import Described, join
from .fitting import RIDGES, fit_head, judge, truth_of
from .model import Head

__all__ = ["HeldOut", "choose_ridge", "cross_validate", "peaks"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What was said of bursts by heads that learned without their groups."""

    rows: Sequence[Row]
    fold: NDArray[np.int64]
    """Of each row."""
    views: Mapping[str, Described]
    logits: Mapping[str, Array]
    """For each view, one for each of its bursts."""
    heads: Sequence[Head]
    """Fold K's learned from all others."""
    ridges: tuple[float, ...]
    """What was chosen for each of them, from the folds that it learned from."""

    def without(self, left_out: int) -> HeldOut:
        """What was said of the other folds' bursts."""
        kept = {name: self.fold[view.row] != left_out for name, view in self.views.items()}
        views = {name: view.take(kept[name]) for name, view in self.views.items()}
        return replace(
            self,
            views=views,
            logits={name: logits[kept[name]] for name, logits in self.logits.items()},
        )


def cross_validate(
    views: Mapping[str, Described],
    learned: Sequence[str],
    rows: Sequence[Row],
    fold: NDArray[np.int64],
    *,
    ridge: float | None = None,
) -> HeldOut:
    """Nested: each fold's head, and the ridge it is fitted with, come from the other folds alone.

    Args:
        learned: the views that heads learn from; the others are only judged.
        fold: of each row.
        ridge: of every fold's head, in place of the one that the other folds choose.
    """
    taught = join([views[name] for name in learned])
    logits = {name: np.zeros(len(view.row)) for name, view in views.items()}
    heads, ridges = [], []
    for left_out in np.unique(fold):
        inside = taught.take(fold[taught.row] != left_out)
        ridges.append(choose_ridge(inside, rows, fold) if ridge is None else ridge)
        heads.append(fit_head(inside, rows, ridge=ridges[-1]))
        for name, view in views.items():
            which = fold[view.row] == left_out
            if which.any():
                logits[name][which] = judge(heads[-1], view.take(which))
    return HeldOut(
        rows=rows, fold=fold, views=views, logits=logits, heads=heads, ridges=tuple(ridges)
    )


def choose_ridge(bursts: Described, rows: Sequence[Row], fold: NDArray[np.int64]) -> float:
    """The ridge that tells the held-out fights of these bursts best from ordinary scenes."""
    return max(RIDGES, key=lambda ridge: _inner_area(bursts, rows, fold, ridge))


def _inner_area(
    bursts: Described, rows: Sequence[Row], fold: NDArray[np.int64], ridge: float
) -> float:
    """AUC of single bursts, as filmed and as streams show them alike."""
    said = np.zeros(len(bursts.row))
    own = fold[bursts.row]
    for left_out in np.unique(own):
        which = own == left_out
        said[which] = judge(fit_head(bursts.take(~which), rows, ridge=ridge), bursts.take(which))
    clips = np.array([rows[index].task == "violence_clip" for index in bursts.row])
    return auc(said[clips], truth_of(rows)[bursts.row[clips]].astype(float))


def peaks(said: Array, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], Array]:
    """The rows that have bursts, and the highest of each."""
    clips, place = np.unique(row, return_inverse=True)
    highest = np.full(len(clips), -np.inf)
    np.maximum.at(highest, place, said)
    return clips, highest

"""ROC curves: what share of the positives is found at each share of the negatives that is flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scanner.evaluate.tables import Contest, Judged, contests

__all__ = ["Curve", "curves"]

MOST_POINTS: Final = 300
"""Of a curve that is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One contest, from the highest threshold to the lowest."""

    task: str
    label: str
    against: str
    negatives: int
    false_positives: tuple[float, ...]
    """Shares of the negatives, rising; a step: it holds until the next."""
    recalls: tuple[float, ...]


def curves(judged: Sequence[Judged]) -> list[Curve]:
    """One for each contest."""
    return [_curve(contest) for contest in contests(judged)]


def _curve(contest: Contest) -> Curve:
    order = np.argsort(-contest.scores, kind="stable")
    ends = np.flatnonzero(np.diff(contest.scores[order], append=np.nan) != 0)
    found = np.cumsum(contest.truths[order])[ends]
    flagged = np.cumsum(~contest.truths[order])[ends]
    recalls = np.concatenate(([0.0], found / contest.truths.sum()))
    false = np.concatenate(([0.0], flagged / (~contest.truths).sum()))
    kept = np.append(
        np.flatnonzero(np.diff(false) > 0), len(false) - 1
    )  # the highest recall at each share
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), MOST_POINTS)).astype(int))]
    return Curve(
        task=contest.task,
        label=contest.label,
        against=contest.against,
        negatives=int((~contest.truths).sum()),
        false_positives=tuple(false[kept].tolist()),
        recalls=tuple(recalls[kept].tolist()),
    )

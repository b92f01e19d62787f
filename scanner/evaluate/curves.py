"""ROC curves: the share of positives found at each false-positive rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scanner.evaluate.comparisons import Comparison, ScoredRow, build_comparisons

__all__ = ["RocCurve", "build_curves"]

MAX_POINTS: Final = 300
"""Limit for one curve that is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RocCurve:
    """One comparison, from the highest threshold to the lowest."""

    task: str
    label: str
    against: str
    negatives: int
    false_positives: tuple[float, ...]
    """Shares of the negatives, rising; each holds until the next (a step function)."""
    recalls: tuple[float, ...]


def build_curves(scored: Sequence[ScoredRow]) -> list[RocCurve]:
    """Return one curve for each comparison."""
    return [_curve(comparison) for comparison in build_comparisons(scored)]


def _curve(comparison: Comparison) -> RocCurve:
    order = np.argsort(-comparison.scores, kind="stable")
    ends = np.flatnonzero(np.diff(comparison.scores[order], append=np.nan) != 0)
    found = np.cumsum(comparison.truths[order])[ends]
    flagged = np.cumsum(~comparison.truths[order])[ends]
    recalls = np.concatenate(([0.0], found / comparison.truths.sum()))
    false = np.concatenate(([0.0], flagged / (~comparison.truths).sum()))
    kept = np.append(
        np.flatnonzero(np.diff(false) > 0), len(false) - 1
    )  # the highest recall at each share
    kept = kept[np.unique(np.linspace(0, len(kept) - 1, min(len(kept), MAX_POINTS)).astype(int))]
    return RocCurve(
        task=comparison.task,
        label=comparison.label,
        against=comparison.against,
        negatives=int((~comparison.truths).sum()),
        false_positives=tuple(false[kept].tolist()),
        recalls=tuple(recalls[kept].tolist()),
    )

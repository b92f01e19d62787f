"""Rows with chosen scores."""

from __future__ import annotations

from math import log
from pathlib import Path

from scanner.evaluate.comparisons import ScoredRow
from scanner.evaluate.rows import LabelledRow

__all__ = ["row", "scored"]


def row(
    name: str, task: str = "weapon", label: str = "1", group: str = "", **more: object
) -> LabelledRow:
    """A row whose group is its own where none is named."""
    return LabelledRow(
        path=Path("/footage", name), task=task, label=label, group=group or name, name=name, **more
    )


def scored(
    of: LabelledRow,
    change: str = "",
    medium: float = 0.0,
    flagged: tuple[str, ...] = (),
    **scores: float,
) -> ScoredRow:
    """Return the row as a model with a training prior of one half scores it."""
    evidence = {
        label: log(score) - log(1 - score) for label, score in scores.items() if 0 < score < 1
    }
    return ScoredRow(
        row=of,
        change=change,
        scores=scores,
        medium={"rendered": medium},
        flagged=frozenset(flagged),
        evidence=evidence,
    )

"""Models in shadow for a label that another model judges: what they say of it is recorded, and
nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from scanner.scoring.scorer import Scorer, shadow_of
from scanner.types import Label, ModelRef, ScoredFrame, Scores

__all__ = ["Asides", "asides", "set_aside"]

Asides = Mapping[ModelRef, frozenset[Label]]
"""For each model the labels of which it is only heard."""


def asides(scorers: Sequence[Scorer]) -> Asides:
    """Labels in shadow that another of these scorers has live; where all have a label in shadow,
    its policy is, and they are judged so."""
    live = {
        label for scorer in scorers for label in scorer.labels if label not in shadow_of(scorer)
    }
    return {scorer.model: aside for scorer in scorers if (aside := shadow_of(scorer) & live)}


def set_aside(frames: Iterable[ScoredFrame], labels: Asides) -> tuple[ScoredFrame, ...]:
    """The frames, with what models say of those labels moved to their ``shadow``."""
    if not labels:
        return tuple(frames)
    return tuple(
        replace(frame, scores=tuple(_parted(scores, labels) for scores in frame.scores))
        for frame in frames
    )


def _parted(scores: Scores, labels: Asides) -> Scores:
    aside = labels.get(scores.model)
    if aside is None:
        return scores
    values = {label: value for label, value in scores.values.items() if label not in aside}
    return replace(
        scores,
        values=values,
        shadow={label: value for label, value in scores.values.items() if label in aside},
    )

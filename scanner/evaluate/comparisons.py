"""Scored rows, and the comparisons between positives and negatives that they allow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from scanner.evaluate.measures import Floats, Truths
from scanner.evaluate.rows import TASKS, LabelledRow
from scanner.types import Label, Medium

__all__ = [
    "Comparison",
    "ScoredRow",
    "UnscoredRow",
    "build_comparisons",
    "counts_for",
    "find_unmeasured",
    "is_armed",
]

ARMED: Final = (
    "rifle",
    "revolver",
    "holster",
    "cannon",
    "projectile",
    "missile",
    "cleaver",
    "letter_opener",
    "bow",
)
"""ImageNet classes that show weapons, and so are no negatives for weapons."""
NEGATIVE: Final = frozenset({"0", "normal"})
REAL: Final = frozenset({"violence_clip", "benign", "benign_video"})
"""Tasks whose rows all have the medium camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRow:
    """A row and its scores: the highest score of each label over all frames, and the mean share of
    each medium."""

    row: LabelledRow
    scores: Mapping[str, float]
    medium: Mapping[str, float]
    flagged: frozenset[str] = frozenset()
    """Labels that the policies in force would flag, including labels in shadow."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """Log-likelihood ratio of each label's highest score: the score without the model's training
    prior."""
    change: str = ""
    """The perturbation of the input; empty if there is none."""
    shadow: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By model, the highest scores of labels for which it is in shadow while another model judges
    them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnscoredRow:
    """A row of which no frame could be scored, and the reason."""

    row: LabelledRow
    reason: str
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The positives of one task against one kind of negatives."""

    task: str
    label: str
    """Name of the scores' subject, for people."""
    labels: tuple[Label, ...]
    """The labels whose highest score counts; empty for the medium."""
    against: str
    """``own``: the task's own negatives; ``benign``: ordinary pictures and clips; ``games``:
    rendered games and screens."""
    rows: tuple[ScoredRow, ...]
    """Scored rows, positives first."""
    truths: Truths
    scores: Floats

    @property
    def name(self) -> str:
        """The comparison in words."""
        return f"{self.task}: {self.label} against {self.against}"

    @property
    def groups(self) -> list[str]:
        """The group of each row."""
        return [one.row.source for one in self.rows]

    @property
    def flags(self) -> Floats:
        """1.0 for each row that the policies would flag for one of the labels, else 0.0."""
        return np.array([float(not one.flagged.isdisjoint(self.labels)) for one in self.rows])

    def of_label(self, label: Label) -> Comparison:
        """Return the same comparison for one of its labels: the positives that show it, and its own
        scores."""
        kept = [
            one
            for one, truth in zip(self.rows, self.truths.tolist(), strict=True)
            if not truth or counts_for(one.row, label, self.labels)
        ]
        found = sum(map(bool, self.truths)) - (len(self.rows) - len(kept))
        return replace(
            self,
            label=str(label),
            labels=(label,),
            rows=tuple(kept),
            truths=np.arange(len(kept)) < found,
            scores=np.array([one.scores.get(label, 0.0) for one in kept]),
        )

    def only(self, kept: Truths) -> Comparison:
        """Return the comparison between the selected rows."""
        rows = tuple(one for one, keep in zip(self.rows, kept, strict=True) if keep)
        return replace(self, rows=rows, truths=self.truths[kept], scores=self.scores[kept])


@dataclass(frozen=True, slots=True)
class _Definition:
    """The positives, negatives and score of one task's comparisons."""

    task: str
    label: str
    labels: tuple[Label, ...]
    score: Callable[[ScoredRow], float]
    positive: Callable[[LabelledRow], bool]
    negatives: Mapping[str, Callable[[LabelledRow], bool]]


def build_comparisons(scored: Sequence[ScoredRow]) -> Iterator[Comparison]:
    """Yield a comparison for each task and kind of negatives that has rows, rows in the given
    order.

    Rows for which no model scores any of the labels are left out: a burst model scores no stills. A
    model that is in shadow for a label that another model judges gets comparisons of its own, among
    the rows that it scored.
    """
    definitions = (*_DEFINITIONS, *_label_definitions(scored))
    yield from _matching(definitions, scored)
    for model in sorted({model for one in scored for model in one.shadow}):
        seen = [one for one in scored if model in one.shadow]
        labels = {label for one in seen for label in one.shadow[model]}
        yield from _matching(
            [
                _for_shadow_model(definition, model)
                for definition in definitions
                if labels.intersection(definition.labels)
            ],
            seen,
        )


def find_unmeasured(scored: Sequence[ScoredRow]) -> dict[str, str]:
    """Return each task that has positives and no comparison, with the reason."""
    reasons: dict[str, str] = {}
    measured = {comparison.task for comparison in build_comparisons(scored)}
    for definition in (*_DEFINITIONS, *_label_definitions(scored)):
        own = [one for one in scored if one.row.task == definition.task]
        if not own or definition.task in measured:
            continue
        labels = definition.labels
        if labels and not any(label in one.scores for one in own for label in labels):
            reasons[definition.task] = f"no model in use scores {definition.label}"
        elif not any(definition.positive(one.row) for one in own):
            reasons[definition.task] = (
                "no row that could be read is positive: labels are 0 or normal"
            )
        else:
            reasons[definition.task] = (
                "no negatives that could be read: add rows with the label 0, or of the task benign"
            )
    return reasons


def _label_definitions(scored: Sequence[ScoredRow]) -> list[_Definition]:
    """Return the definitions of tasks that are labels of the taxonomy."""
    labels = dict.fromkeys(one.row.task for one in scored if one.row.task not in TASKS)
    return [_define(label, (label,), _is_ordinary) for label in labels]


def _matching(
    definitions: Sequence[_Definition], scored: Sequence[ScoredRow]
) -> Iterator[Comparison]:
    for definition in definitions:
        eligible = [
            one
            for one in scored
            if not definition.labels or any(label in one.scores for label in definition.labels)
        ]
        positives = [one for one in eligible if definition.positive(one.row)]
        for against, is_negative in definition.negatives.items():
            negatives = [one for one in eligible if is_negative(one.row)]
            if positives and negatives:
                yield _comparison(definition, against, positives, negatives)


def _comparison(
    definition: _Definition, against: str, positives: list[ScoredRow], negatives: list[ScoredRow]
) -> Comparison:
    rows = (*positives, *negatives)
    return Comparison(
        task=definition.task,
        label=definition.label,
        labels=definition.labels,
        against=against,
        rows=rows,
        truths=np.arange(len(rows)) < len(positives),
        scores=np.array([definition.score(one) for one in rows]),
    )


def _for_shadow_model(definition: _Definition, model: str) -> _Definition:
    """Return the same definition for the scores of a model in shadow, by which nothing is
    flagged."""
    labels = definition.labels

    def score(scored: ScoredRow) -> float:
        return max(scored.shadow[model].get(label, 0.0) for label in labels)

    return replace(
        definition, label=f"{definition.label} by {model}, in shadow", labels=(), score=score
    )


def _highest_score(*labels: str) -> Callable[[ScoredRow], float]:
    return lambda scored: max(scored.scores.get(label, 0.0) for label in labels)


def _is_ordinary(row: LabelledRow) -> bool:
    return row.task in ("benign", "benign_video")


def is_armed(row: LabelledRow) -> bool:
    """Return whether an ordinary picture is of a class that shows weapons."""
    return any(name in row.label for name in ARMED)


def counts_for(row: LabelledRow, label: Label, labels: Sequence[Label]) -> bool:
    """Return whether a positive row counts for one of several labels: a frame labelled smoke may or
    may not show fire."""
    return row.label == label or row.label not in labels


def _is_unarmed(row: LabelledRow) -> bool:
    return _is_ordinary(row) and not is_armed(row)


def _is_game(row: LabelledRow) -> bool:
    return row.task == "game_video"


def _is_of_task(task: str, *, positive: bool) -> Callable[[LabelledRow], bool]:
    return lambda row: row.task == task and (row.label not in NEGATIVE) is positive


def _define(
    task: str, labels: tuple[str, ...], ordinary: Callable[[LabelledRow], bool]
) -> _Definition:
    negatives = {"own": _is_of_task(task, positive=False), "benign": ordinary, "games": _is_game}
    return _Definition(
        task,
        " or ".join(labels),
        tuple(Label(label) for label in labels),
        _highest_score(*labels),
        _is_of_task(task, positive=True),
        negatives,
    )


def _medium_share(medium: Medium) -> Callable[[ScoredRow], float]:
    return lambda scored: scored.medium.get(medium.value, 0.0)


_DEFINITIONS: Final = (
    _define("violence_clip", ("fight",), _is_ordinary),
    _define("weapon", ("gun",), _is_unarmed),
    _define("fire", ("fire", "smoke"), _is_ordinary),
    _Definition(
        "game_video",
        "medium rendered",
        (),
        _medium_share(Medium.RENDERED),
        lambda row: _is_game(row) and row.label.startswith("rendered"),
        {
            "camera": lambda row: row.task in REAL,
            "screen": lambda row: _is_game(row) and row.label == "screen",
        },
    ),
)

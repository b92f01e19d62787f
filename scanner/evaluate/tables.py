"""What was said of rows, and which of them are positives and negatives of what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from scanner.evaluate.measures import Floats, Truths
from scanner.evaluate.rows import Row
from scanner.types import Label, Medium

__all__ = ["Contest", "Judged", "Unread", "contests", "is_armed", "shows"]

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
"""ImageNet classes that do show weapons; no negatives for them."""
NEGATIVE: Final = frozenset({"0", "normal"})
REAL: Final = frozenset({"violence_clip", "benign", "benign_video"})
"""Tasks whose rows are all of the medium camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row and what the models said of it: of each label the highest score of any frame, of each
    medium the mean share."""

    row: Row
    scores: Mapping[str, float]
    medium: Mapping[str, float]
    flagged: frozenset[str] = frozenset()
    """Labels that the policies in force would flag it for, those in shadow among them."""
    evidence: Mapping[str, float] = field(default_factory=dict)
    """Of each label's highest score the log-likelihood ratio: the score without the prior that its
    model assumes."""
    change: str = ""
    """What was done to the input; nothing, where it is empty."""
    shadow: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By model, the highest scores of labels for which it is in shadow while another model judges
    them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A row of which not one frame could be judged, and why."""

    row: Row
    reason: str
    change: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """The positives of one task against one kind of negatives."""

    task: str
    label: str
    """What scores are of, in words."""
    labels: tuple[Label, ...]
    """The labels whose highest score counts; none where it is the medium."""
    against: str
    """``own``: the task's own negatives; ``benign``: ordinary pictures and clips; ``games``:
    rendered games and screens."""
    rows: tuple[Judged, ...]
    """Positives first."""
    truths: Truths
    scores: Floats

    @property
    def name(self) -> str:
        """Of the contest, in words."""
        return f"{self.task}: {self.label} against {self.against}"

    @property
    def groups(self) -> list[str]:
        """Of each row."""
        return [one.row.source for one in self.rows]

    @property
    def flags(self) -> Floats:
        """1.0 for each row that the policies would flag for one of the labels."""
        return np.array([float(not one.flagged.isdisjoint(self.labels)) for one in self.rows])

    def of_label(self, label: Label) -> Contest:
        """The same contest for one of its labels: the positives that show it, and its own scores."""
        kept = [
            one
            for one, truth in zip(self.rows, self.truths.tolist(), strict=True)
            if not truth or shows(one.row, label, self.labels)
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

    def only(self, kept: Truths) -> Contest:
        """The contest between some of its rows."""
        rows = tuple(one for one, keep in zip(self.rows, kept, strict=True) if keep)
        return replace(self, rows=rows, truths=self.truths[kept], scores=self.scores[kept])


@dataclass(frozen=True, slots=True)
class _Question:
    task: str
    label: str
    labels: tuple[Label, ...]
    score: Callable[[Judged], float]
    positive: Callable[[Row], bool]
    negatives: Mapping[str, Callable[[Row], bool]]


def contests(judged: Sequence[Judged]) -> Iterator[Contest]:
    """A contest for each task and kind of negatives that there are rows for, rows in the order
    given.

    Rows of which no model says any of the labels are in none: a model of movement says nothing of
    stills. A model that is in shadow for a label that another one judges has contests of its own,
    among the rows that it saw.
    """
    yield from _contests(_QUESTIONS, judged)
    for model in sorted({model for one in judged for model in one.shadow}):
        seen = [one for one in judged if model in one.shadow]
        heard = {label for one in seen for label in one.shadow[model]}
        yield from _contests(
            [
                _by_shadow(question, model)
                for question in _QUESTIONS
                if heard.intersection(question.labels)
            ],
            seen,
        )


def _contests(questions: Sequence[_Question], judged: Sequence[Judged]) -> Iterator[Contest]:
    for question in questions:
        heard = [
            one
            for one in judged
            if not question.labels or any(label in one.scores for label in question.labels)
        ]
        positives = [one for one in heard if question.positive(one.row)]
        for against, is_negative in question.negatives.items():
            negatives = [one for one in heard if is_negative(one.row)]
            if positives and negatives:
                yield _contest(question, against, positives, negatives)


def _contest(
    question: _Question, against: str, positives: list[Judged], negatives: list[Judged]
) -> Contest:
    rows = (*positives, *negatives)
    return Contest(
        task=question.task,
        label=question.label,
        labels=question.labels,
        against=against,
        rows=rows,
        truths=np.arange(len(rows)) < len(positives),
        scores=np.array([question.score(one) for one in rows]),
    )


def _by_shadow(question: _Question, model: str) -> _Question:
    """The same question of a model that nothing is flagged by."""
    labels = question.labels

    def score(judged: Judged) -> float:
        return max(judged.shadow[model].get(label, 0.0) for label in labels)

    return replace(
        question, label=f"{question.label} by {model}, in shadow", labels=(), score=score
    )


def _score_of(*labels: str) -> Callable[[Judged], float]:
    return lambda judged: max(judged.scores.get(label, 0.0) for label in labels)


def _is_ordinary(row: Row) -> bool:
    return row.task in ("benign", "benign_video")


def is_armed(row: Row) -> bool:
    """Whether an ordinary picture is of a class that does show weapons."""
    return any(name in row.label for name in ARMED)


def shows(row: Row, label: Label, labels: Sequence[Label]) -> bool:
    """Whether a positive row counts for one label of several: a frame labelled smoke may show fire
    or not."""
    return row.label == label or row.label not in labels


def _is_unarmed(row: Row) -> bool:
    return _is_ordinary(row) and not is_armed(row)


def _is_game(row: Row) -> bool:
    return row.task == "game_video"


def _own(task: str, *, positive: bool) -> Callable[[Row], bool]:
    return lambda row: row.task == task and (row.label not in NEGATIVE) is positive


def _question(task: str, labels: tuple[str, ...], ordinary: Callable[[Row], bool]) -> _Question:
    negatives = {"own": _own(task, positive=False), "benign": ordinary, "games": _is_game}
    said = tuple(Label(label) for label in labels)
    return _Question(
        task, " or ".join(labels), said, _score_of(*labels), _own(task, positive=True), negatives
    )


def _share(medium: Medium) -> Callable[[Judged], float]:
    return lambda judged: judged.medium.get(medium.value, 0.0)


_QUESTIONS: Final = (
    _question("violence_clip", ("fight",), _is_ordinary),
    _question("weapon", ("gun",), _is_unarmed),
    _question("fire", ("fire", "smoke"), _is_ordinary),
    _Question(
        "game_video",
        "medium rendered",
        (),
        _share(Medium.RENDERED),
        lambda row: _is_game(row) and row.label.startswith("rendered"),
        {
            "camera": lambda row: row.task in REAL,
            "screen": lambda row: _is_game(row) and row.label == "screen",
        },
    ),
)

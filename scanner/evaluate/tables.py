"""Which rows are positives and negatives of what, and what is measured of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from scanner.evaluate.measures import Floats, Interval, Truths, auc, average_precision, bootstrap, calibration_error, recall_at
from scanner.evaluate.rows import Row
from scanner.types import Medium

__all__ = ["FALSE_POSITIVES", "Judged", "Result", "Unread", "is_armed", "results"]

FALSE_POSITIVES: Final = (0.01, 0.02, 0.05)
"""Shares of the negatives at which recall is told."""
ARMED: Final = ("rifle", "revolver", "holster", "cannon", "projectile", "missile", "cleaver", "letter_opener", "bow")
"""ImageNet classes that do show weapons; no negatives for them."""
NEGATIVE: Final = frozenset({"0", "normal"})
REAL: Final = frozenset({"violence_clip", "benign", "benign_video"})
"""Tasks whose rows are all of the medium camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A row and what the models said of it: of each label the highest score of any frame, of each medium the mean share."""

    row: Row
    scores: Mapping[str, float]
    medium: Mapping[str, float]
    flagged: frozenset[str] = frozenset()
    """Labels that the policies in force would flag it for, those in shadow among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A row of which not one frame could be judged, and why."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One task, against one kind of negatives."""

    task: str
    label: str
    against: str
    """``own``: the task's own negatives; ``benign``: ordinary pictures and clips; ``games``: rendered games and screens."""
    positives: int
    negatives: int
    groups: int
    auc: Interval
    average_precision: float
    recalls: Mapping[str, Interval]
    """Recall at each of ``FALSE_POSITIVES``, by its percentage."""
    calibration_error: float


@dataclass(frozen=True, slots=True)
class _Question:
    task: str
    label: str
    score: Callable[[Judged], float]
    positive: Callable[[Row], bool]
    negatives: Mapping[str, Callable[[Row], bool]]


def results(judged: Sequence[Judged], *, rounds: int = 1000) -> list[Result]:
    """A result for each task and kind of negatives that there are rows for."""
    return [result for question in _QUESTIONS for result in _answers(question, judged, rounds)]


def _answers(question: _Question, judged: Sequence[Judged], rounds: int) -> Iterator[Result]:
    positives = [one for one in judged if question.positive(one.row)]
    for against, is_negative in question.negatives.items():
        negatives = [one for one in judged if is_negative(one.row)]
        if positives and negatives:
            yield _measured(question, against, positives, negatives, rounds)


def _measured(question: _Question, against: str, positives: list[Judged], negatives: list[Judged], rounds: int) -> Result:
    rows = [*positives, *negatives]
    truths = np.arange(len(rows)) < len(positives)
    scores = np.array([question.score(one) for one in rows])
    groups = [one.row.source for one in rows]
    measured = partial(bootstrap, truths=truths, scores=scores, groups=groups, rounds=rounds)
    return Result(
        task=question.task,
        label=question.label,
        against=against,
        positives=len(positives),
        negatives=len(negatives),
        groups=len(set(groups)),
        auc=measured(auc),
        average_precision=average_precision(truths, scores),
        recalls={f"{rate:.0%}": measured(partial(_recall, rate)) for rate in FALSE_POSITIVES},
        calibration_error=calibration_error(truths, scores),
    )


def _recall(rate: float, truths: Truths, scores: Floats) -> float:
    return recall_at(truths, scores, rate)


def _score_of(*labels: str) -> Callable[[Judged], float]:
    return lambda judged: max(judged.scores.get(label, 0.0) for label in labels)


def _is_ordinary(row: Row) -> bool:
    return row.task in ("benign", "benign_video")


def is_armed(row: Row) -> bool:
    """Whether an ordinary picture is of a class that does show weapons."""
    return any(name in row.label for name in ARMED)


def _is_unarmed(row: Row) -> bool:
    return _is_ordinary(row) and not is_armed(row)


def _is_game(row: Row) -> bool:
    return row.task == "game_video"


def _own(task: str, *, positive: bool) -> Callable[[Row], bool]:
    return lambda row: row.task == task and (row.label not in NEGATIVE) is positive


def _question(task: str, labels: tuple[str, ...], ordinary: Callable[[Row], bool]) -> _Question:
    negatives = {"own": _own(task, positive=False), "benign": ordinary, "games": _is_game}
    return _Question(task, " or ".join(labels), _score_of(*labels), _own(task, positive=True), negatives)


def _share(medium: Medium) -> Callable[[Judged], float]:
    return lambda judged: judged.medium.get(medium.value, 0.0)


_QUESTIONS: Final = (
    _question("violence_clip", ("fight",), _is_ordinary),
    _question("weapon", ("gun",), _is_unarmed),
    _question("fire", ("fire", "smoke"), _is_ordinary),
    _Question(
        "game_video",
        "medium rendered",
        _share(Medium.RENDERED),
        lambda row: _is_game(row) and row.label.startswith("rendered"),
        {"camera": lambda row: row.task in REAL, "screen": lambda row: _is_game(row) and row.label == "screen"},
    ),
)

"""The same figures again after a change to the input: what it costs, row by row against the unchanged input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Final
from zlib import crc32

from scanner.altering import Change, Studio
from scanner.evaluate.measures import Interval, auc, bootstrap, bootstrap_difference, share
from scanner.evaluate.results import recall_for
from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Contest, Judged, contests, is_armed
from scanner.evaluate.work import Versions
from scanner.types import Source

__all__ = ["RATE", "Robustness", "altered_by", "robustness"]

RATE: Final = 0.05
"""Share of false positives at which recall is told: with the rows of a sample, fewer cannot be told."""
COMPANIONS: Final = 3
ROUNDS: Final = 500
"""Of the bootstrap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """One contest after one change. Differences are paired: the same rows, changed less unchanged."""

    change: str
    task: str
    label: str
    against: str
    positives: int
    negatives: int
    groups: int
    auc: Interval
    auc_difference: Interval
    recall: Interval
    """At ``RATE`` of the changed negatives."""
    recall_difference: Interval
    flagged_positives: Interval
    """Share of the positives that the policies in force flag."""
    flagged_negatives: Interval


def robustness(judged: Sequence[Judged], changed: Sequence[Judged], *, rounds: int = ROUNDS) -> list[Robustness]:
    """Each contest for the unchanged rows that were changed, and for each change, in the order in which they were first met."""
    before = {_place(one): one for one in judged}
    after: dict[str, dict[tuple[str, str, str], Judged]] = {}
    for one in changed:
        if _place(one) in before:
            after.setdefault(one.change, {})[_place(one)] = one
    everywhere = [place for place in before if any(place in rows for rows in after.values())]
    unchanged = {place: before[place] for place in everywhere}
    return [row for rows in (unchanged, *after.values()) for row in _compared(before, rows, rounds)] if after else []


def altered_by(studio: Studio, changes: Sequence[Change], rows: Sequence[Row], *, seed: int = 0) -> Versions:
    """What ``Score.rows`` is to look at: every row after each of the changes, with harmless rows beside it where one shows such."""
    harmless = [row for row in rows if row.task in ("benign", "benign_video") and not is_armed(row)]

    def versions(row: Row) -> Mapping[str, Source]:
        own = crc32(f"{seed}/{row.key}".encode("utf-8", "surrogatepass"))
        return studio.altered(row.path, changes, seed=own, others=_beside(row, harmless, Random(own)))

    return versions


def _beside(row: Row, harmless: Sequence[Row], random: Random) -> list[Path]:
    others = [other.path for other in harmless if other.key != row.key]
    return random.sample(others, min(COMPANIONS, len(others)))


def _place(one: Judged) -> tuple[str, str, str]:
    return (one.row.key, one.row.task, one.row.label)


def _compared(
    before: Mapping[tuple[str, str, str], Judged], after: Mapping[tuple[str, str, str], Judged], rounds: int
) -> Iterator[Robustness]:
    own, changed = contests([before[place] for place in after]), contests(list(after.values()))
    for old, new in zip(own, changed, strict=True):
        yield _row(old, new, rounds)


def _row(old: Contest, new: Contest, rounds: int) -> Robustness:
    alone: Callable[..., Interval] = partial(bootstrap, groups=new.groups, truths=new.truths, scores=new.scores, rounds=rounds)
    paired: Callable[..., Interval] = partial(
        bootstrap_difference, truths=new.truths, before=old.scores, after=new.scores, groups=new.groups, rounds=rounds
    )
    return Robustness(
        change=new.rows[0].change,
        task=new.task,
        label=new.label,
        against=new.against,
        positives=int(new.truths.sum()),
        negatives=int((~new.truths).sum()),
        groups=len(set(new.groups)),
        auc=alone(auc),
        auc_difference=paired(auc),
        recall=alone(recall_for(RATE)),
        recall_difference=paired(recall_for(RATE)),
        flagged_positives=_flagged(new.only(new.truths), rounds),
        flagged_negatives=_flagged(new.only(~new.truths), rounds),
    )


def _flagged(side: Contest, rounds: int) -> Interval:
    return bootstrap(share, side.truths, side.flags, side.groups, rounds=rounds)

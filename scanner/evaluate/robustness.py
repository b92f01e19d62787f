"""The same figures again after a change to the input: what it costs, row by row against the
unchanged input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from pathlib import Path
from random import Random
from typing import Final
from zlib import crc32

from scanner.evaluate.measures import Interval, auc, bootstrap, bootstrap_difference, share
from scanner.evaluate.results import recall_for
from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Contest, Judged, contests, is_armed
from scanner.evaluate.work import UNCHANGED, Versions
from scanner.perturbations.perturber import Perturber
from scanner.perturbations.transforms import Perturbation
from scanner.types import Source

__all__ = ["RATE", "Robustness", "perturbed_versions", "robustness"]

RATE: Final = 0.05
"""Share of false positives at which recall is told: with the rows of a sample, fewer cannot be
told."""
COMPANIONS: Final = 3
ROUNDS: Final = 500
"""Of the bootstrap."""
UNKNOWN: Final = Interval(value=nan, low=nan, high=nan)
_Place = tuple[str, str, str]
"""A row, whatever was done to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """One contest after one change.

    Differences are paired: the same rows, changed less unchanged.
    """

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


def robustness(versions: Sequence[Judged], *, rounds: int = ROUNDS) -> list[Robustness]:
    """Each contest of the rows as they are, and after each change, in the order in which changes
    are first met.

    ``versions`` holds rows unchanged and changed; a row that could not be read after a change is
    left out of both sides of that one.
    """
    of_change: dict[str, dict[_Place, Judged]] = {UNCHANGED: {}}
    for one in versions:
        of_change.setdefault(one.change, {})[_place(one)] = one
    before = of_change[UNCHANGED]
    pairs = (
        {place: one for place, one in after.items() if place in before}
        for after in of_change.values()
    )
    return [row for after in pairs for row in _compared(before, after, rounds)]


def perturbed_versions(
    perturber: Perturber, changes: Sequence[Perturbation], rows: Sequence[Row], *, seed: int = 0
) -> Versions:
    """What ``Score.rows`` is to look at: every row as it is and after each of the changes, some of
    which show harmless rows beside it."""
    harmless = [row for row in rows if row.task in ("benign", "benign_video") and not is_armed(row)]

    def versions(row: Row) -> Mapping[str, Source]:
        own = crc32(f"{seed}/{row.key}".encode("utf-8", "surrogatepass"))
        perturb = perturber.perturb(
            row.path, changes, seed=own, others=_beside(row, harmless, Random(own))
        )
        return {UNCHANGED: row.path, **perturb}

    return versions


def _beside(row: Row, harmless: Sequence[Row], random: Random) -> list[Path]:
    others = [other.path for other in harmless if other.key != row.key]
    return random.sample(others, min(COMPANIONS, len(others)))


def _place(one: Judged) -> _Place:
    return (one.row.key, one.row.task, one.row.label)


def _compared(
    before: Mapping[_Place, Judged], after: Mapping[_Place, Judged], rounds: int
) -> Iterator[Robustness]:
    own, changed = contests([before[place] for place in after]), contests(list(after.values()))
    for old, new in zip(own, changed, strict=True):
        yield _row(old, new, rounds)


def _row(old: Contest, new: Contest, rounds: int) -> Robustness:
    alone: Callable[..., Interval] = partial(
        bootstrap, groups=new.groups, truths=new.truths, scores=new.scores, rounds=rounds
    )
    paired: Callable[..., Interval] = partial(
        bootstrap_difference,
        truths=new.truths,
        before=old.scores,
        after=new.scores,
        groups=new.groups,
        rounds=rounds,
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
    """Nothing is flagged for the medium, nor by a model in shadow."""
    if not side.labels:
        return UNKNOWN
    return bootstrap(share, side.truths, side.flags, side.groups, rounds=rounds)

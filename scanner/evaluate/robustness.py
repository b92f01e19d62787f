"""Effect of perturbed input, row by row against the unperturbed input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import nan
from pathlib import Path
from random import Random
from typing import Final
from zlib import crc32

from scanner.evaluate.comparisons import Comparison, ScoredRow, build_comparisons, is_armed
from scanner.evaluate.measures import Interval, auc, bootstrap, bootstrap_difference, flagged_share
from scanner.evaluate.results import recall_for
from scanner.evaluate.row_scoring import UNCHANGED, SourceVersions
from scanner.evaluate.rows import LabelledRow
from scanner.perturbations.perturber import Perturber
from scanner.perturbations.transforms import Perturbation
from scanner.types import Source

__all__ = ["RATE", "Robustness", "measure_robustness", "perturbed_versions"]

RATE: Final = 0.05
"""False-positive rate at which recall is reported; a sample of rows is too small for lower
rates."""
MAX_OTHERS: Final = 3
ROUNDS: Final = 500
"""Number of bootstrap rounds."""
UNKNOWN: Final = Interval(value=nan, low=nan, high=nan)
_RowId = tuple[str, str, str]
"""Identity of a row, whatever its perturbation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """One comparison after one perturbation.

    Differences are paired: the same rows, perturbed minus unperturbed.
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
    """At ``RATE`` of the perturbed negatives."""
    recall_difference: Interval
    flagged_positives: Interval
    """Share of the positives that the policies in force flag."""
    flagged_negatives: Interval


def measure_robustness(versions: Sequence[ScoredRow], *, rounds: int = ROUNDS) -> list[Robustness]:
    """Measure each comparison without perturbation and after each one, in order of first
    appearance.

    ``versions`` holds unperturbed and perturbed rows; a row that could not be read after a
    perturbation is left out of both sides of that comparison.
    """
    of_change: dict[str, dict[_RowId, ScoredRow]] = {UNCHANGED: {}}
    for one in versions:
        of_change.setdefault(one.change, {})[_row_id(one)] = one
    before = of_change[UNCHANGED]
    pairs = (
        {row_id: one for row_id, one in after.items() if row_id in before}
        for after in of_change.values()
    )
    return [row for after in pairs for row in _compare(before, after, rounds)]


def perturbed_versions(
    perturber: Perturber,
    changes: Sequence[Perturbation],
    rows: Sequence[LabelledRow],
    *,
    seed: int = 0,
) -> SourceVersions:
    """Return the sources that ``RowScorer.rows`` scores for a row: the file itself, and the result
    of each perturbation, some of which show other harmless rows as well."""
    harmless = [row for row in rows if row.task in ("benign", "benign_video") and not is_armed(row)]

    def versions(row: LabelledRow) -> Mapping[str, Source]:
        own = crc32(f"{seed}/{row.key}".encode("utf-8", "surrogatepass"))
        perturb = perturber.perturb(
            row.path, changes, seed=own, others=_choose_others(row, harmless, Random(own))
        )
        return {UNCHANGED: row.path, **perturb}

    return versions


def _choose_others(row: LabelledRow, harmless: Sequence[LabelledRow], random: Random) -> list[Path]:
    others = [other.path for other in harmless if other.key != row.key]
    return random.sample(others, min(MAX_OTHERS, len(others)))


def _row_id(one: ScoredRow) -> _RowId:
    return (one.row.key, one.row.task, one.row.label)


def _compare(
    before: Mapping[_RowId, ScoredRow], after: Mapping[_RowId, ScoredRow], rounds: int
) -> Iterator[Robustness]:
    own, changed = (
        build_comparisons([before[row_id] for row_id in after]),
        build_comparisons(list(after.values())),
    )
    for old, new in zip(own, changed, strict=True):
        yield _row(old, new, rounds)


def _row(old: Comparison, new: Comparison, rounds: int) -> Robustness:
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
        flagged_positives=_flagged_interval(new.only(new.truths), rounds),
        flagged_negatives=_flagged_interval(new.only(~new.truths), rounds),
    )


def _flagged_interval(side: Comparison, rounds: int) -> Interval:
    """Return the flagged share; unknown for the medium and for models in shadow, which flag
    nothing."""
    if not side.labels:
        return UNKNOWN
    return bootstrap(flagged_share, side.truths, side.flags, side.groups, rounds=rounds)

"""The same figures for parts of the footage: dark, small, far, by container, by kind of game, and
by the user's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np

from scanner.evaluate.footage import Footage
from scanner.evaluate.measures import Interval, Truths, auc, bootstrap, share
from scanner.evaluate.rows import Row
from scanner.evaluate.tables import Contest, Judged, contests

__all__ = ["DARK", "FEW", "SMALL", "Slice", "names_of", "slices"]

DARK: Final = 64.0
"""Mean luma below which footage is dark: a quarter of the scale."""
SMALL: Final = 300
"""Pixels of the shorter side below which resolution is low."""
FEW: Final = 10
"""Rows of a side, below which nothing is said but how many they are."""
EXTENTS: Final = ((0.0, 0.05), (0.05, 0.13), (0.13, 0.27), (0.27, 1.01))
"""Widths of the widest labelled object as shares of the picture: of 224 pixels 11, 29 and 60."""
ROUNDS: Final = 500
UNKNOWN: Final = Interval(value=nan, low=nan, high=nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One contest within one slice.

    A side that has no row in it counts whole: what is sliced is then the other one.
    """

    slice: str
    task: str
    label: str
    against: str
    positives: int
    """In the slice; none where all of them count."""
    negatives: int
    """The same of the other side."""
    groups: int
    """Of the rows in the slice."""
    few: bool
    """Fewer than ``FEW`` rows of a side, or one group of it: no figure of that side is told."""
    auc: Interval
    flagged_positives: Interval
    """Share of the positives in the slice that the policies in force flag, those in shadow among
    them."""
    flagged_negatives: Interval


def slices(
    judged: Sequence[Judged], footage: Mapping[str, Footage], *, rounds: int = ROUNDS
) -> list[Slice]:
    """Each contest in each slice that it has rows in; ``footage`` is known by the rows' keys."""
    return [one for contest in contests(judged) for one in _sliced(contest, footage, rounds)]


def names_of(row: Row, footage: Footage | None) -> Iterator[str]:
    """The slices that a row is in."""
    yield from sorted(row.slices)
    if row.task == "game_video":
        yield row.label
    if row.extent is not None:
        low, high = next(extent for extent in EXTENTS if extent[0] <= row.extent < extent[1])
        yield (
            f"object {low:.0%} of the width or more"
            if high > 1
            else f"object {low:.0%} to {high:.0%} of the width"
        )
    if footage is None:
        return
    if footage.luma < DARK:
        yield "dark"
    if min(footage.width, footage.height) < SMALL:
        yield "low resolution"
    yield f"container {footage.container}"


def _sliced(contest: Contest, footage: Mapping[str, Footage], rounds: int) -> Iterator[Slice]:
    members = [set(names_of(one.row, footage.get(one.row.key))) for one in contest.rows]
    for name in sorted(set().union(*members)):
        inside = np.array([name in names for names in members])
        if not inside.all():
            yield _slice(name, contest, inside, rounds)


def _slice(name: str, contest: Contest, inside: Truths, rounds: int) -> Slice:
    positives, negatives = (
        contest.only(contest.truths & inside),
        contest.only(~contest.truths & inside),
    )
    sides = [side for side in (positives, negatives) if side.rows]
    few = any(_few(side) for side in sides)
    whole = contest.only(_with_whole_sides(contest.truths, inside))
    return Slice(
        slice=name,
        task=contest.task,
        label=contest.label,
        against=contest.against,
        positives=len(positives.rows),
        negatives=len(negatives.rows),
        groups=len({*positives.groups, *negatives.groups}),
        few=few,
        auc=UNKNOWN
        if few
        else bootstrap(auc, whole.truths, whole.scores, whole.groups, rounds=rounds),
        flagged_positives=_flagged(positives, rounds),
        flagged_negatives=_flagged(negatives, rounds),
    )


def _few(side: Contest) -> bool:
    return len(side.rows) < FEW or len(set(side.groups)) < 2


def _with_whole_sides(truths: Truths, inside: Truths) -> Truths:
    kept = inside.copy()
    for side in (truths, ~truths):
        if not (side & inside).any():
            kept |= side
    return kept


def _flagged(side: Contest, rounds: int) -> Interval:
    if not side.labels or _few(side):
        return UNKNOWN
    return bootstrap(share, side.truths, side.flags, side.groups, rounds=rounds)

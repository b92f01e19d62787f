"""The same figures for parts of the files: dark, low resolution, small objects, container, kind of
game, and the user's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Final

import numpy as np

from scanner.evaluate.comparisons import Comparison, ScoredRow, build_comparisons
from scanner.evaluate.measures import Interval, Truths, auc, bootstrap, flagged_share
from scanner.evaluate.properties import MediaProperties
from scanner.evaluate.rows import LabelledRow

__all__ = ["DARK", "FEW", "SMALL", "Slice", "measure_slices", "slice_names"]

DARK: Final = 64.0
"""Mean luma below which a file is dark: a quarter of the scale."""
SMALL: Final = 300
"""Pixels of the shorter side below which the resolution is low."""
FEW: Final = 10
"""Number of rows of a side below which only the count is reported."""
EXTENTS: Final = ((0.0, 0.05), (0.05, 0.13), (0.13, 0.27), (0.27, 1.01))
"""Widths of the widest labelled object as shares of the picture's width; the limits are 11, 29 and
60 of 224 pixels."""
ROUNDS: Final = 500
UNKNOWN: Final = Interval(value=nan, low=nan, high=nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One comparison within one slice.

    A side that has no row in the slice counts completely; only the other side is then sliced.
    """

    slice: str
    task: str
    label: str
    against: str
    positives: int
    """Number in the slice; 0 if all positives count."""
    negatives: int
    """Number in the slice; 0 if all negatives count."""
    groups: int
    """Number of groups of the rows in the slice."""
    few: bool
    """Whether a side has fewer than ``FEW`` rows or only one group; its figures are then
    unknown."""
    auc: Interval
    flagged_positives: Interval
    """Share of the positives in the slice that the policies in force flag, including labels in
    shadow."""
    flagged_negatives: Interval


def measure_slices(
    scored: Sequence[ScoredRow], properties: Mapping[str, MediaProperties], *, rounds: int = ROUNDS
) -> list[Slice]:
    """Measure each comparison in each slice that has rows; ``properties`` is keyed by row key."""
    return [
        one
        for comparison in build_comparisons(scored)
        for one in _make_slices(comparison, properties, rounds)
    ]


def slice_names(row: LabelledRow, properties: MediaProperties | None) -> Iterator[str]:
    """Yield the names of the slices that a row is in."""
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
    if properties is None:
        return
    if properties.luma < DARK:
        yield "dark"
    if min(properties.width, properties.height) < SMALL:
        yield "low resolution"
    yield f"container {properties.container}"


def _make_slices(
    comparison: Comparison, properties: Mapping[str, MediaProperties], rounds: int
) -> Iterator[Slice]:
    members = [set(slice_names(one.row, properties.get(one.row.key))) for one in comparison.rows]
    for name in sorted(set().union(*members)):
        inside = np.array([name in names for names in members])
        if not inside.all():
            yield _slice(name, comparison, inside, rounds)


def _slice(name: str, comparison: Comparison, inside: Truths, rounds: int) -> Slice:
    positives, negatives = (
        comparison.only(comparison.truths & inside),
        comparison.only(~comparison.truths & inside),
    )
    sides = [side for side in (positives, negatives) if side.rows]
    few = any(_few(side) for side in sides)
    whole = comparison.only(_with_whole_sides(comparison.truths, inside))
    return Slice(
        slice=name,
        task=comparison.task,
        label=comparison.label,
        against=comparison.against,
        positives=len(positives.rows),
        negatives=len(negatives.rows),
        groups=len({*positives.groups, *negatives.groups}),
        few=few,
        auc=UNKNOWN
        if few
        else bootstrap(auc, whole.truths, whole.scores, whole.groups, rounds=rounds),
        flagged_positives=_flagged_interval(positives, rounds),
        flagged_negatives=_flagged_interval(negatives, rounds),
    )


def _few(side: Comparison) -> bool:
    return len(side.rows) < FEW or len(set(side.groups)) < 2


def _with_whole_sides(truths: Truths, inside: Truths) -> Truths:
    kept = inside.copy()
    for side in (truths, ~truths):
        if not (side & inside).any():
            kept |= side
    return kept


def _flagged_interval(side: Comparison, rounds: int) -> Interval:
    if not side.labels or _few(side):
        return UNKNOWN
    return bootstrap(flagged_share, side.truths, side.flags, side.groups, rounds=rounds)

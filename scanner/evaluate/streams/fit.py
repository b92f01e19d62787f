"""Which method, with which parameters and threshold: nested cross-validation over groups.

Inner folds choose: a threshold is set on the safe footage of some groups so that the upper Poisson
bound of the false-incident rate stays below the wanted one, a margin is added, and what that comes
to is seen on other groups. Outer folds report: what was chosen without them is applied to them.
Groups are original streams, never clips, and a group is of one fold.

Where there are too few hours for the wanted rate to be shown at all, the threshold is the lowest at
which nothing false happened, and the bound that is told beside it is all that is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.streams.outcome import Outcomes, median_delay, missed_share
from scanner.evaluate.streams.rate import upper_mean
from scanner.evaluate.streams.sweep import THRESHOLDS, Candidate, Material, Sweep, chosen_outcomes

__all__ = ["MARGINS", "Choice", "Curve", "Limits", "choose", "curve", "lowest_allowed", "nested"]

Flags = NDArray[np.bool_]
MARGINS: Final = (0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0)
"""Added to the threshold that the other groups' safe footage asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How often a false incident may be."""

    rate: float = 0.1
    """An hour of moving footage, as an upper bound."""
    pictures: float = 0.005
    """Share of harmless held photographs that may open one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """An operating point that was chosen."""

    candidate: Candidate
    margin: float
    threshold: float
    """The level at which incidents open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """What a candidate comes to at each threshold, all groups together: to look at, not to choose
    by."""

    thresholds: tuple[float, ...]
    missed: tuple[float, ...]
    """Share of events."""
    false: tuple[float, ...]
    """Incidents an hour of moving footage."""
    pictures: tuple[float, ...]
    """Share of held photographs; empty where there are none."""
    delay: tuple[float, ...]
    """Median seconds of the events that were found; NaN where none was."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A candidate with a margin, as other groups see it."""

    sweep: Sweep
    margin: float
    over: int
    """False incidents and flagged pictures beyond what is allowed."""
    missed: float
    delay: float


def nested(
    material: Material, sweeps: Sequence[Sweep], limits: Limits
) -> tuple[Outcomes, dict[int, Choice]]:
    """What groups come to that had no part in the choice, and what was chosen without each outer
    fold."""
    delays = np.full(len(material.events), np.nan)
    openings = np.zeros(len(material.pieces), dtype=np.int64)
    choices: dict[int, Choice] = {}
    folds = _folds(material)
    for outer in folds:
        choice = choices[outer] = choose(
            material, sweeps, limits, [fold for fold in folds if fold != outer]
        )
        found = next(one for one in sweeps if one.candidate == choice.candidate)
        index = _index(choice.threshold)
        delays[material.event_folds == outer] = found.delays[material.event_folds == outer, index]
        openings[material.piece_folds == outer] = found.openings[
            material.piece_folds == outer, index
        ]
    return chosen_outcomes(material, delays, openings), choices


def choose(
    material: Material, sweeps: Sequence[Sweep], limits: Limits, folds: Sequence[int]
) -> Choice:
    """The best candidate and margin by cross-validation within the folds, and its threshold from
    all of them.

    Best: it keeps to the limits on groups that its threshold was not set on, and misses fewest
    events; among equals, it is the quickest, then the one that stands first.
    """
    tried = [one for found in sweeps for one in _tried(material, found, limits, folds)]
    best = min(
        tried,
        key=lambda one: (one.over, one.missed, one.delay if not np.isnan(one.delay) else np.inf),
    )
    index = lowest_allowed(material, best.sweep, limits, np.isin(material.piece_folds, folds))
    threshold = THRESHOLDS[_raised(index, best.margin)]
    return Choice(candidate=best.sweep.candidate, margin=best.margin, threshold=float(threshold))


def lowest_allowed(material: Material, found: Sweep, limits: Limits, safe: Flags) -> int:
    """The lowest threshold from which on upwards the limits hold on these pieces."""
    over = _over(material, found.openings, limits, safe)
    return int(np.flatnonzero(over)[-1] + 1) if over.any() else 0


def _tried(
    material: Material, found: Sweep, limits: Limits, folds: Sequence[int]
) -> Iterator[_Tried]:
    lowest = {
        fold: lowest_allowed(material, found, limits, _within(material.piece_folds, folds, fold))
        for fold in folds
    }
    inside = np.isin(material.piece_folds, folds)
    for margin in MARGINS:
        at = {fold: _raised(index, margin) for fold, index in lowest.items()}
        delays = np.concatenate(
            [found.delays[material.event_folds == fold, index] for fold, index in at.items()]
        )
        openings = np.zeros((len(material.pieces), 1), dtype=np.int64)
        for fold, index in at.items():
            openings[material.piece_folds == fold, 0] = found.openings[
                material.piece_folds == fold, index
            ]
        over = int(_over(material, openings, limits, inside)[0])
        yield _Tried(found, margin, over, missed_share(delays), median_delay(delays))


def _over(
    material: Material, openings: NDArray[np.int64], limits: Limits, safe: Flags
) -> NDArray[np.int64]:
    """How much more happened on the safe pieces than may, at each threshold; 0 where the limits
    hold."""
    moving, pictures = safe & ~material.still, safe & material.still
    may_open = _may_happen(material.hours[moving].sum(), limits.rate)
    may_flag = int(limits.pictures * pictures.sum())
    false = np.maximum(openings[moving].sum(axis=0) - may_open, 0)
    flagged = np.maximum((openings[pictures] > 0).sum(axis=0) - may_flag, 0)
    return np.asarray(false + flagged)


def _may_happen(hours: float, rate: float) -> int:
    """So many false incidents still leave the rate's upper bound below the wanted one; none, where
    too little was seen."""
    count = 0
    while upper_mean(count + 1) <= rate * hours:
        count += 1
    return count


def _within(piece_folds: NDArray[np.intp], folds: Sequence[int], held_out: int) -> Flags:
    return np.asarray(np.isin(piece_folds, folds) & (piece_folds != held_out))


def _folds(material: Material) -> list[int]:
    return sorted({int(fold) for fold in (*material.event_folds, *material.piece_folds)})


def _raised(index: int, margin: float) -> int:
    step = float(THRESHOLDS[1] - THRESHOLDS[0])
    return min(index + round(margin / step), len(THRESHOLDS) - 1)


def _index(threshold: float) -> int:
    return int(np.argmin(np.abs(THRESHOLDS - threshold)))


def curve(material: Material, found: Sweep) -> Curve:
    """The candidate at every threshold, all groups together."""
    still, hours = material.still, material.hours[~material.still].sum()
    return Curve(
        thresholds=tuple(THRESHOLDS.tolist()),
        missed=tuple(np.isnan(found.delays).mean(axis=0).tolist()),
        false=tuple((found.openings[~still].sum(axis=0) / hours).tolist()),
        pictures=tuple((found.openings[still] > 0).mean(axis=0).tolist()) if still.any() else (),
        delay=tuple(median_delay(found.delays[:, index]) for index in range(len(THRESHOLDS))),
    )

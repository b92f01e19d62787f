"""Selection of method, parameters and threshold by nested cross-validation over groups.

Inner folds select: the threshold is set on the safe footage of some groups so that the upper
Poisson bound of the false-incident rate stays below the limit, a margin is added, and the result is
evaluated on other groups. Outer folds report: what was selected without them is applied to them.
Groups are original streams, never clips, and each group belongs to one fold.

If there are too few hours to show the wanted rate, the threshold is the lowest one without a false
incident, and only the reported upper bound is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.streams.outcome import LabelOutcomes, median_delay, missed_share
from scanner.evaluate.streams.rate import upper_mean
from scanner.evaluate.streams.sweep import (
    THRESHOLDS,
    Candidate,
    LabelMaterial,
    ThresholdSweep,
    chosen_outcomes,
)

__all__ = [
    "MARGINS",
    "FalseIncidentLimits",
    "OperatingPoint",
    "ThresholdCurve",
    "choose_point",
    "cross_validate",
    "lowest_allowed",
    "threshold_curve",
]

Flags = NDArray[np.bool_]
MARGINS: Final = (0.0, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0)
"""Values added to the threshold that the other groups' safe footage requires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseIncidentLimits:
    """Limits for false incidents."""

    rate: float = 0.1
    """Per hour of moving footage, as an upper bound."""
    pictures: float = 0.005
    """Share of harmless photographs that may open an incident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """The selected candidate, margin and threshold."""

    candidate: Candidate
    margin: float
    threshold: float
    """The level at which incidents open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdCurve:
    """A candidate's results at each threshold over all groups; for display only, not for
    selection."""

    thresholds: tuple[float, ...]
    missed: tuple[float, ...]
    """Share of events."""
    false: tuple[float, ...]
    """Incidents per hour of moving footage."""
    pictures: tuple[float, ...]
    """Share of photographs; empty if there are none."""
    delay: tuple[float, ...]
    """Median seconds of the detected events; NaN if there are none."""


@dataclass(frozen=True, slots=True)
class _FitAttempt:
    """A candidate with a margin, evaluated on held-out groups."""

    sweep: ThresholdSweep
    margin: float
    over: int
    """False incidents and flagged pictures beyond the limits."""
    missed: float
    delay: float


def cross_validate(
    material: LabelMaterial, sweeps: Sequence[ThresholdSweep], limits: FalseIncidentLimits
) -> tuple[LabelOutcomes, dict[int, OperatingPoint]]:
    """Return the outcomes of groups that had no part in the selection, and the operating point
    selected without each outer fold."""
    delays = np.full(len(material.events), np.nan)
    openings = np.zeros(len(material.pieces), dtype=np.int64)
    choices: dict[int, OperatingPoint] = {}
    folds = _folds(material)
    for outer in folds:
        choice = choices[outer] = choose_point(
            material, sweeps, limits, [fold for fold in folds if fold != outer]
        )
        found = next(one for one in sweeps if one.candidate == choice.candidate)
        index = _threshold_index(choice.threshold)
        delays[material.event_folds == outer] = found.delays[material.event_folds == outer, index]
        openings[material.piece_folds == outer] = found.openings[
            material.piece_folds == outer, index
        ]
    return chosen_outcomes(material, delays, openings), choices


def choose_point(
    material: LabelMaterial,
    sweeps: Sequence[ThresholdSweep],
    limits: FalseIncidentLimits,
    folds: Sequence[int],
) -> OperatingPoint:
    """Select a candidate and a margin by cross-validation within the folds, and set the threshold
    on all of them.

    The best one exceeds the limits least on groups that its threshold was not set on, then misses
    fewest events; ties go to the shorter delay, then to the first in order.
    """
    attempts = [one for found in sweeps for one in _try_margins(material, found, limits, folds)]
    best = min(
        attempts,
        key=lambda one: (one.over, one.missed, one.delay if not np.isnan(one.delay) else np.inf),
    )
    index = lowest_allowed(material, best.sweep, limits, np.isin(material.piece_folds, folds))
    threshold = THRESHOLDS[_raise_index(index, best.margin)]
    return OperatingPoint(
        candidate=best.sweep.candidate, margin=best.margin, threshold=float(threshold)
    )


def lowest_allowed(
    material: LabelMaterial, found: ThresholdSweep, limits: FalseIncidentLimits, safe: Flags
) -> int:
    """Return the index of the lowest threshold from which on upwards the limits hold on these
    pieces."""
    over = _excess(material, found.openings, limits, safe)
    return int(np.flatnonzero(over)[-1] + 1) if over.any() else 0


def _try_margins(
    material: LabelMaterial,
    found: ThresholdSweep,
    limits: FalseIncidentLimits,
    folds: Sequence[int],
) -> Iterator[_FitAttempt]:
    lowest = {
        fold: lowest_allowed(
            material, found, limits, _without_fold(material.piece_folds, folds, fold)
        )
        for fold in folds
    }
    inside = np.isin(material.piece_folds, folds)
    for margin in MARGINS:
        at = {fold: _raise_index(index, margin) for fold, index in lowest.items()}
        delays = np.concatenate(
            [found.delays[material.event_folds == fold, index] for fold, index in at.items()]
        )
        openings = np.zeros((len(material.pieces), 1), dtype=np.int64)
        for fold, index in at.items():
            openings[material.piece_folds == fold, 0] = found.openings[
                material.piece_folds == fold, index
            ]
        over = int(_excess(material, openings, limits, inside)[0])
        yield _FitAttempt(found, margin, over, missed_share(delays), median_delay(delays))


def _excess(
    material: LabelMaterial, openings: NDArray[np.int64], limits: FalseIncidentLimits, safe: Flags
) -> NDArray[np.int64]:
    """Return by how much the limits are exceeded on the safe pieces at each threshold; 0 where they
    hold."""
    moving, pictures = safe & ~material.still, safe & material.still
    may_open = _allowed_count(material.hours[moving].sum(), limits.rate)
    may_flag = int(limits.pictures * pictures.sum())
    false = np.maximum(openings[moving].sum(axis=0) - may_open, 0)
    flagged = np.maximum((openings[pictures] > 0).sum(axis=0) - may_flag, 0)
    return np.asarray(false + flagged)


def _allowed_count(hours: float, rate: float) -> int:
    """Return the number of false incidents that keeps the rate's upper bound within the limit; 0 if
    there are too few hours."""
    count = 0
    while upper_mean(count + 1) <= rate * hours:
        count += 1
    return count


def _without_fold(piece_folds: NDArray[np.intp], folds: Sequence[int], held_out: int) -> Flags:
    return np.asarray(np.isin(piece_folds, folds) & (piece_folds != held_out))


def _folds(material: LabelMaterial) -> list[int]:
    return sorted({int(fold) for fold in (*material.event_folds, *material.piece_folds)})


def _raise_index(index: int, margin: float) -> int:
    step = float(THRESHOLDS[1] - THRESHOLDS[0])
    return min(index + round(margin / step), len(THRESHOLDS) - 1)


def _threshold_index(threshold: float) -> int:
    return int(np.argmin(np.abs(THRESHOLDS - threshold)))


def threshold_curve(material: LabelMaterial, found: ThresholdSweep) -> ThresholdCurve:
    """Return the candidate's results at every threshold, over all groups."""
    still, hours = material.still, material.hours[~material.still].sum()
    return ThresholdCurve(
        thresholds=tuple(THRESHOLDS.tolist()),
        missed=tuple(np.isnan(found.delays).mean(axis=0).tolist()),
        false=tuple((found.openings[~still].sum(axis=0) / hours).tolist()),
        pictures=tuple((found.openings[still] > 0).mean(axis=0).tolist()) if still.any() else (),
        delay=tuple(median_delay(found.delays[:, index]) for index in range(len(THRESHOLDS))),
    )

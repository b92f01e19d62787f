"""Calibration of each label's probabilities, in bins with counts and intervals.

A model's probability assumes a share of positives, its training prior; the labelled files have
another. So scores are rebased first: the evidence (log-likelihood ratio), which is the fold's
input, is combined with the share of positives among the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.charts.reliability import CalibrationBin
from scanner.evaluate.comparisons import ScoredRow, build_comparisons, counts_for
from scanner.evaluate.measures import BINS, Floats, Interval, Truths, bootstrap, calibration_error

__all__ = ["Reliability", "measure_reliability"]

ROUNDS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """The calibration of one label: its rows against all rows known to be without it."""

    label: str
    positives: int
    negatives: int
    groups: int
    calibration_error: Interval
    bins: tuple[CalibrationBin, ...]


def measure_reliability(scored: Sequence[ScoredRow], *, rounds: int = ROUNDS) -> list[Reliability]:
    """Return the calibration of each label that has rows with and without it."""
    positives: dict[str, dict[str, ScoredRow]] = {}
    negatives: dict[str, dict[str, ScoredRow]] = {}
    for comparison in build_comparisons(scored):
        for label in comparison.labels:
            sides = zip(comparison.rows, comparison.truths.tolist(), strict=True)
            for one, truth in sides:
                if label in one.evidence and (
                    not truth or counts_for(one.row, label, comparison.labels)
                ):
                    (positives if truth else negatives).setdefault(label, {})[one.row.key] = one
    return [
        _measure(
            label, list(positives[label].values()), list(negatives.get(label, {}).values()), rounds
        )
        for label in positives
    ]


def _measure(
    label: str, positives: list[ScoredRow], negatives: list[ScoredRow], rounds: int
) -> Reliability:
    rows = [*positives, *negatives]
    truths = np.arange(len(rows)) < len(positives)
    groups = [one.row.source for one in rows]
    values = _rebase(np.array([one.evidence[label] for one in rows]), truths)
    return Reliability(
        label=label,
        positives=len(positives),
        negatives=len(negatives),
        groups=len(set(groups)),
        calibration_error=bootstrap(calibration_error, truths, values, groups, rounds=rounds),
        bins=tuple(_bins(truths, values, groups, rounds)),
    )


def _rebase(evidence: Floats, truths: Truths) -> Floats:
    """Return probabilities under the prior of these rows."""
    share = min(max(float(truths.mean()), 1e-6), 1.0 - 1e-6)
    odds = evidence + log(share / (1.0 - share))
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * odds))


def _bins(
    truths: Truths, values: Floats, groups: Sequence[str], rounds: int
) -> Iterator[CalibrationBin]:
    index = np.minimum((values * BINS).astype(int), BINS - 1)
    lows, highs = _intervals(truths, index, groups, rounds)
    for number in range(BINS):
        inside = index == number
        count = int(inside.sum())
        yield CalibrationBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=count,
            mean=float(values[inside].mean()) if count else nan,
            share=float(truths[inside].mean()) if count else nan,
            share_low=float(lows[number]),
            share_high=float(highs[number]),
        )


def _intervals(
    truths: Truths, index: NDArray[np.intp], groups: Sequence[str], rounds: int
) -> tuple[Floats, Floats]:
    """Return the 95 % interval of each bin's share of positives over resampled groups; NaN if one
    group has all of a bin's rows."""
    _, members = np.unique(np.asarray(groups), return_inverse=True)
    size = int(members.max()) + 1
    counts, found = np.zeros((size, BINS)), np.zeros((size, BINS))
    np.add.at(counts, (members, index), 1)
    np.add.at(found, (members, index), truths)
    drawn = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), rounds)
    with np.errstate(invalid="ignore"):
        shares = (drawn @ found) / (drawn @ counts)
    lows, highs = np.full(BINS, nan), np.full(BINS, nan)
    for number in range(BINS):
        known = shares[:, number][~np.isnan(shares[:, number])]
        if len(known) and np.count_nonzero(counts[:, number]) > 1:
            lows[number], highs[number] = np.percentile(known, (2.5, 97.5))
    return lows, highs

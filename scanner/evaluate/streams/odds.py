"""Fits ``a`` and ``b`` of the risk: how much likelier a level is where the label is present, ``ln
ratio = a level + b``.

Fitted on samples of labelled streams by logistic regression, with equal weight for both classes and
for every group within a class, so that the prior of the assembled streams drops out and the
policy's live prior can take its place. Samples in the seconds after an event belong to neither
class, because the level has memory. Photographs belong to neither, because they say nothing about
how a level moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scanner.evaluate.measures import Floats, Interval
from scanner.evaluate.streams.folding import place_of
from scanner.evaluate.streams.levels import compute_levels
from scanner.evaluate.streams.pieces import FootageKind
from scanner.evaluate.streams.sweep import Candidate, LabelMaterial

__all__ = ["MIN_GROUPS", "Odds", "fit_odds"]

MIN_GROUPS: Final = 20
"""Groups that each class must have: with fewer scenes, the line describes those scenes."""
MIN_SLOPE: Final = 0.1
"""A flatter line says nothing about the level."""
ROUNDS: Final = 200
STEPS: Final = 50
RIDGE: Final = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The fitted line, and whether it is better than none."""

    a: Interval
    b: Interval
    """Both with 95 % intervals by bootstrap over groups."""
    loss: float
    """Mean log loss in nats at even odds, on groups that had no part in the fit; chance is ln 2 =
    0.693."""
    plain_loss: float
    """The loss of a = 1, b = 0."""
    groups: tuple[int, int]
    """With the label and without it."""

    @property
    def is_supported(self) -> bool:
        """Whether the footage supports the fit: enough groups, a slope that is surely positive, and
        a lower loss than without a fit."""
        return (
            min(self.groups) >= MIN_GROUPS
            and self.a.low > MIN_SLOPE
            and self.loss < self.plain_loss
        )


@dataclass(frozen=True, slots=True)
class _Windows:
    """One level for each sample."""

    levels: Floats
    true: NDArray[np.bool_]
    groups: NDArray[np.intp]
    folds: NDArray[np.intp]

    def of(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> _Windows:
        return _Windows(self.levels[index], self.true[index], self.groups[index], self.folds[index])


def fit_odds(
    material: LabelMaterial, candidate: Candidate, *, rounds: int = ROUNDS, seed: int = 0
) -> Odds:
    """Fit the line of a label under one method."""
    windows = _read_windows(material, candidate)
    counts = (
        len(np.unique(windows.groups[windows.true])),
        len(np.unique(windows.groups[~windows.true])),
    )
    if min(counts) < 2:
        nothing = Interval(value=nan, low=nan, high=nan)
        return Odds(a=nothing, b=nothing, loss=nan, plain_loss=nan, groups=counts)
    line = _fit_line(windows)
    drawn = np.array(list(_bootstrap_lines(windows, rounds, np.random.default_rng(seed))))
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    a, b = (
        Interval(value=float(line[i]), low=float(low[i]), high=float(high[i])) for i in range(2)
    )
    return Odds(
        a=a,
        b=b,
        loss=_held_out_loss(windows),
        plain_loss=_line_loss(windows, np.array([1.0, 0.0])),
        groups=counts,
    )


def _read_windows(material: LabelMaterial, candidate: Candidate) -> _Windows:
    rows = list(_window_rows(material, candidate))
    names = sorted({group for _, _, group, _ in rows})
    number = {name: index for index, name in enumerate(names)}
    return _Windows(
        np.array([level for level, _, _, _ in rows]),
        np.array([true for _, true, _, _ in rows], dtype=np.bool_),
        np.array([number[group] for _, _, group, _ in rows], dtype=np.intp),
        np.array([fold for _, _, _, fold in rows], dtype=np.intp),
    )


def _window_rows(
    material: LabelMaterial, candidate: Candidate
) -> Iterator[tuple[float, bool, str, int]]:
    """Yield level, presence of the label, group and fold: within events, and on moving safe
    footage."""
    policy = candidate.apply_to(material.policy)
    for stream, samples in material.samples:
        found = compute_levels(samples, policy)
        for at, level in zip(found.at, found.levels, strict=True):
            if level is None:
                continue
            when = Fraction(at, 1000)
            if stream.event is not None:
                if (
                    stream.event.shown is not FootageKind.PHOTOGRAPHS
                    and stream.event.span.start <= when < stream.event.span.end
                ):
                    yield level, True, stream.event.group, stream.fold
                continue
            place = place_of(stream, when)
            piece = stream.placed[place].piece
            if (
                piece.kind is not FootageKind.PHOTOGRAPHS
                and (stream.name, place) in material.places
            ):
                yield level, False, piece.group, stream.fold


def _fit_line(windows: _Windows) -> Floats:
    """Fit a logistic regression by Newton's method, with a small ridge so that separable classes
    converge."""
    x = np.column_stack([windows.levels, np.ones_like(windows.levels)])
    weights, line = _weights(windows), np.array([1.0, 0.0])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-np.clip(x @ line, -40, 40)))
        slope = x.T @ (weights * (windows.true - p)) - RIDGE * line
        bend = (x * (weights * p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(2)
        step = np.linalg.solve(bend, slope)
        line = line + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    return line


def _weights(windows: _Windows) -> Floats:
    """Return weights that are equal for every group of a class and for both classes."""
    weights = np.zeros(len(windows.levels))
    for true in (True, False):
        of = windows.true == true
        _, member, sizes = np.unique(windows.groups[of], return_inverse=True, return_counts=True)
        if len(sizes):
            weights[of] = 0.5 / (sizes[member] * len(sizes))
    return weights


def _bootstrap_lines(
    windows: _Windows, rounds: int, random: np.random.Generator
) -> Iterator[Floats]:
    """Yield the lines of resampled groups."""
    members = [
        np.flatnonzero(windows.groups == group) for group in range(int(windows.groups.max()) + 1)
    ]
    both = [
        [rows for rows in members if len(rows) and windows.true[rows].any() == true]
        for true in (True, False)
    ]
    for _ in range(rounds):
        index = [
            rows for of in both for rows in (of[i] for i in random.integers(0, len(of), len(of)))
        ]
        renamed = np.concatenate([np.full(len(rows), number) for number, rows in enumerate(index)])
        drawn = windows.of(np.concatenate(index))
        yield _fit_line(_Windows(drawn.levels, drawn.true, renamed, drawn.folds))


def _held_out_loss(windows: _Windows) -> float:
    lines = np.zeros((len(windows.levels), 2))
    for fold in np.unique(windows.folds):
        lines[windows.folds == fold] = _fit_line(windows.of(windows.folds != fold))
    return _mean_loss(windows, lines[:, 0] * windows.levels + lines[:, 1])


def _line_loss(windows: _Windows, line: Floats) -> float:
    return _mean_loss(windows, line[0] * windows.levels + line[1])


def _mean_loss(windows: _Windows, logits: Floats) -> float:
    signed = np.where(windows.true, logits, -logits)
    return float(np.sum(_weights(windows) * np.logaddexp(0.0, -signed)))

"""Risk over time: recorded while a stream runs, thinned for people, its peaks kept.

Thinning divides the time between the first and the last instant into equal stretches and keeps the
highest risk of each, at its own time.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import isnan, nan
from typing import Final

from scanner.types import Label

__all__ = ["MOST_POINTS", "MOST_RECORDED", "RiskRecorder", "RiskSeries", "thin"]

MOST_POINTS: Final = 600
"""Points of one label and path in a report: more than a screen can show, in some tens of
kilobytes."""
MOST_RECORDED: Final = 4096
"""Points of one label that are held while a stream runs; with more, the older ones are thinned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSeries:
    """One label's risk over time."""

    at: tuple[float, ...]
    """Seconds, in order."""
    risk: tuple[float, ...]
    """In [0, 1]; a probability only where the label's policy is fitted."""
    level: tuple[float | None, ...]
    """Log-odds of the evidence; None where too little was seen to know."""

    def __post_init__(self) -> None:
        if not len(self.at) == len(self.risk) == len(self.level):
            raise ValueError("a series must have as many times as risks and levels")
        if any(later < earlier for earlier, later in pairwise(self.at)):
            raise ValueError("a series must be in order of time")


def thin(series: RiskSeries, most: int = MOST_POINTS) -> RiskSeries:
    """Return the series with at most ``most`` points.

    The first and last points are always among them.
    """
    kept = _peaks(series.at, series.risk, most)
    return RiskSeries(
        at=tuple(series.at[index] for index in kept),
        risk=tuple(series.risk[index] for index in kept),
        level=tuple(series.level[index] for index in kept),
    )


def _peaks(
    at: array[float] | tuple[float, ...], risk: array[float] | tuple[float, ...], most: int
) -> list[int]:
    """Return the indices of the points that thinning keeps."""
    if len(at) <= most:
        return list(range(len(at)))
    last = len(at) - 1
    length = (at[last] - at[0]) / (most - 2) or 1.0
    highest: dict[int, int] = {}
    for index in range(1, last):
        stretch = min(int((at[index] - at[0]) / length), most - 3)
        if stretch not in highest or risk[index] > risk[highest[stretch]]:
            highest[stretch] = index
    return [0, *highest.values(), last]


@dataclass(slots=True)
class _Columns:
    """The points of one label; eight bytes a value."""

    at: array[float] = field(default_factory=lambda: array("d"))
    risk: array[float] = field(default_factory=lambda: array("d"))
    level: array[float] = field(default_factory=lambda: array("d"))
    """NaN where the level is not known."""

    def append(self, at: float, risk: float, level: float | None) -> None:
        if self.at and self.at[-1] == at:
            for column in (self.at, self.risk, self.level):
                column.pop()
        self.at.append(at)
        self.risk.append(risk)
        self.level.append(nan if level is None else level)

    def thin(self, most: int) -> None:
        kept = _peaks(self.at, self.risk, most)
        self.at = array("d", (self.at[index] for index in kept))
        self.risk = array("d", (self.risk[index] for index in kept))
        self.level = array("d", (self.level[index] for index in kept))


class RiskRecorder:
    """Records the risk of every label of one stream.

    Every sample is kept up to ``most`` of them. Beyond that, the points so far are thinned to half
    as many whenever the number is reached, so that memory stays bounded and no peak is lost.
    """

    def __init__(self, most: int = MOST_RECORDED) -> None:
        self._most = most
        self._labels: dict[Label, _Columns] = {}

    def add(
        self, at: Fraction, risks: Mapping[Label, float], levels: Mapping[Label, float | None]
    ) -> None:
        """Add the risk after one sample; a second one at the same instant replaces the first."""
        for label, risk in risks.items():
            columns = self._labels.setdefault(label, _Columns())
            columns.append(float(at), risk, levels.get(label))
            if len(columns.at) > self._most:
                columns.thin(self._most // 2)

    def series(self, most: int = MOST_POINTS) -> dict[Label, RiskSeries]:
        """Return each label's risk over time with at most ``most`` points."""
        return {label: thin(_series(columns), most) for label, columns in self._labels.items()}


def _series(columns: _Columns) -> RiskSeries:
    return RiskSeries(
        at=tuple(columns.at),
        risk=tuple(columns.risk),
        level=tuple(None if isnan(level) else level for level in columns.level),
    )

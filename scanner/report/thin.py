"""Fewer points, the same peaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scanner.report.nouns import RiskPoint

__all__ = ["MOST_POINTS", "Series", "series"]

MOST_POINTS = 600
"""Of one label and path: more than a screen can show, and an hour in some tens of kilobytes."""


class Series(NamedTuple):
    """One label's risk over time."""

    at: tuple[float, ...]
    risk: tuple[float, ...]
    level: tuple[float | None, ...]
    """None where too little was seen to know."""


def series(points: Sequence[RiskPoint], label: str, most: int = MOST_POINTS) -> Series:
    """The label's risk at up to ``most`` instants: the highest of each of as many equal stretches,
    at its own time.

    The first and last instants are always among them.
    """
    known = [point for point in points if label in point.risk]
    if len(known) > most:
        known = _peaks(known, label, most)
    return Series(
        at=tuple(point.at for point in known),
        risk=tuple(point.risk[label] for point in known),
        level=tuple(point.level.get(label) for point in known),
    )


def _peaks(points: Sequence[RiskPoint], label: str, most: int) -> list[RiskPoint]:
    first, *inner, last = points
    length = (last.at - first.at) / (most - 2) or 1.0
    highest: dict[int, RiskPoint] = {}
    for point in inner:
        stretch = min(int((point.at - first.at) / length), most - 3)
        if stretch not in highest or point.risk[label] > highest[stretch].risk[label]:
            highest[stretch] = point
    return [first, *highest.values(), last]

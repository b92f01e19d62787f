"""The rate at which segments get verdicts, from readings of a counter."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["Pace"]

SPAN: Final = 10.0
"""Least seconds between two readings that a pace is taken from."""
MEMORY: Final = 20.0
"""Seconds for which a pace counts: longer than a driver takes to start, so that a restart does not
look like a slow machine, and short enough to notice a machine that became slow."""


class Pace:
    """The best pace of the last half minute, in segments a second.

    It is the best one because slower spans say little: less may have arrived, or a process was
    being started again.
    """

    def __init__(self) -> None:
        self._readings: deque[tuple[float, float]] = deque()
        self._paces: deque[tuple[float, float]] = deque()

    def observe(self, at: float, total: float) -> float | None:
        """Take a reading of the total at a monotonic time; return the pace, None if it is not
        known yet.

        >>> pace = Pace()
        >>> [pace.observe(at, total) for at, total in [(0.0, 100), (10.0, 150), (20.0, 160)]]
        [None, 5.0, 5.0]
        """
        self._readings.append((at, total))
        while len(self._readings) > 1 and self._readings[1][0] <= at - SPAN:
            self._readings.popleft()
        began, before = self._readings[0]
        if at - began >= SPAN:
            self._paces.append((at, (total - before) / (at - began)))
        while self._paces and self._paces[0][0] < at - MEMORY:
            self._paces.popleft()
        return max((pace for _, pace in self._paces), default=None)

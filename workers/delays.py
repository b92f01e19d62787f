"""Delays of segments, from their acknowledgement to their committed score, by stage."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["Delays", "Progress"]

KEPT: Final = 4096
"""Latest delays that are kept for quantiles."""
KEPT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """When a segment reached a stage, in seconds since the epoch."""

    received: float
    """It was acknowledged."""
    placed: float
    """It got its place among the turns, and was handed to the workers."""


class Delays:
    """Delays of the last minute; safe to use from several threads."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._delays: deque[tuple[float, Progress]] = deque(maxlen=KEPT)

    def add(self, progress: Progress) -> None:
        """Add a segment of which the score has just been committed."""
        now = self._now()
        with self._lock:
            self._delays.append((now, progress))

    def quantiles(self) -> dict[str, float]:
        """Return the median, the 95th percentile and the highest delay in seconds, and the first
        two of each stage: ``waiting`` for a place, ``working`` from then on. Empty without any.
        """
        since = self._now() - KEPT_SECONDS
        with self._lock:
            recent = [(at, one) for at, one in self._delays if at >= since]
        if not recent:
            return {}
        whole = _ordered([at - one.received for at, one in recent])
        waiting = _ordered([one.placed - one.received for _, one in recent])
        working = _ordered([at - one.placed for at, one in recent])
        return {
            **_quantiles(whole),
            "max": whole[-1],
            **_quantiles(waiting, "waiting_"),
            **_quantiles(working, "working_"),
        }


def _ordered(delays: Sequence[float]) -> list[float]:
    return sorted(max(0.0, delay) for delay in delays)


def _quantiles(ordered: Sequence[float], stage: str = "") -> dict[str, float]:
    last = len(ordered) - 1
    return {
        f"{stage}p50": ordered[round(0.5 * last)],
        f"{stage}p95": ordered[round(0.95 * last)],
    }

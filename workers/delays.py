"""Delays of segments, from their acknowledgement to their committed score."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

__all__ = ["Delays"]

KEPT: Final = 4096
"""Latest delays that are kept for quantiles."""
KEPT_SECONDS: Final = 60.0


class Delays:
    """Delays of the last minute; safe to use from several threads."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._delays: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def add(self, received: float) -> None:
        """Add a segment that was acknowledged at ``received``, in seconds since the epoch."""
        now = self._now()
        with self._lock:
            self._delays.append((now, max(0.0, now - received)))

    def quantiles(self) -> dict[str, float]:
        """Return the median, the 95th percentile and the highest delay in seconds; empty without
        any."""
        since = self._now() - KEPT_SECONDS
        with self._lock:
            ordered = sorted(delay for at, delay in self._delays if at >= since)
        if not ordered:
            return {}
        last = len(ordered) - 1
        return {
            "p50": ordered[round(0.5 * last)],
            "p95": ordered[round(0.95 * last)],
            "max": ordered[last],
        }

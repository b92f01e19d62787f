"""Time as it passes for the sources that wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["WallClock"]


@dataclass(frozen=True, slots=True)
class WallClock:
    """Time as two functions, so that a test can run hours in no time."""

    now: Callable[[], float] = time.monotonic
    """Returns seconds since any fixed moment."""
    sleep: Callable[[float], None] = time.sleep

"""The clock of whoever fetches, as two functions, so that a test can run hours in no time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Pace"]


@dataclass(frozen=True, slots=True)
class Pace:
    """What time it is, and how to wait."""

    now: Callable[[], float] = time.monotonic
    """Seconds from any fixed moment."""
    sleep: Callable[[float], None] = time.sleep

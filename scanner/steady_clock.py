"""Whether the wall clock can be trusted to tell ages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["ClockWatch"]

JUMP_SECONDS: Final = 10.0
"""A wall clock that moves this much against the monotonic one has jumped: less than the shortest
age that means something, beyond which live streams would seem to be silent."""
STEADY_SECONDS: Final = 600.0
"""Time after a jump without another one, after which the wall clock is trusted again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockWatch:
    """The difference of the two clocks, as it was last trusted or seen to jump."""

    offset: float
    """Wall-clock time less monotonic time, in seconds."""
    jumped_at: float | None = None
    """Monotonic time of the latest jump; None while the wall clock is trusted."""

    @property
    def is_steady(self) -> bool:
        """Whether rules that depend on ages may be applied."""
        return self.jumped_at is None

    def observe(self, wall: float, monotonic: float) -> ClockWatch:
        """Return the watch after one more reading of both clocks.

        >>> watch = ClockWatch(offset=1000.0)
        >>> watch.observe(1010.0, 10.0).is_steady
        True
        >>> watch.observe(4610.0, 10.0).is_steady
        False
        """
        offset = wall - monotonic
        if abs(offset - self.offset) > JUMP_SECONDS:
            return replace(self, offset=offset, jumped_at=monotonic)
        if self.jumped_at is not None and monotonic - self.jumped_at >= STEADY_SECONDS:
            return ClockWatch(offset=offset)
        return self

"""From a container's time stamps to ticks that only go forward. Pure: integers in, integers out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from scanner.types import NEVER_WRAPS

__all__ = ["Placed", "Timeline"]

_SILENCE_SECONDS = 10
"""Where the container has a running clock, a longer step either way is a jump (FFmpeg's
``dts_delta_threshold``)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one packet lies."""

    ticks: int
    """On a line that wraps and jumps have been taken out of; the source's first packet lies near
    its own time stamp."""
    raw: int
    """The time stamp as the container has it."""
    jump: bool
    """The clock does not continue here; the packet follows directly on the last one's end."""


class Timeline:
    """Follows one track's clock in the order of its packets."""

    def __init__(
        self, time_base: Fraction, *, wrap_bits: int = NEVER_WRAPS, running: bool = False
    ) -> None:
        self._modulus = 0 if wrap_bits >= NEVER_WRAPS else 1 << wrap_bits
        self._silence = (
            _SILENCE_SECONDS // time_base if running else None
        )  # whole ticks: each packet is compared, and fractions are slow
        self._newest: Placed | None = None
        self._before = 0
        self._duration = 0

    @property
    def end(self) -> int:
        """Where the newest frame ends, in ticks; one that does not say lasts as long as the one
        before it."""
        if self._newest is None:
            return 0
        return self._newest.ticks + (self._duration or self._newest.ticks - self._before)

    def place(self, pts: int | None, *, duration: int, keyframe: bool) -> Placed:
        """The packet's place; one without a time stamp follows the newest frame."""
        newest = self._newest
        if newest is None:
            return self._advance(self._first(pts), duration)
        if pts is None:
            return self._advance(
                Placed(self.end, self._raw(newest.raw + self.end - newest.ticks), False), duration
            )
        delta = self._difference(pts, newest.raw)
        if self._jumps(delta, keyframe):
            return self._advance(Placed(self.end, self._raw(pts), True), duration)
        placed = Placed(newest.ticks + delta, self._raw(pts), False)
        if delta > 0:
            return self._advance(placed, duration)
        self._before = max(self._before, placed.ticks) if delta < 0 else self._before
        return placed

    def _first(self, pts: int | None) -> Placed:
        raw = self._raw(pts or 0)
        return Placed(raw, raw, False)

    def _raw(self, pts: int) -> int:
        return pts % self._modulus if self._modulus else pts

    def _difference(self, later: int, earlier: int) -> int:
        if not self._modulus:
            return later - earlier
        half = self._modulus // 2
        return (later - earlier + half) % self._modulus - half

    def _jumps(self, delta: int, keyframe: bool) -> bool:
        """A keyframe is shown after all that came before it; other frames may be shown earlier, but
        not by much."""
        if delta < 0 and keyframe:
            return True
        return self._silence is not None and abs(delta) > self._silence

    def _advance(self, placed: Placed, duration: int) -> Placed:
        self._before = (
            self._newest.ticks if self._newest is not None and not placed.jump else placed.ticks
        )
        self._newest, self._duration = placed, max(0, duration)
        return placed

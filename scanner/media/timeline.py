"""From a container's time stamps to ticks that only go forward. Pure: integers in, integers out."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Placed", "Timeline"]

_REORDER_SECONDS = 2
"""A frame may come this much after one that is shown later; more is a jump of the clock."""
_SILENCE_SECONDS = 10
"""Where the container has a running clock, a longer step forward is a jump (FFmpeg's ``dts_delta_threshold``)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where one packet lies."""

    ticks: int
    """On a line that wraps and jumps have been taken out of; the source's first packet lies near its own time stamp."""
    raw: int
    """The time stamp as the container has it."""
    jump: bool
    """The clock does not continue here; the packet follows directly on the last one's end."""


class Timeline:
    """Follows one track's clock in the order of its packets."""

    def __init__(self, time_base: Fraction, *, wrap_bits: int = 64, running: bool = False) -> None:
        self._modulus = 0 if wrap_bits >= 64 else 1 << wrap_bits
        self._reorder = _REORDER_SECONDS / time_base
        self._silence = _SILENCE_SECONDS / time_base if running else None
        self._step = 0
        self._newest: Placed | None = None

    @property
    def end(self) -> int:
        """Where the newest frame ends, in ticks."""
        return self._newest.ticks + self._step if self._newest is not None else 0

    def place(self, pts: int | None, *, duration: int, keyframe: bool) -> Placed:
        """The packet's place; one without a time stamp follows the newest frame."""
        newest = self._newest
        if newest is None:
            return self._advance(self._first(pts), duration)
        if pts is None:
            return self._advance(Placed(self.end, self._raw(newest.raw + self._step), False), duration)
        delta = self._difference(pts, newest.raw)
        if self._jumps(delta, keyframe):
            return self._advance(Placed(self.end, self._raw(pts), True), duration)
        placed = Placed(newest.ticks + delta, self._raw(pts), False)
        return self._advance(placed, duration) if delta > 0 else placed

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
        if delta < 0:
            return keyframe or -delta > self._reorder
        return self._silence is not None and delta > self._silence

    def _advance(self, placed: Placed, duration: int) -> Placed:
        if duration > 0:
            self._step = duration
        elif self._newest is not None and not placed.jump:
            self._step = placed.ticks - self._newest.ticks
        self._newest = placed
        return placed

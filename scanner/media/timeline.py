"""Convert a container's time stamps to ticks that only move forward. Pure: integers in and out.

The cases in the order in which they are tested. ``newest`` is the packet that is shown last so far,
``delta`` the signed distance of a time stamp from that of ``newest``, modulo the counter's width:

    packet                                  its ticks                 becomes newest
    ------------------------------------    ----------------------    --------------
    the first one                           its own time stamp        yes
    no time stamp                           end of newest             yes
    not shown (an edit list leaves it out)  newest + delta            no
    keyframe, delta < 0                     end of newest, a jump     yes
    not 10 s from before the last pause     before the pause          no
    running clock, delta > 10 s, a pause    newest + delta            yes
    running clock, abs(delta) > 10 s        end of newest, a jump     yes
    delta > 0                               newest + delta            yes
    delta <= 0 (reordered, a B-frame)       newest + delta            no
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from scanner.types import NEVER_WRAPS

__all__ = ["SILENCE_SECONDS", "IsPause", "PacketTime", "Timeline"]

SILENCE_SECONDS: Final = 10
"""Where the container has a running clock, a longer step either way is a jump (FFmpeg's
``dts_delta_threshold``)."""
IsPause = Callable[[int, int, int], bool]
"""Tells whether a step is a pause of the pictures, from the time stamps of the source's first
picture, of the one before the step and of the one after it."""


@dataclass(frozen=True, slots=True)
class PacketTime:
    """Time of one packet, as the container has it and on the timeline."""

    ticks: int
    """Ticks on the timeline, without wraps and jumps; the source's first packet lies near its own
    time stamp."""
    raw: int
    """Time stamp as the container has it."""
    jump: bool
    """True if the clock does not continue here; the packet then follows the last one's end."""
    pause: int = 0
    """Ticks before it for which no picture came, although the clock went on."""


class Timeline:
    """Follows one track's clock in the order of its packets."""

    def __init__(
        self,
        time_base: Fraction,
        *,
        wrap_bits: int = NEVER_WRAPS,
        running: bool = False,
        is_pause: IsPause | None = None,
    ) -> None:
        """``running``: the container's clock runs on from before the source. ``is_pause`` decides
        about its long steps; without it, all of them are jumps."""
        self._modulus = 0 if wrap_bits >= NEVER_WRAPS else 1 << wrap_bits
        self._silence = (
            SILENCE_SECONDS // time_base if running else None
        )  # whole ticks: each packet is compared, and fractions are slow
        self._is_pause = is_pause
        self._zero = 0
        self._paused: PacketTime | None = None
        """The newest frame before the latest pause: frames next to it may come after the pause."""
        self._newest: PacketTime | None = None
        self._before = 0
        self._duration = 0

    @property
    def end(self) -> int:
        """Tick at which the newest frame ends.

        A frame without a duration lasts as long as the one before it.
        """
        if self._newest is None:
            return 0
        return self._newest.ticks + (self._duration or self._newest.ticks - self._before)

    def place(
        self, pts: int | None, *, duration: int, keyframe: bool, hidden: bool = False
    ) -> PacketTime:
        """Return the packet's time; a packet without a time stamp follows the newest frame.

        A ``hidden`` one is decoded and not shown: its time stamp may be anywhere.
        """
        newest = self._newest
        if newest is None:
            return self._advance(self._first(pts), duration)
        if pts is None:
            return self._advance(
                PacketTime(self.end, self._wrap(newest.raw + self.end - newest.ticks), False),
                duration,
            )
        delta = self._difference(pts, newest.raw)
        if hidden:
            return PacketTime(newest.ticks + delta, self._wrap(pts), False)
        if self._is_jump(delta, keyframe):
            return self._step(newest, pts, delta, duration=duration, keyframe=keyframe)
        time = PacketTime(newest.ticks + delta, self._wrap(pts), False)
        if delta > 0:
            return self._advance(time, duration)
        self._before = max(self._before, time.ticks) if delta < 0 else self._before
        return time

    def _first(self, pts: int | None) -> PacketTime:
        raw = self._zero = self._wrap(pts or 0)
        return PacketTime(raw, raw, False)

    def _step(
        self, newest: PacketTime, pts: int, delta: int, *, duration: int, keyframe: bool
    ) -> PacketTime:
        """Return the time of a packet after a long step: a pause, or a jump."""
        raw = self._wrap(pts)
        if self._paused is not None and not keyframe:
            distance = self._difference(pts, self._paused.raw)
            if abs(distance) <= (self._silence or 0):
                return PacketTime(self._paused.ticks + distance, raw, False)
        if delta > 0 and self._is_pause is not None and self._is_pause(self._zero, newest.raw, raw):
            ticks, self._paused = newest.ticks + delta, newest
            return self._advance(PacketTime(ticks, raw, False, pause=ticks - self.end), duration)
        self._paused = None
        return self._advance(PacketTime(self.end, raw, True), duration)

    def _wrap(self, pts: int) -> int:
        return pts % self._modulus if self._modulus else pts

    def _difference(self, later: int, earlier: int) -> int:
        if not self._modulus:
            return later - earlier
        half = self._modulus // 2
        return (later - earlier + half) % self._modulus - half

    def _is_jump(self, delta: int, keyframe: bool) -> bool:
        """Return whether the clock jumps.

        A keyframe is shown after everything before it; other frames may be shown earlier, but not
        by much.
        """
        if delta < 0 and keyframe:
            return True
        return self._silence is not None and abs(delta) > self._silence

    def _advance(self, time: PacketTime, duration: int) -> PacketTime:
        self._before = (
            self._newest.ticks if self._newest is not None and not time.jump else time.ticks
        )
        self._newest, self._duration = time, max(0, duration)
        return time

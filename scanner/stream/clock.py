"""Places segments on the stream's clock: the one place where raw time stamps become seconds of the
stream.

A stream's clock starts at 0 with the first frame of its first segment and never runs backwards. It
is made of *epochs*: stretches in which ``at = pts x time base + shift`` holds with one shift. A
counter that wraps stays in its epoch. A flagged discontinuity or an unflagged jump starts a new
one, placed at the expected end of what came before; so segments that each start at 0 (plain MP4)
lie one after another.

What counts as a jump follows FFmpeg's own limits (``-dts_delta_threshold``,
``-dts_error_threshold``): a wrapping counter (MPEG-TS) is expected to jump now and then, a
container's own 64-bit timeline is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any, Final

from scanner.rational import dump_fraction, load_fraction
from scanner.types import NEVER_WRAPS, SegmentTimes, Span

__all__ = ["Clock", "place", "place_late", "place_picture", "trailing"]

JUMP_WRAPPING: Final = Fraction(10)
"""A first frame further than this after the expected end is a jump, where the counter wraps (fewer
than 64 bits)."""
JUMP_TIMELINE: Final = Fraction(30 * 3600)
"""The same for 64-bit time stamps: a long hole in a file is a hole."""
MISSING_ROOM: Final = Fraction(60)
"""Each missing sequence may have been this long, beyond the limit above."""
MISSING_ESTIMATED: Final = 10
"""Where time stamps start anew after missing sequences, at most so many are given the last
segment's length."""
FINEST: Final = 10**12
"""A shift with a larger denominator is rounded up to a nanosecond, so that a stream that changes
its time base for ever cannot make its fractions grow for ever. One time base, or a few ordinary
ones, never gets there."""
NANOSECOND: Final = Fraction(1, 10**9)


_TIMES: Final = ("shift", "last", "end", "length")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Where a stream stands: all that is needed to place its next segment; part of the checkpoint."""

    sequence: int = -1
    """Of the last segment placed; -1 before the first."""
    shift: Fraction = Fraction(0)
    """Stream seconds less unwrapped PTS seconds, in the present epoch."""
    last: Fraction = Fraction(0)
    """When the last frame so far is shown."""
    end: Fraction = Fraction(0)
    """When the next segment is expected to begin."""
    length: Fraction = Fraction(0)
    """Seconds that the last segment took."""

    def to_json(self) -> dict[str, Any]:
        """Return the clock as ``json.dumps`` takes it."""
        times = {name: dump_fraction(getattr(self, name)) for name in _TIMES}
        return {"sequence": self.sequence, **times}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Clock:
        """Return the clock that ``to_json`` wrote, equal to the bit."""
        times = {name: load_fraction(data[name]) for name in _TIMES}
        return cls(sequence=data["sequence"], **times)


def place(
    clock: Clock, times: SegmentTimes, *, sequence: int, discontinuity: bool
) -> tuple[Clock, Fraction]:
    """The stream second at which the segment's first frame is shown, and the clock after it.

    Segments must come in order of their sequence. One that is missing leaves its hole when time
    stamps continue; when they start anew, the hole is an estimate: as long as the segment before
    it.

    Raises:
        ValueError: the sequence is not above the last one placed.
    """
    if sequence <= clock.sequence:
        raise ValueError(
            f"sequence {sequence} is placed after {clock.sequence}; reorder segments first"
        )
    missing = sequence - clock.sequence - 1 if clock.sequence >= 0 else 0
    offset = (
        _continued(clock, times, missing) if clock.sequence >= 0 and not discontinuity else None
    )
    if offset is None:
        offset = _bounded(clock.end + min(missing, MISSING_ESTIMATED) * clock.length)
    length = max(times.duration, _to_last(times))
    after = Clock(
        sequence=sequence,
        shift=offset - times.first_pts * times.time_base,
        last=offset + _to_last(times),
        end=offset + length,
        length=length,
    )
    return after, offset


def place_picture(clock: Clock, *, sequence: int, length: Fraction) -> tuple[Clock, Fraction]:
    """Return the clock after a picture that stands for one segment, and the picture's stream second.

    A picture has no time stamps: it is shown where the segment before it ended, and the epoch stays
    as it is, so that the next segment's time stamps continue.

    Raises:
        ValueError: the sequence is not above the last one placed.
    """
    if sequence <= clock.sequence:
        raise ValueError(
            f"sequence {sequence} is placed after {clock.sequence}; reorder segments first"
        )
    end = _bounded(clock.end + length)
    after = replace(clock, sequence=sequence, last=clock.end, end=end, length=length)
    return after, clock.end


def place_late(shift: Fraction, times: SegmentTimes, *, near: Fraction) -> Fraction:
    """Return the stream second of a segment's first frame in an epoch that is over.

    A counter that wraps is unwrapped to the period nearest to ``near``.
    """
    offset = times.first_pts * times.time_base + shift
    if times.wrap_bits < NEVER_WRAPS:
        period = 2**times.wrap_bits * times.time_base
        offset += round((near - offset) / period) * period
    return offset


def trailing(clock: Clock, sequence: int) -> Span:
    """The hole at a stream's end, where sequences up to ``sequence`` were announced or failed and
    none was placed: an estimate, as above.

    >>> trailing(Clock(sequence=4, end=Fraction(10), length=Fraction(2)), 6)
    Span(start=Fraction(10, 1), end=Fraction(14, 1))
    """
    missing = max(sequence - clock.sequence, 0) if clock.sequence >= 0 else 0
    return Span(
        start=clock.end, end=_bounded(clock.end + min(missing, MISSING_ESTIMATED) * clock.length)
    )


def _continued(clock: Clock, times: SegmentTimes, missing: int) -> Fraction | None:
    """Where the present epoch puts the first frame, or None where that is a jump or would run
    backwards."""
    offset = times.first_pts * times.time_base + clock.shift
    wraps = times.wrap_bits < NEVER_WRAPS
    if wraps:
        period = 2**times.wrap_bits * times.time_base
        offset += round((clock.end - offset) / period) * period
    furthest = clock.end + (JUMP_WRAPPING if wraps else JUMP_TIMELINE) + missing * MISSING_ROOM
    return offset if clock.last <= offset <= furthest else None


def _to_last(times: SegmentTimes) -> Fraction:
    """Seconds from the first frame to the last one's start; the counter may have wrapped between
    them."""
    ticks = times.last_pts - times.first_pts
    if times.wrap_bits < NEVER_WRAPS:
        ticks %= 2**times.wrap_bits
    return max(ticks, 0) * times.time_base


def _bounded(at: Fraction) -> Fraction:
    if at.denominator <= FINEST:
        return at
    return ceil(at / NANOSECOND) * NANOSECOND

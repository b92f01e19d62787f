"""Places segments on the stream's clock: the one place where raw time stamps become seconds of the
stream.

A stream's clock starts at 0 with the first frame of its first segment and never runs backwards. It
is made of *epochs*: stretches in which ``at = pts x time base + shift`` holds with one shift. A
counter that wraps stays in its epoch. A flagged discontinuity or an unflagged jump starts a new
one, placed at the expected end of what came before; so segments that each start at 0 (plain MP4)
lie one after another.

A sequence that leaves nothing to place is missing. Where its sender declared its duration, the hole
is that long unless time stamps tell otherwise; a discontinuity that it had applies to the next
segment that is placed.

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

__all__ = ["Clock", "add_missing", "place", "place_late", "place_picture", "trailing"]

JUMP_WRAPPING: Final = Fraction(10)
"""A first frame further than this after the expected end is a jump, where the counter wraps (fewer
than 64 bits)."""
JUMP_TIMELINE: Final = Fraction(30 * 3600)
"""The same for 64-bit time stamps: a long hole in a file is a hole."""
MISSING_ROOM: Final = Fraction(60)
"""Each missing sequence without a declared duration may have been this long, beyond the limit
above."""
MISSING_ESTIMATED: Final = 10
"""Where time stamps start anew after missing sequences, at most this many of those without a
declared duration are given the last segment's length."""
FINEST: Final = 10**12
"""A shift with a larger denominator is rounded up to a nanosecond, so that a stream that changes
its time base for ever cannot make its fractions grow for ever. One time base, or a few ordinary
ones, never gets there."""
NANOSECOND: Final = Fraction(1, 10**9)


_TIMES: Final = ("shift", "last", "end", "length", "room", "declared")


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
    room: Fraction = Fraction(0)
    """Seconds that the sender declared of the last segment beyond ``length``: it sent no pictures
    there, so that the next segment may begin that much later."""
    declared: Fraction = Fraction(0)
    """Seconds that the sender declared of sequences that are missing since the last segment."""
    declared_count: int = 0
    """Number of those sequences."""
    discontinuity: bool = False
    """True if one of the sequences that are missing began with a discontinuity."""

    def to_json(self) -> dict[str, Any]:
        """Return the clock as ``json.dumps`` takes it."""
        times = {name: dump_fraction(getattr(self, name)) for name in _TIMES}
        return {
            "sequence": self.sequence,
            **times,
            "declared_count": self.declared_count,
            "discontinuity": self.discontinuity,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Clock:
        """Return the clock that ``to_json`` wrote, equal to the bit."""
        times = {name: load_fraction(data[name]) for name in _TIMES}
        return cls(
            sequence=data["sequence"],
            **times,
            declared_count=data["declared_count"],
            discontinuity=data["discontinuity"],
        )


def add_missing(
    clock: Clock, *, sequence: int, duration: Fraction | None, discontinuity: bool
) -> Clock:
    """Return the clock with what the sender declared of a sequence that leaves nothing to place.

    A sequence that is not above the last one placed changes nothing: its hole has its place.
    """
    if sequence <= clock.sequence:
        return clock
    return replace(
        clock,
        declared=_bounded(clock.declared + (duration or 0)),
        declared_count=clock.declared_count + (duration is not None),
        discontinuity=clock.discontinuity or discontinuity,
    )


def place(
    clock: Clock,
    times: SegmentTimes,
    *,
    sequence: int,
    discontinuity: bool,
    declared: Fraction | None = None,
) -> tuple[Clock, Fraction]:
    """The stream second at which the segment's first frame is shown, and the clock after it.

    Segments must come in order of their sequence. One that is missing leaves its hole when time
    stamps continue; when they start anew, the hole is as long as its sender declared, or an
    estimate: as long as the segment before it. ``declared`` is the segment's duration according to
    its sender.

    Raises:
        ValueError: the sequence is not above the last one placed.
    """
    if sequence <= clock.sequence:
        raise ValueError(
            f"sequence {sequence} is placed after {clock.sequence}; reorder segments first"
        )
    is_new_epoch = clock.sequence < 0 or discontinuity or clock.discontinuity
    offset = None if is_new_epoch else _continued(clock, times, sequence)
    if offset is None:
        offset = _hole_end(clock, sequence)
    length = max(times.duration, _to_last(times))
    after = Clock(
        sequence=sequence,
        shift=offset - times.first_pts * times.time_base,
        last=offset + _to_last(times),
        end=offset + length,
        length=length,
        room=max((declared or Fraction(0)) - length, Fraction(0)),
    )
    return after, offset


def place_picture(
    clock: Clock, *, sequence: int, length: Fraction, discontinuity: bool = False
) -> tuple[Clock, Fraction]:
    """Return the clock after a picture that stands for one segment, and the picture's stream second.

    A picture has no time stamps: it is shown where the segment before it ended, after the declared
    length of what is missing. The epoch stays as it is, so that the next segment's time stamps
    continue, unless that segment or the picture begins with a discontinuity.

    Raises:
        ValueError: the sequence is not above the last one placed.
    """
    if sequence <= clock.sequence:
        raise ValueError(
            f"sequence {sequence} is placed after {clock.sequence}; reorder segments first"
        )
    start = _bounded(clock.end + clock.declared)
    after = replace(
        clock,
        sequence=sequence,
        last=start,
        end=_bounded(start + length),
        length=length,
        room=Fraction(0),
        declared=Fraction(0),
        declared_count=0,
        discontinuity=clock.discontinuity or discontinuity,
    )
    return after, start


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
    none was placed: as long as declared, or an estimate, as above.

    >>> trailing(Clock(sequence=4, end=Fraction(10), length=Fraction(2)), 6)
    Span(start=Fraction(10, 1), end=Fraction(14, 1))
    """
    return Span(start=clock.end, end=_hole_end(clock, sequence + 1))


def _hole_end(clock: Clock, sequence: int) -> Fraction:
    """Where the hole before ``sequence`` ends, as far as time stamps do not tell."""
    estimated = min(_undeclared(clock, sequence), MISSING_ESTIMATED) * clock.length
    return _bounded(clock.end + clock.declared + estimated)


def _undeclared(clock: Clock, sequence: int) -> int:
    """Number of sequences missing before ``sequence`` of which no duration is known."""
    if clock.sequence < 0:
        return 0
    return max(sequence - clock.sequence - 1 - clock.declared_count, 0)


def _continued(clock: Clock, times: SegmentTimes, sequence: int) -> Fraction | None:
    """Where the present epoch puts the first frame, or None where that is a jump or would run
    backwards."""
    offset = times.first_pts * times.time_base + clock.shift
    wraps = times.wrap_bits < NEVER_WRAPS
    if wraps:
        period = 2**times.wrap_bits * times.time_base
        offset += round((clock.end - offset) / period) * period
    room = clock.room + clock.declared + _undeclared(clock, sequence) * MISSING_ROOM
    furthest = clock.end + (JUMP_WRAPPING if wraps else JUMP_TIMELINE) + room
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

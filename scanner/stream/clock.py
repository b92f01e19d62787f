"""The stream's clock: raw time stamps of segments become seconds of the stream (invariant "Stream
time comes from the data").

The clock starts at 0 with the first frame of the first segment and never runs backwards. It
consists of *epochs*, in which ``at = pts x time base + shift`` holds with one shift:

    the first segment                                  starts an epoch at 0
    a time stamp near the expected end, or a hole      stays in the epoch
    a counter that wraps                               stays in the epoch
    a short step back                                  stays in the epoch
    a flagged discontinuity, a jump, a step back       starts an epoch at the expected end

So segments that each start at 0 (plain MP4) lie one after another. The limits of a jump are those
of FFmpeg (``-dts_delta_threshold``, ``-dts_error_threshold``): a counter that wraps (MPEG-TS) may
jump, while the 64-bit timeline of a container is trusted.

A sequence without a decoded frame is missing. If its sender declared a duration, the hole is that
long unless time stamps continue. A discontinuity of it applies to the next segment that is placed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any, Final

from scanner.rational import dump_fraction, load_fraction
from scanner.types import NEVER_WRAPS, SegmentTimes, Span

__all__ = [
    "OVERLAP",
    "Clock",
    "add_missing",
    "is_gap_before",
    "place",
    "place_late",
    "place_picture",
    "trailing",
]

JUMP_WRAPPING: Final = Fraction(10)
"""A first frame further than this after the expected end is a jump, where the counter wraps (fewer
than 64 bits)."""
JUMP_TIMELINE: Final = Fraction(30 * 3600)
"""The same limit for 64-bit time stamps, where a long hole is a hole."""
OVERLAP: Final = Fraction(1, 2)
"""Seconds, and at most half of a segment, by which the next one may begin before its last frame: a
packager that cuts between any two packets leaves frames that are shown earlier in the next
segment."""
MISSING_LENGTH: Final = Fraction(60)
"""Length that a missing sequence without a declared duration may have had, added to the limit
above."""
MISSING_ESTIMATED: Final = 10
"""Missing sequences without a declared duration that are estimated with the last segment's length,
where time stamps start anew."""
FINEST: Final = 10**12
"""A shift with a larger denominator is rounded up to a nanosecond, so that a stream that keeps
changing its time base cannot make its fractions grow without limit. One time base, or a few
ordinary ones, never reach it."""
NANOSECOND: Final = Fraction(1, 10**9)


_TIMES: Final = ("shift", "last", "end", "length", "undecoded", "declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The values that are needed to place a stream's next segment; part of the checkpoint."""

    sequence: int = -1
    """Sequence of the last segment placed; -1 before the first."""
    shift: Fraction = Fraction(0)
    """Stream seconds minus unwrapped PTS seconds, in the current epoch."""
    last: Fraction = Fraction(0)
    """Time of the last frame so far."""
    end: Fraction = Fraction(0)
    """Time at which the next segment is expected to begin."""
    length: Fraction = Fraction(0)
    """Seconds of the last segment."""
    undecoded: Fraction = Fraction(0)
    """Seconds that the sender declared of the last segment beyond ``length``: it has no frames
    there, so the next segment may begin that much later."""
    declared: Fraction = Fraction(0)
    """Seconds that the sender declared of sequences missing since the last segment."""
    declared_count: int = 0
    """Number of the sequences with these declared seconds."""
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
    """Return the clock with the duration and discontinuity that the sender declared of a missing
    sequence.

    A sequence that is not above the last one placed changes nothing: its hole is placed already.
    """
    if sequence <= clock.sequence:
        return clock
    return replace(
        clock,
        declared=_round_up(clock.declared + (duration or 0)),
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
    """Return the clock after a segment, and the stream second of the segment's first frame.

    Segments must come in order of their sequence. Where time stamps continue after missing ones,
    the hole between them is exact; where they start anew, it is as long as the sender declared, or
    estimated with the length of the segment before it. ``declared`` is the segment's duration
    according to its sender.

    Raises:
        ValueError: the sequence is not above the last one placed.
    """
    if sequence <= clock.sequence:
        raise ValueError(
            f"sequence {sequence} is placed after {clock.sequence}; reorder segments first"
        )
    is_new_epoch = clock.sequence < 0 or discontinuity or clock.discontinuity
    offset = None if is_new_epoch else _continue_epoch(clock, times, sequence)
    if offset is None:
        offset = _hole_end(clock, sequence)
    length = max(times.duration, times.seconds_to_last)
    after = Clock(
        sequence=sequence,
        shift=offset - times.first_pts * times.time_base,
        last=max(offset + times.seconds_to_last, clock.last),
        end=max(offset + length, clock.end),
        length=length,
        undecoded=max((declared or Fraction(0)) - length, Fraction(0)),
    )
    return after, offset


def is_gap_before(clock: Clock, sequence: int, hole: Span) -> bool:
    """Return whether nothing of the hole before a segment was shown: a sequence is missing, or
    pictures paused for longer than one is left on screen. A shorter hole lies between samples."""
    return sequence > clock.sequence + 1 or hole.length > JUMP_WRAPPING


def place_picture(
    clock: Clock, *, sequence: int, length: Fraction, discontinuity: bool = False
) -> tuple[Clock, Fraction]:
    """Return the clock after a segment that is one picture, and the picture's stream second.

    A picture has no time stamps: it is shown where the segment before it ended, after the declared
    length of missing sequences. The epoch stays as it is, so that the next segment's time stamps
    continue, unless that segment or the picture begins with a discontinuity.

    Raises:
        ValueError: the sequence is not above the last one placed.
    """
    if sequence <= clock.sequence:
        raise ValueError(
            f"sequence {sequence} is placed after {clock.sequence}; reorder segments first"
        )
    start = _round_up(clock.end + clock.declared)
    after = replace(
        clock,
        sequence=sequence,
        last=start,
        end=_round_up(start + length),
        length=length,
        undecoded=Fraction(0),
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
    """Return the hole at a stream's end, where later sequences up to ``sequence`` were announced or
    failed and none was placed; its length is declared or estimated as in ``place``.

    >>> trailing(Clock(sequence=4, end=Fraction(10), length=Fraction(2)), 6)
    Span(start=Fraction(10, 1), end=Fraction(14, 1))
    """
    return Span(start=clock.end, end=_hole_end(clock, sequence + 1))


def _hole_end(clock: Clock, sequence: int) -> Fraction:
    """Return the end of the hole before ``sequence``, where time stamps do not continue."""
    estimated = min(_count_undeclared(clock, sequence), MISSING_ESTIMATED) * clock.length
    return _round_up(clock.end + clock.declared + estimated)


def _count_undeclared(clock: Clock, sequence: int) -> int:
    """Return the number of missing sequences before ``sequence`` without a declared duration."""
    if clock.sequence < 0:
        return 0
    return max(sequence - clock.sequence - 1 - clock.declared_count, 0)


def _continue_epoch(clock: Clock, times: SegmentTimes, sequence: int) -> Fraction | None:
    """Return where the current epoch places the first frame, or None if that is a jump or a step
    back."""
    offset = times.first_pts * times.time_base + clock.shift
    wraps = times.wrap_bits < NEVER_WRAPS
    if wraps:
        period = 2**times.wrap_bits * times.time_base
        offset += round((clock.end - offset) / period) * period
    missing = clock.undecoded + clock.declared + _count_undeclared(clock, sequence) * MISSING_LENGTH
    furthest = clock.end + (JUMP_WRAPPING if wraps else JUMP_TIMELINE) + missing
    continues = offset >= clock.last or offset > clock.last - min(OVERLAP, clock.length / 2)
    return offset if continues and offset <= furthest else None


def _round_up(at: Fraction) -> Fraction:
    if at.denominator <= FINEST:
        return at
    return ceil(at / NANOSECOND) * NANOSECOND

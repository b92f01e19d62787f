"""Which turns of a stream come next, decided from the rows that the journal has of it.

Pure: the caller reads the clock. What is decided is recorded before it is acted upon, so it is
decided once, whichever process asks again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from scanner.stream.order import Missing, Release, TurnOrder

__all__ = ["DeclaredEnd", "NextTurns", "WaitingSegment", "next_turns"]

END_GRACE_SECONDS: Final = 5.0
"""Wait for segments that are still on their way, after an end that does not name the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSegment:
    """A segment that arrived and has no place among the turns yet."""

    sequence: int
    arrived: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredEnd:
    """The end of a stream, as its sender declared it."""

    last_sequence: int | None
    """The last sequence of the stream; None where the sender did not say."""
    declared: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTurns:
    """The decision: what comes next, and the order after it."""

    order: TurnOrder
    """To be stored; what still waits is not part of it, because the journal has it."""
    releases: tuple[Release, ...]
    ends: bool
    """True if the end of the stream follows these releases."""


def next_turns(
    order: TurnOrder,
    waiting: Iterable[WaitingSegment],
    end: DeclaredEnd | None,
    *,
    now: float,
    wait_seconds: float,
) -> NextTurns:
    """Decide which of the waiting segments come next, which are missing, and whether to end.

    A hole is given up after ``order.patience`` later segments, or once a later one has waited
    ``wait_seconds``. With a declared end, what is missing before it is given up as long after the
    end was declared; without a last sequence, ``END_GRACE_SECONDS`` after it.
    """
    current = replace(order, wait_seconds=wait_seconds, waiting=())
    releases: list[Release] = []
    for one in sorted(waiting, key=lambda segment: (segment.arrived, segment.sequence)):
        current, released = current.add(one.sequence, now=one.arrived)
        releases += released
    while True:
        current, released = current.expire(now=now)
        if not released:
            break
        releases += released
    ends = end is not None and _is_over(current, end, now, wait_seconds)
    if end is not None and ends:
        current, released = current.end()
        releases += released
        current, tail = _give_up_tail(current, end)
        releases += tail
    return NextTurns(order=replace(current, waiting=()), releases=tuple(releases), ends=ends)


def _is_over(order: TurnOrder, end: DeclaredEnd, now: float, wait_seconds: float) -> bool:
    if end.last_sequence is None:
        return now - end.declared >= END_GRACE_SECONDS
    complete = order.next is not None and order.next > end.last_sequence
    return complete or now - end.declared >= wait_seconds


def _give_up_tail(order: TurnOrder, end: DeclaredEnd) -> tuple[TurnOrder, tuple[Release, ...]]:
    """Return the sequences up to the declared last one as missing, if none of them arrived."""
    first = order.next or 0
    if end.last_sequence is None or first > end.last_sequence:
        return order, ()
    tail = Missing(first=first, last=end.last_sequence)
    missing = (*order.missing, (first, end.last_sequence))
    return replace(order, next=end.last_sequence + 1, missing=missing), (tail,)

"""How a publication stalls and ends, and what becomes of all that waits then."""

from __future__ import annotations

from typing import Final

from scanner.ingest.decisions import ChannelChanged, PlaceLost, PublicationEnded
from scanner.ingest.placing import (
    PointWork,
    give_up_awaited,
    is_chosen,
    place,
    settle,
    settle_all,
)
from scanner.ingest.point import PublishingPoint, WaitingForInit

__all__ = ["enter_phase", "lose_without_init", "settle_ending", "stall_or_end", "stall_seconds"]

STALL_SECONDS: Final = 15.0
STALL_TARGETS: Final = 3
DISCONNECT_SECONDS: Final = 60.0
END_SECONDS: Final = 10.0


def enter_phase(work: PointWork, phase: str) -> None:
    """Change the phase, now."""
    work.set(phase=phase, phase_at=work.point.now)


def lose_without_init(work: PointWork, one: WaitingForInit) -> None:
    """State the gap of a segment that nothing can decode."""
    work.set(waiting=tuple(o for o in work.point.waiting if o.sequence != one.sequence))
    settle(work, one.held.number, "no_init")
    work.decide(
        PlaceLost(
            sequence=one.sequence,
            duration=one.duration,
            discontinuity=one.discontinuity,
            reason="undecodable",
            kind="no_init",
            message=f"segment {one.held.path}: its init segment never arrived",
        )
    )


def stall_seconds(point: PublishingPoint) -> float:
    """Return how long nothing may come until a channel is stalled."""
    return max(STALL_TARGETS * point.target_seconds, STALL_SECONDS)


def stall_or_end(work: PointWork, uploads: frozenset[str] | None) -> None:
    """Let a silent publication stall, and end one that is over."""
    point = work.point
    if point.phase == "ending":
        if point.now - point.phase_at >= END_SECONDS:
            settle_ending(work)
            _end(work, "ended")
        return
    if point.phase in ("probing", "live") and not uploads:
        wait = stall_seconds(point)
        if point.now - point.moved_at >= wait:
            # Stalled since then, however late it is noticed: what an encoder that was away for
            # minutes sends is a new publication.
            work.set(phase="stalled", phase_at=point.moved_at + wait)
            work.decide(ChannelChanged(state="stalled"))
    stalled = work.point.now - work.point.phase_at
    if work.point.phase == "stalled" and stalled >= DISCONNECT_SECONDS:
        settle_ending(work)
        _end(work, "disconnected")


def settle_ending(work: PointWork) -> None:
    """Give up what is awaited, and settle what is held: the last segments of an encoder that ended
    before their playlist are placed by arrival."""
    give_up_awaited(work, work.point.awaited)
    for one in work.point.waiting:
        lose_without_init(work, one)
    for held in work.point.held:
        is_passed = work.point.is_listed and held.number < work.point.newest
        chosen = is_chosen(work.point, held.path)
        if is_passed or held.same or chosen is False or (work.point.is_listed and not chosen):
            settle_all(work, (held,), "unlisted")
        else:
            place(work, held)
    for one in work.point.waiting:
        lose_without_init(work, one)


def _end(work: PointWork, reason: str) -> None:
    enter_phase(work, "ended")
    last = work.point.sequence - 1
    work.decide(
        PublicationEnded(last_sequence=None if last < 0 else last, reason=reason)  # type: ignore[arg-type]
    )
    work.decide(ChannelChanged(state="ended"))

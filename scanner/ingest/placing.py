"""Steps that the rules of a publishing point share: giving sequences, losing, settling.

One input is folded by a ``PointWork``, which collects the next state and what was decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Final

from scanner.ingest.decisions import (
    ObjectOutcome,
    ObjectSettled,
    PlaceLost,
    PlaceSegment,
    PointDecision,
)
from scanner.ingest.naming import choose_init, series_of
from scanner.ingest.point import (
    AwaitedSegment,
    HeldObject,
    KnownRendition,
    PublishingPoint,
    WaitingForInit,
)

__all__ = [
    "PATHS_KEPT",
    "PointWork",
    "await_segment",
    "give_up_awaited",
    "is_chosen",
    "lose",
    "note_rendition",
    "place",
    "place_waiting",
    "settle",
    "settle_all",
]

PATHS_KEPT: Final = 64
"""Paths that are remembered as placed or lost."""


@dataclass(slots=True)
class PointWork:
    """The fold of one input: the state so far, and the decisions in order."""

    point: PublishingPoint
    decisions: list[PointDecision] = field(default_factory=list)

    def set(self, **changes: Any) -> None:
        """Change fields of the state."""
        self.point = replace(self.point, **changes)

    def decide(self, decision: PointDecision) -> None:
        """Add a decision."""
        self.decisions.append(decision)

    def take_sequence(self) -> int:
        """Return the stream's next sequence, and count it."""
        sequence = self.point.sequence
        self.set(sequence=sequence + 1)
        return sequence

    def take_break(self, declared: bool) -> bool:
        """Return whether the next segment begins with a discontinuity, once."""
        breaks = declared or self.point.breaks
        self.set(breaks=False)
        return breaks


def settle(work: PointWork, number: int, outcome: ObjectOutcome) -> None:
    """Decide that an object is no segment of the stream."""
    work.decide(ObjectSettled(number=number, outcome=outcome))


def settle_all(work: PointWork, objects: tuple[HeldObject, ...], outcome: ObjectOutcome) -> None:
    """Settle objects that are held, and hold them no more."""
    numbers = {one.number for one in objects}
    work.set(held=tuple(one for one in work.point.held if one.number not in numbers))
    for one in objects:
        settle(work, one.number, "same" if one.same else outcome)


def place(
    work: PointWork,
    held: HeldObject,
    *,
    sequence: int | None = None,
    duration: Fraction | None = None,
    discontinuity: bool = False,
    init: str | None = None,
) -> None:
    """Give a segment that arrived its sequence: a reserved one, or the next."""
    work.set(
        held=tuple(one for one in work.point.held if one.number != held.number),
        newest=max(work.point.newest, held.number),
    )
    if sequence is None:
        sequence = work.take_sequence()
        discontinuity = work.take_break(discontinuity)
    if held.problem is not None:
        settle(work, held.number, "unselected" if held.problem == "unselected" else "refused")
        work.decide(
            _unseen(held, sequence=sequence, duration=duration, discontinuity=discontinuity)
        )
        return
    waiting = WaitingForInit(
        held=held,
        sequence=sequence,
        duration=duration,
        discontinuity=discontinuity,
        init=init or _rendition_init(work.point, held.path),
        since=held.at,
    )
    work.set(waiting=(*work.point.waiting, waiting))
    place_waiting(work)


def _unseen(
    held: HeldObject, *, sequence: int, duration: Fraction | None, discontinuity: bool
) -> PlaceLost:
    """Return the gap of a segment whose bytes were not kept."""
    unselected = held.problem == "unselected"
    return PlaceLost(
        sequence=sequence,
        duration=duration,
        discontinuity=discontinuity,
        reason="not_scanned" if unselected else "undecodable",
        kind=None if unselected else held.problem,
        message="" if unselected else f"object {held.path}: not kept ({held.problem})",
    )


def _rendition_init(point: PublishingPoint, path: str) -> str | None:
    known = point.rendition_of(series_of(path))
    return None if known is None else known.init


def place_waiting(work: PointWork) -> None:
    """Place the segments whose init segment is there, or that need none."""
    left: list[WaitingForInit] = []
    for one in work.point.waiting:
        init = None
        if one.held.needs_init:
            init = choose_init(
                work.point.inits, named=one.init, segment=one.held.path, after=one.held.after
            )
            if init is None:
                left.append(one)
                continue
        work.decide(
            PlaceSegment(
                number=one.held.number,
                sequence=one.sequence,
                duration=one.duration,
                discontinuity=one.discontinuity,
                init=None if init is None else init.number,
            )
        )
    work.set(waiting=tuple(left))


def await_segment(
    work: PointWork,
    *,
    path: str,
    duration: Fraction | None,
    discontinuity: bool,
    init: str | None,
) -> None:
    """Reserve the next sequence for a segment that is named and has not arrived."""
    awaited = AwaitedSegment(
        path=path,
        sequence=work.take_sequence(),
        duration=duration,
        discontinuity=work.take_break(discontinuity),
        init=init,
        since=work.point.now,
    )
    work.set(awaited=(*work.point.awaited, awaited))


def lose(work: PointWork, *, duration: Fraction | None, discontinuity: bool = False) -> None:
    """Give the next sequence to a gap."""
    work.decide(
        PlaceLost(
            sequence=work.take_sequence(),
            duration=duration,
            discontinuity=work.take_break(discontinuity),
        )
    )


def give_up_awaited(work: PointWork, given_up: tuple[AwaitedSegment, ...]) -> None:
    """State gaps for segments that were named and did not come."""
    numbers = {one.sequence for one in given_up}
    work.set(
        awaited=tuple(one for one in work.point.awaited if one.sequence not in numbers),
        lost=(*work.point.lost, *(one.path for one in given_up))[-PATHS_KEPT:],
    )
    for one in given_up:
        work.decide(
            PlaceLost(sequence=one.sequence, duration=one.duration, discontinuity=one.discontinuity)
        )


def is_chosen(point: PublishingPoint, path: str) -> bool | None:
    """Return whether a segment is of the rendition that is scanned; None while nothing tells."""
    chosen = None if point.chosen is None else point.rendition(point.chosen)
    if chosen is None or not chosen.series:
        return None
    series = series_of(path)
    if series in chosen.series:
        return True
    return False if point.rendition_of(series) is not None else None


def note_rendition(work: PointWork, rendition: KnownRendition) -> None:
    """Add a rendition, or replace the one of its name."""
    known = {one.name: one for one in work.point.renditions}
    known[rendition.name] = rendition
    work.set(renditions=tuple(known.values())[-RENDITIONS_KEPT:])


RENDITIONS_KEPT: Final = 64
"""Renditions of a channel; beyond them the one that was noted first is forgotten."""

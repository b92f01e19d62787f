"""The decision about a stream's next turns: what the journal records, and what is dispatched.

Pure: rows and the time come in.

    declared or lowest sequence   the first turn
    in order                      the next turn
    reported as lost              a gap of its declared length, in its place
    behind a hole                 waits; the hole is given up by count or by time
    given up, then arrived        late: scored and recorded, not folded
    history of the channel        before the first turn
    signal, further history       before the next segment, or after 5 s without one
    waited too long               shed: a gap; twice as long in a stream with an open incident
    after the end has its place   late, without a turn
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from scanner.rational import load_optional
from scanner.risk.incident import PastIncident
from scanner.risk.observation import Signal
from scanner.store.channel_history import HISTORY
from scanner.store.objects import ObjectStore
from scanner.store.outcomes import SegmentVerdict
from scanner.store.pending import PendingMark, PendingSegment, PendingStream
from scanner.store.turns import AssignedTurn, Assignment
from scanner.stream.inputs import (
    EndTurn,
    HistoryTurn,
    Job,
    LostTurn,
    MissingTurn,
    SegmentTurn,
    SignalTurn,
    StallTurn,
    Turn,
)
from scanner.stream.next_turns import DeclaredEnd, NextTurns, WaitingSegment, next_turns
from scanner.stream.order import Late, Missing, TurnOrder
from scanner.stream.run import extend_recent
from scanner.types import Segment, SegmentKey, StreamId

__all__ = [
    "NEVER",
    "DecideRules",
    "Decision",
    "add_previous",
    "decide",
    "placed_turns",
    "recent_segments",
    "stall",
]

MOST_AT_ONCE: Final = 64
"""Segments of one stream that get places at once, so that a backlog does not delay others."""
SHED: Final = {"shed": True}
"""The level of a segment that is shed: recorded, so that every retry does the same."""
SIGNAL_SECONDS: Final = 5.0
"""Longest wait of a signal for a segment that it is folded with."""
NO_AGE: Final = 1e9
"""Seconds that no segment waits."""
LONE_POINTS: Final = 5
"""Points that quarantine a segment: it has them for deaths of all workers while it was all the work
of one, and no other segment under suspicion was at work."""
COMPARED_POINTS: Final = 3
"""Points for a death before which the workers had finished other work: two are enough. Without
that, which has one point, something else may end whatever begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideRules:
    """The settings that a decision depends on."""

    patience: int
    """Later segments after which a missing one is given up."""
    hole_seconds: float
    """Least time that a segment waits for a missing one."""
    max_age: float
    """Seconds after which a waiting segment is shed; of a stream with an open incident, twice as
    many."""

    @property
    def without_ages(self) -> DecideRules:
        """The rules while the wall clock cannot be trusted: nothing depends on an age."""
        return replace(self, hole_seconds=NO_AGE, max_age=NO_AGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The entries that the journal gets of a stream, and its turns to dispatch, in the same
    order."""

    assignment: Assignment
    turns: tuple[Turn, ...]


def decide(
    stream: PendingStream, rules: DecideRules, objects: ObjectStore, *, now: float
) -> Decision | None:
    """Decide the next turns of a stream; None if nothing is due."""
    if stream.phase == "finished" or (stream.order is not None and stream.order.ended):
        return _close_leftovers(stream)
    chosen = sorted(stream.segments, key=lambda one: one.sequence)[:MOST_AT_ONCE]
    is_all = len(chosen) == len(stream.segments)
    lost = _lost_by_sequence(stream, None if is_all else chosen[-1].sequence)
    waiting = (
        *(WaitingSegment(sequence=one.sequence, arrived=one.received_at) for one in chosen),
        *(WaitingSegment(sequence=n, arrived=one.created_at) for n, one in lost.items()),
    )
    end = _declared_end(stream) if is_all else None
    wait = max(rules.hole_seconds, 2 * (stream.target_duration or 0.0))
    decided = next_turns(_order(stream, rules), waiting, end, now=now, wait_seconds=wait)
    signals = _due_signals(stream, decided, now)
    if not (decided.releases or decided.ends or signals):
        return None
    by_sequence = {one.sequence: one for one in chosen}
    places, unfolded = _places(stream, decided, signals, by_sequence, lost, rules, now)
    assignment = Assignment(
        stream_id=stream.stream_id,
        shard=stream.shard,
        order=decided.order,
        turns=(*places, *unfolded),
    )
    turns = tuple(_turn(stream, place, by_sequence, objects) for place in places)
    return Decision(assignment=assignment, turns=turns)


def _places(
    stream: PendingStream,
    decided: NextTurns,
    signals: Iterable[PendingMark],
    rows: Mapping[int, PendingSegment],
    lost: Mapping[int, PendingMark],
    rules: DecideRules,
    now: float,
) -> tuple[list[AssignedTurn], list[AssignedTurn]]:
    """Return the places of what is released, and the marks that get none: their gap was stated
    before they came."""
    places: list[AssignedTurn] = []
    if stream.history is not None:
        places.append(AssignedTurn(turn=stream.assigned, new_mark=(HISTORY, stream.history)))
    for mark in signals:
        places.append(AssignedTurn(turn=stream.assigned + len(places), mark=mark.number))
    unfolded: list[AssignedTurn] = []
    for release in decided.releases:
        number = stream.assigned + len(places)
        if isinstance(release, Missing):
            body = {"first": release.first, "last": release.last}
            places.append(AssignedTurn(turn=number, new_mark=("missing", body)))
        elif release.sequence in rows:
            row, late = rows[release.sequence], isinstance(release, Late)
            most = rules.max_age * (2 if stream.open_incidents else 1)
            level = SHED if now - row.received_at > most else None
            places.append(AssignedTurn(turn=number, sequence=row.sequence, late=late, level=level))
        elif isinstance(release, Late):
            unfolded.append(AssignedTurn(turn=NEVER, mark=lost[release.sequence].number))
        else:
            places.append(AssignedTurn(turn=number, mark=lost[release.sequence].number))
    if decided.ends:
        number = stream.assigned + len(places)
        places.append(AssignedTurn(turn=number, mark=_end_mark(stream)))
    return places, unfolded


def _due_signals(stream: PendingStream, decided: NextTurns, now: float) -> list[PendingMark]:
    """Return the signals, and what became known of the channel, that are folded now: with what
    else is, or because they have waited."""
    waiting = [mark for mark in stream.marks if mark.kind in ("signal", HISTORY)]
    oldest = min((mark.created_at for mark in waiting), default=now)
    is_due = decided.releases or decided.ends or now - oldest >= SIGNAL_SECONDS
    return waiting if is_due else []


def _lost_by_sequence(stream: PendingStream, last: int | None) -> dict[int, PendingMark]:
    """Return the marks of lost segments up to a sequence, or all of them."""
    return {
        mark.body["sequence"]: mark
        for mark in stream.marks
        if mark.kind == "lost" and (last is None or mark.body["sequence"] <= last)
    }


def stall(stream: PendingStream, rules: DecideRules) -> Decision:
    """Return the decision that a stream has stalled."""
    place = AssignedTurn(turn=stream.assigned, new_mark=("stall", {}))
    assignment = Assignment(
        stream_id=stream.stream_id,
        shard=stream.shard,
        order=_order(stream, rules),
        turns=(place,),
    )
    return Decision(assignment=assignment, turns=(StallTurn(stream_id=StreamId(stream.stream_id)),))


def placed_turns(
    stream: PendingStream, rules: DecideRules, objects: ObjectStore
) -> Decision | None:
    """Return the turns that an earlier driver placed and did not commit, to be done again."""
    if stream.phase == "finished":  # earlier releases gave places after the end
        return _close_leftovers(stream)
    rows = {one.turn: one for one in stream.segments if one.turn is not None}
    noted = {one.turn: one for one in stream.marks if one.turn is not None}
    places: list[AssignedTurn] = []
    turns: list[Turn] = []
    for number in range(stream.turn, stream.assigned):
        if (row := rows.get(number)) is not None:
            place = AssignedTurn(turn=number, sequence=row.sequence, late=row.late, level=row.level)
            turns.append(_segment_turn(stream, place, row, objects))
        else:
            place = AssignedTurn(turn=number, mark=noted[number].number)
            turns.append(_mark_turn(stream, noted[number]))
        places.append(place)
    assignment = Assignment(
        stream_id=stream.stream_id,
        shard=stream.shard,
        order=_order(stream, rules),
        turns=tuple(places),
    )
    return Decision(assignment=assignment, turns=tuple(turns)) if turns else None


def recent_segments(
    stream_id: str, rows: Iterable[PendingSegment], objects: ObjectStore
) -> tuple[Segment, ...]:
    """Return the latest of a stream's segments that have places, without a hole between them;
    ``rows`` are in order."""
    recent: tuple[Segment, ...] = ()
    for row in rows:
        _, recent = extend_recent(recent, _segment(stream_id, row, objects))
    return recent


def add_previous(
    decision: Decision, recent: tuple[Segment, ...]
) -> tuple[Decision, tuple[Segment, ...]]:
    """Return the decision with the segments before each one, in which its decoding may begin, and
    those before the stream's next one. ``recent`` are those before the decision."""
    turns: list[Turn] = []
    for turn in decision.turns:
        if isinstance(turn, SegmentTurn) and not (turn.late or turn.job.windowed):
            before, recent = extend_recent(recent, turn.job.segment)
            turns.append(replace(turn, job=replace(turn.job, previous=before)))
        else:
            turns.append(turn)
    return replace(decision, turns=tuple(turns)), recent


def _close_leftovers(stream: PendingStream) -> Decision | None:
    """Give a verdict to segments that arrived after the end of their stream had its place: what
    would be folded after the end cannot be."""
    detail = {"kind": "stream_ended", "message": "arrived after the stream was finished"}
    closed = tuple(
        SegmentVerdict(sequence=one.sequence, verdict="late", detail=detail)
        for one in stream.segments
    )
    unfolded = tuple(AssignedTurn(turn=NEVER, mark=one.number) for one in stream.marks)
    if not closed and not unfolded:
        return None
    assignment = Assignment(
        stream_id=stream.stream_id,
        shard=stream.shard,
        order=stream.order or TurnOrder(),
        turns=unfolded,
        closed=closed,
    )
    return Decision(assignment=assignment, turns=())


NEVER: Final = -1
"""The place of a mark that is not folded, because it came after the end of its stream."""


def _order(stream: PendingStream, rules: DecideRules) -> TurnOrder:
    if stream.order is not None:
        return stream.order
    if stream.first_sequence is not None:
        return TurnOrder.starting_at(stream.first_sequence, patience=rules.patience)
    return TurnOrder(patience=rules.patience)


def _ends(stream: PendingStream) -> Iterator[PendingMark]:
    return (mark for mark in stream.marks if mark.kind == "end")


def _declared_end(stream: PendingStream) -> DeclaredEnd | None:
    for mark in _ends(stream):
        return DeclaredEnd(last_sequence=mark.body["last_sequence"], declared=mark.created_at)
    return None


def _end_mark(stream: PendingStream) -> int:
    return next(_ends(stream)).number


def _turn(
    stream: PendingStream,
    place: AssignedTurn,
    rows: Mapping[int, PendingSegment],
    objects: ObjectStore,
) -> Turn:
    if place.sequence is not None:
        return _segment_turn(stream, place, rows[place.sequence], objects)
    if place.new_mark is not None:
        kind, body = place.new_mark
        return _turn_of_mark(stream.stream_id, kind, body)
    return _mark_turn(stream, next(mark for mark in stream.marks if mark.number == place.mark))


def _segment_turn(
    stream: PendingStream, place: AssignedTurn, row: PendingSegment, objects: ObjectStore
) -> Turn:
    key = SegmentKey(stream_id=StreamId(stream.stream_id), sequence=row.sequence)
    if place.level == SHED:
        return LostTurn(
            key=key, reason="shed", duration=row.duration, discontinuity=row.discontinuity
        )
    if row.lone_deaths >= LONE_POINTS:
        return LostTurn(
            key=key,
            reason="quarantined",
            kind="quarantined",
            message=f"segment {key}: all workers ended with it again and again; set aside",
            duration=row.duration,
            discontinuity=row.discontinuity,
        )
    segment = _segment(stream.stream_id, row, objects)
    job = Job(segment=segment, name=f"segment {key}", windowed=stream.kind == "image")
    return SegmentTurn(job=job, late=place.late)


def _segment(stream_id: str, row: PendingSegment, objects: ObjectStore) -> Segment:
    return Segment(
        key=SegmentKey(stream_id=StreamId(stream_id), sequence=row.sequence),
        source=objects.path(row.object),
        init=None if row.init_object is None else objects.path(row.init_object),
        discontinuity=row.discontinuity,
        duration=row.duration,
    )


def _mark_turn(stream: PendingStream, mark: PendingMark) -> Turn:
    return _turn_of_mark(stream.stream_id, mark.kind, mark.body)


def _turn_of_mark(stream_id: str, kind: str, body: Mapping[str, Any]) -> Turn:
    stream = StreamId(stream_id)
    if kind == "missing":
        return MissingTurn(stream_id=stream, first=body["first"], last=body["last"])
    if kind == "lost":
        return LostTurn(
            key=SegmentKey(stream_id=stream, sequence=body["sequence"]),
            reason=body["reason"],
            kind=body["kind"],
            message=body["message"],
            duration=load_optional(body["duration"]),
            discontinuity=body["discontinuity"],
        )
    if kind == "signal":
        return SignalTurn(stream_id=stream, signal=Signal.from_json(body))
    if kind == HISTORY:
        past = tuple(PastIncident.from_json(one) for one in body["incidents"])
        return HistoryTurn(stream_id=stream, incidents=past)
    if kind == "stall":
        return StallTurn(stream_id=stream)
    if kind == "end":
        return EndTurn(stream_id=stream, path=f"stream {stream_id}")
    raise ValueError(
        f"stream {stream_id}: a mark must be missing, lost, signal, history, stall or end,"
        f" got {kind!r}"
    )

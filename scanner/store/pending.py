"""Streams with inputs that are not folded, as the driver reads them from the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select

from scanner.rational import load_optional
from scanner.store.schema import inits, marks, segments, streams
from scanner.stream.order import TurnOrder

__all__ = ["PendingMark", "PendingSegment", "PendingStream", "read_pending", "read_placed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSegment:
    """A segment, as the driver reads it."""

    sequence: int
    object: str
    init_object: str | None
    bytes: int
    discontinuity: bool
    duration: Fraction | None
    received_at: float
    turn: int | None
    late: bool
    tries: int
    lone_deaths: int
    level: Mapping[str, Any] | None
    """Sampling and bursts, as an earlier lease recorded them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMark:
    """An input that is no segment, and is not folded."""

    number: int
    kind: str
    body: Mapping[str, Any]
    created_at: float
    turn: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingStream:
    """A stream with inputs that are not folded."""

    stream_id: str
    shard: int
    kind: str
    channel: str | None
    order: TurnOrder | None
    """None before the first turn was assigned."""
    first_sequence: int | None
    assigned: int
    turn: int
    phase: str
    open_incidents: int
    target_duration: float | None
    """Seconds of its latest segment, as far as known."""
    segments: tuple[PendingSegment, ...]
    marks: tuple[PendingMark, ...]
    history: Mapping[str, Any] | None = None
    """Body of the mark with earlier incidents of its channel, which comes before its first turn;
    None if there are none, or the stream has it."""


def read_pending(
    connection: Connection, which: ColumnElement[bool], *, placed: bool, limit: int | None
) -> tuple[PendingStream, ...]:
    """Return the streams that ``which`` selects, those with open incidents first.

    ``placed`` chooses their inputs: those whose place is decided and that are not folded, or those
    whose place is not decided, of which there may be more than are returned.
    """
    chosen = connection.execute(
        select(streams)
        .where(which)
        .order_by((streams.c.open_incidents > 0).desc(), streams.c.last_arrival)
        .limit(limit)
    ).all()
    names = [row.stream_id for row in chosen]
    rows = _by_stream(connection.execute(_SEGMENTS[placed], {"names": names}).all())
    noted = _by_stream(connection.execute(_MARKS[placed], {"names": names}).all())
    return tuple(
        _pending_stream(row, rows.get(row.stream_id, []), noted.get(row.stream_id, []))
        for row in chosen
    )


def read_placed(
    connection: Connection, stream_id: str, *, first: int, last: int
) -> tuple[PendingSegment, ...]:
    """Return the segments of a stream from sequence ``first`` to ``last`` that had a place in
    order and whose bytes are there, in order."""
    names = {"name": stream_id, "first": first, "last": last}
    return tuple(_pending_segment(row) for row in connection.execute(_PLACED, names))


MOST_ROWS: Final = 8192
"""Segments that are read at once; the lowest sequences come first."""


def _segments_with_inits() -> Select[Any]:
    found = segments.outerjoin(
        inits,
        (inits.c.stream_id == segments.c.stream_id) & (inits.c.init_id == segments.c.init_id),
    )
    return select(segments, inits.c.object.label("init_object")).select_from(found)


def _segments(placed: bool) -> Select[Any]:
    return (
        _segments_with_inits()
        .where(
            segments.c.verdict.is_(None),
            segments.c.turn.is_not(None) if placed else segments.c.turn.is_(None),
            segments.c.stream_id.in_(bindparam("names", expanding=True)),
        )
        .order_by(segments.c.sequence)
        .limit(None if placed else MOST_ROWS)
    )


def _marks(placed: bool) -> Select[Any]:
    return (
        select(marks)
        .select_from(marks.join(streams, streams.c.stream_id == marks.c.stream_id))
        .where(
            marks.c.turn >= streams.c.turn if placed else marks.c.turn.is_(None),
            marks.c.stream_id.in_(bindparam("names", expanding=True)),
        )
        .order_by(marks.c.number)
    )


_SEGMENTS = {placed: _segments(placed) for placed in (False, True)}
_MARKS = {placed: _marks(placed) for placed in (False, True)}
_PLACED = (
    _segments_with_inits()
    .where(
        segments.c.stream_id == bindparam("name"),
        segments.c.sequence.between(bindparam("first"), bindparam("last")),
        segments.c.stage == "stored",
        segments.c.turn.is_not(None),
        segments.c.late.is_(False),
    )
    .order_by(segments.c.sequence)
)


def _by_stream(rows: Sequence[Row[Any]]) -> dict[str, list[Row[Any]]]:
    grouped: dict[str, list[Row[Any]]] = {}
    for row in rows:
        grouped.setdefault(row.stream_id, []).append(row)
    return grouped


def _pending_stream(
    row: Row[Any], rows: Sequence[Row[Any]], noted: Sequence[Row[Any]]
) -> PendingStream:
    order = None if row.ordering is None else TurnOrder.from_json(json.loads(row.ordering))
    found = tuple(_pending_segment(one) for one in rows)
    declared = [float(one.duration) for one in found if one.duration is not None]
    summary = {} if row.summary is None else json.loads(row.summary)
    return PendingStream(
        stream_id=row.stream_id,
        shard=row.shard,
        kind=row.kind,
        channel=row.channel,
        order=order,
        first_sequence=row.first_sequence,
        assigned=row.assigned,
        turn=row.turn,
        phase=row.phase,
        open_incidents=row.open_incidents,
        target_duration=max(declared) if declared else summary.get("segment_seconds"),
        segments=found,
        marks=tuple(
            PendingMark(
                number=one.number,
                kind=one.kind,
                body=json.loads(one.body),
                created_at=one.created_at,
                turn=one.turn,
            )
            for one in noted
        ),
    )


def _pending_segment(row: Row[Any]) -> PendingSegment:
    return PendingSegment(
        sequence=row.sequence,
        object=row.object,
        init_object=row.init_object,
        bytes=row.bytes,
        discontinuity=row.discontinuity,
        duration=None if row.duration is None else load_optional(json.loads(row.duration)),
        received_at=row.received_at,
        turn=row.turn,
        late=row.late,
        tries=row.tries,
        lone_deaths=row.lone_deaths,
        level=None if row.level is None else json.loads(row.level),
    )

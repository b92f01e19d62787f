"""Evidence, as the delivery process reads and writes it.

unplanned   incidents whose plan has not seen all turns of their stream
save_plan   how far an incident is planned, with the pieces that became due, in one commit
next_due    the piece to make next; ``begin`` counts the try before it starts
finish, postpone, fail    what became of the try
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, select, update

from scanner.records.events import unpack_events
from scanner.store.database import Journal
from scanner.store.due import is_due
from scanner.store.publication import append_events
from scanner.store.schema import (
    evidence,
    incident_revisions,
    incidents,
    inits,
    segments,
    streams,
    turn_records,
)
from scanner.store.writes import add_to_counters
from scanner.stream.events import SegmentScored, StreamEvent

__all__ = [
    "DuePiece",
    "EvidenceJournal",
    "MadePiece",
    "PlannedEvidence",
    "StoredSource",
    "UnplannedIncident",
]

ROUNDING: Final = 0.01
"""Seconds by which rounded stream times may differ from the exact ones."""
PAGE: Final = 256
MOST_SOURCES: Final = 1024
"""Segments whose records are read for one piece; of more, an even selection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnplannedIncident:
    """An incident whose plan has not seen all turns of its stream."""

    incident_id: str
    stream_id: str
    channel: str | None
    shard: int
    plan: Mapping[str, Any] | None
    """None before the first turn."""
    next_turn: int
    """The first turn that the plan has not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEvidence:
    """The plan of an incident after some more turns."""

    incident: UnplannedIncident
    plan: Mapping[str, Any]
    next_turn: int
    """The first turn that the plan has not seen now."""
    is_complete: bool
    """Whether nothing more becomes due."""
    due: Mapping[str, Mapping[str, Any]]
    """Pieces that became due, by name."""
    left_out: str | None = None
    """Reason why a part of the incident has no clip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePiece:
    """A piece of evidence that is to be made now."""

    incident_id: str
    piece: str
    shard: int
    stream_id: str
    channel: str | None
    due: Mapping[str, Any]
    tries: int
    """Tries before this one."""
    spent: float
    """Seconds that all tries of the incident took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePiece:
    """A file that is durable in the object store."""

    piece: str
    object: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSource:
    """A segment that was scored and whose bytes are there."""

    scored: SegmentScored
    object: str
    init_object: str | None


class EvidenceJournal:
    """The journal, as the one process that makes evidence uses it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    # Planning

    def unplanned_incidents(self, *, limit: int = 64) -> tuple[UnplannedIncident, ...]:
        """Return incidents of which turns were committed that their plan has not seen."""
        first = (
            select(func.min(incident_revisions.c.turn))
            .where(incident_revisions.c.incident_id == incidents.c.incident_id)
            .scalar_subquery()
        )
        found = (
            select(incidents, first.label("first_turn"))
            .join(streams, streams.c.stream_id == incidents.c.stream_id)
            .where(incidents.c.planned.is_(False), streams.c.turn > incidents.c.planned_turn)
            .order_by(incidents.c.updated_at)
            .limit(limit)
        )
        with self._journal.read() as connection:
            rows = connection.execute(found).all()
        return tuple(
            UnplannedIncident(
                incident_id=row.incident_id,
                stream_id=row.stream_id,
                channel=row.channel,
                shard=row.shard,
                plan=None if row.plan is None else json.loads(row.plan),
                next_turn=max(row.planned_turn, row.first_turn),
            )
            for row in rows
        )

    def records(
        self, stream_id: str, from_turn: int, *, limit: int
    ) -> tuple[tuple[int, tuple[StreamEvent, ...]], ...]:
        """Return folded turns and their events, in order."""
        columns = turn_records.c
        with self._journal.read() as connection:
            rows = connection.execute(
                select(columns.turn, columns.events)
                .where(columns.stream_id == stream_id, columns.turn >= from_turn)
                .order_by(columns.turn)
                .limit(limit)
            ).all()
        return tuple((row.turn, unpack_events(row.events)) for row in rows)

    def save_plans(self, plans: Sequence[PlannedEvidence]) -> None:
        """Record how far incidents are planned, with the pieces that became due, in one commit."""
        now = self._journal.now()
        pieces: list[dict[str, Any]] = []
        with self._journal.write() as connection:
            for one in plans:
                planned = connection.execute(
                    update(incidents)
                    .where(incidents.c.incident_id == one.incident.incident_id)
                    .values(
                        plan=json.dumps(one.plan),
                        planned_turn=one.next_turn,
                        planned=one.is_complete,
                    )
                )
                pieces += _new_pieces(one, now) if planned.rowcount else []
            if pieces:
                connection.execute(insert(evidence), pieces)

    # Making

    def next_due(self, *, without: Collection[str] = ()) -> DuePiece | None:
        """Return the piece to make next: of the stream whose evidence took the least time so far,
        so that one whose media are slow to read does not keep the others waiting.

        ``without`` names streams that are being worked on.
        """
        now = self._journal.now()
        streams_due = (
            select(incidents.c.stream_id)
            .join(evidence, evidence.c.incident_id == incidents.c.incident_id)
            .where(evidence.c.status == "due", is_due(evidence.c, now))
        )
        spent = (
            select(incidents.c.stream_id, func.sum(evidence.c.seconds).label("stream_seconds"))
            .join(evidence, evidence.c.incident_id == incidents.c.incident_id)
            .where(incidents.c.stream_id.in_(streams_due))
            .group_by(incidents.c.stream_id)
            .subquery()
        )
        found = (
            select(evidence, incidents.c.stream_id, incidents.c.channel)
            .join(incidents, incidents.c.incident_id == evidence.c.incident_id)
            .join(spent, spent.c.stream_id == incidents.c.stream_id)
            .where(
                evidence.c.status == "due",
                is_due(evidence.c, now),
                incidents.c.stream_id.not_in(list(without)),
            )
            .order_by(spent.c.stream_seconds, evidence.c.next_at, evidence.c.piece)
            .limit(1)
        )
        with self._journal.read() as connection:
            if (row := connection.execute(found).one_or_none()) is None:
                return None
            return _due_piece(row, _spent_seconds(connection, row.incident_id))

    def begin(self, piece: DuePiece, *, next_at: float) -> None:
        """Count a try before it starts, so that one that ends this process is counted too; it may
        be repeated at ``next_at``."""
        with self._journal.write() as connection:
            self._change(connection, piece, tries=piece.tries + 1, next_at=next_at)

    def finish(self, piece: DuePiece, made: Sequence[MadePiece], *, seconds: float) -> None:
        """Record the files that a try made, the first of which is the piece itself; nothing if its
        stream was deleted meanwhile."""
        now = self._journal.now()
        first, *further = made
        with self._journal.write() as connection:
            if not self._change(
                connection,
                piece,
                status="cut",
                object=first.object,
                result=json.dumps(first.result),
                reason=None,
                seconds=evidence.c.seconds + seconds,
            ):
                return
            for one in further:
                row: dict[str, Any] = {"incident_id": piece.incident_id, "piece": one.piece}
                row |= {"shard": piece.shard, "status": "cut", "due": "{}", "object": one.object}
                row |= {"result": json.dumps(one.result), "tries": 0, "next_at": now}
                connection.execute(insert(evidence), {**row, "seconds": 0.0, "updated_at": now})
            self._settle(connection, piece, {one.piece: "cut" for one in made})

    def postpone(
        self, piece: DuePiece, *, reason: str, tries: int, next_at: float, seconds: float
    ) -> None:
        """Record a try that failed, after which another one follows; ``tries`` count so far."""
        spent = evidence.c.seconds + seconds
        with self._journal.write() as connection:
            self._change(
                connection, piece, reason=reason, tries=tries, next_at=next_at, seconds=spent
            )

    def fail(self, piece: DuePiece, *, reason: str, seconds: float) -> None:
        """Record that a piece cannot be made."""
        spent = evidence.c.seconds + seconds
        with self._journal.write() as connection:
            if self._change(connection, piece, status="failed", reason=reason, seconds=spent):
                self._settle(connection, piece, {piece.piece: "failed"})

    def _settle(self, connection: Connection, piece: DuePiece, statuses: Mapping[str, str]) -> None:
        """Count pieces that are made or failed, and publish them as one event."""
        body = {"id": piece.incident_id, "stream_id": piece.stream_id, "channel": piece.channel}
        category = select(incidents.c.category).where(incidents.c.incident_id == piece.incident_id)
        body["category"] = connection.execute(category).scalar_one_or_none()
        event = (piece.shard, "incident.evidence", {**body, "evidence": statuses})
        append_events(connection, [event], now=self._journal.now())
        add_to_counters(connection, piece.shard, "evidence", Counter(statuses.values()))

    def _change(self, connection: Connection, piece: DuePiece, **values: Any) -> bool:
        changed = connection.execute(
            update(evidence)
            .where(
                evidence.c.incident_id == piece.incident_id,
                evidence.c.piece == piece.piece,
                evidence.c.status == "due",
            )
            .values(**values, updated_at=self._journal.now())
        )
        return bool(changed.rowcount)

    # Sources

    def sources(self, stream_id: str, start: float, end: float) -> tuple[StoredSource, ...]:
        """Return the stored segments that show a part of the stream seconds from ``start`` to
        ``end``, in order; of very many, an even selection."""
        with self._journal.read() as connection:
            rows = _select_evenly(_overlapping(connection, stream_id, start, end))
            found: list[StoredSource] = []
            for first in range(0, len(rows), PAGE):
                found += _load_sources(connection, stream_id, rows[first : first + PAGE])
        return tuple(found)


def _new_pieces(plan: PlannedEvidence, now: float) -> list[dict[str, Any]]:
    row: dict[str, Any] = {
        "incident_id": plan.incident.incident_id,
        "shard": plan.incident.shard,
        "tries": 0,
        "next_at": now,
        "seconds": 0.0,
        "updated_at": now,
    }
    pieces = [
        {**row, "piece": piece, "status": "due", "due": json.dumps(body), "reason": None}
        for piece, body in plan.due.items()
    ]
    if plan.left_out is not None:
        rest = {"piece": "rest", "status": "failed", "due": "{}", "reason": plan.left_out}
        pieces.append({**row, **rest})
    return pieces


def _spent_seconds(connection: Connection, incident_id: str) -> float:
    total = select(func.sum(evidence.c.seconds)).where(evidence.c.incident_id == incident_id)
    return float(connection.execute(total).scalar_one())


def _due_piece(row: Row[Any], spent: float) -> DuePiece:
    return DuePiece(
        incident_id=row.incident_id,
        piece=row.piece,
        shard=row.shard,
        stream_id=row.stream_id,
        channel=row.channel,
        due=json.loads(row.due),
        tries=row.tries,
        spent=spent,
    )


def _overlapping(
    connection: Connection, stream_id: str, start: float, end: float
) -> list[Row[Any]]:
    """Return rows of stored segments within a span, in order; reads back from the latest one."""
    columns = segments.c
    found: list[Row[Any]] = []
    below: int | None = None
    while True:
        page = (
            select(columns.sequence, columns.turn, columns.object, columns.stage)
            .add_columns(columns.span_start, columns.span_end, inits.c.object.label("init_object"))
            .select_from(
                segments.outerjoin(
                    inits,
                    (inits.c.stream_id == columns.stream_id) & (inits.c.init_id == columns.init_id),
                )
            )
            .where(columns.stream_id == stream_id, columns.verdict == "scored")
            .order_by(columns.sequence.desc())
            .limit(PAGE)
        )
        if below is not None:
            page = page.where(columns.sequence < below)
        rows = connection.execute(page).all()
        found += [
            row
            for row in rows
            if row.stage == "stored"
            and row.span_end > start - ROUNDING
            and row.span_start < end + ROUNDING
        ]
        if len(rows) < PAGE or rows[-1].span_end < start - ROUNDING:
            return found[::-1]
        below = rows[-1].sequence


def _select_evenly(rows: list[Row[Any]]) -> list[Row[Any]]:
    if len(rows) <= MOST_SOURCES:
        return rows
    step = (len(rows) - 1) / (MOST_SOURCES - 1)
    return [rows[round(number * step)] for number in range(MOST_SOURCES)]


def _load_sources(
    connection: Connection, stream_id: str, rows: Sequence[Row[Any]]
) -> list[StoredSource]:
    packed = {
        record.turn: record.events
        for record in connection.execute(
            select(turn_records.c.turn, turn_records.c.events).where(
                turn_records.c.stream_id == stream_id,
                turn_records.c.turn.in_([row.turn for row in rows]),
            )
        )
    }
    return [
        StoredSource(scored=event, object=row.object, init_object=row.init_object)
        for row in rows
        if row.turn in packed
        for event in unpack_events(packed[row.turn])
        if isinstance(event, SegmentScored)
    ]

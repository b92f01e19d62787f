"""Numbers what happened into one sequence of events for the whole service, in commit order.

Only the delivery process publishes, and a number is assigned in the transaction that marks its
source as published: numbers have no gaps and never change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from scanner.store.database import Journal
from scanner.store.decision_events import OutgoingDecision, has_unpublished, take_decisions
from scanner.store.ingest_schema import channel_changes
from scanner.store.schema import alarms, evidence, incident_revisions, incidents, published
from scanner.store.stream_changes import take_changes, unpublished_changes

__all__ = ["RevisionRow", "append_events", "order_revisions", "publish"]


PublishedRow = tuple[int, str, Mapping[str, Any]]
"""Shard, type and body of an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionRow:
    """A revision of an incident that is not published."""

    incident_id: str
    revision: int
    shard: int
    stream_id: str
    turn: int
    kind: str
    shadow: bool
    channel: str | None
    incident: Mapping[str, Any]
    created_at: float
    evidence: Mapping[str, str] = field(default_factory=dict)
    """Status of each piece of evidence so far."""


def order_revisions(rows: Sequence[RevisionRow]) -> list[RevisionRow]:
    """Return revisions by the time of their commit; those of one stream are in the order of its
    turns even if the wall clock went back in between."""
    by_time = sorted(rows, key=lambda row: (row.created_at, row.stream_id))
    by_turn: dict[str, list[RevisionRow]] = {}
    for row in sorted(
        rows, key=lambda row: (row.turn, row.incident_id, row.revision), reverse=True
    ):
        by_turn.setdefault(row.stream_id, []).append(row)
    return [by_turn[row.stream_id].pop() for row in by_time]


def _plain(facts: OutgoingDecision) -> Mapping[str, Any]:
    return {**facts.decision, "item": facts.item}


def publish(
    journal: Journal,
    render: Callable[[RevisionRow], Mapping[str, Any]],
    render_decision: Callable[[OutgoingDecision], Mapping[str, Any]] = _plain,
    *,
    limit: int = 256,
) -> int:
    """Publish revisions of incidents, final decisions, and changes of alarms, streams and channels;
    return how many.

    ``render`` makes the body of a revision's event, ``render_decision`` that of a decision's. A
    decision comes after the revisions that were there before it.
    """
    with journal.read() as connection:
        if not (
            _unpublished_revisions(connection, 1)
            or has_unpublished(connection)
            or _unpublished_alarms(connection)
            or _unpublished_changes(connection)
            or unpublished_changes(connection, 1)
        ):
            return 0
    with journal.write() as connection:
        rows = order_revisions(_unpublished_revisions(connection, limit))
        events = [
            (row.shard, f"incident.{row.kind}", render(_with_evidence(connection, row)))
            for row in rows
            if not row.shadow
        ]
        _mark_revisions(connection, rows)
        if len(rows) < limit:
            events += [
                (shard, f"decision.{one.decision['kind']}", render_decision(one))
                for shard, one in take_decisions(connection, limit=limit)
            ]
        events += _take_alarms(connection)
        events += take_changes(connection)
        events += _take_changes(connection)
        append_events(connection, events, now=journal.now())
    return len(events)


def append_events(connection: Connection, events: Sequence[PublishedRow], *, now: float) -> None:
    """Give events the next numbers, in a transaction of the caller, who is the delivery process."""
    last = connection.execute(select(func.coalesce(func.max(published.c.number), 0))).scalar_one()
    rows = [
        {
            "number": number,
            "shard": shard,
            "kind": kind,
            "body": json.dumps(body, allow_nan=False),
            "created_at": now,
        }
        for number, (shard, kind, body) in enumerate(events, last + 1)
    ]
    if rows:
        connection.execute(insert(published), rows)


def _with_evidence(connection: Connection, row: RevisionRow) -> RevisionRow:
    columns = evidence.c
    pieces = select(columns.piece, columns.status).where(columns.incident_id == row.incident_id)
    found = connection.execute(pieces.order_by(columns.piece))
    return replace(row, evidence={one.piece: one.status for one in found})


def _unpublished_revisions(connection: Connection, limit: int) -> list[RevisionRow]:
    columns = incident_revisions.c
    rows = connection.execute(
        select(incident_revisions, incidents.c.channel)
        .join(incidents, incidents.c.incident_id == columns.incident_id)
        .where(columns.published.is_(False))
        .order_by(columns.created_at, columns.stream_id, columns.turn, columns.revision)
        .limit(limit)
    )
    return [
        RevisionRow(
            incident_id=row.incident_id,
            revision=row.revision,
            shard=row.shard,
            stream_id=row.stream_id,
            turn=row.turn,
            kind=row.kind,
            shadow=row.shadow,
            channel=row.channel,
            incident=json.loads(row.body),
            created_at=row.created_at,
        )
        for row in rows
    ]


def _mark_revisions(connection: Connection, rows: Sequence[RevisionRow]) -> None:
    columns = incident_revisions.c
    for row in rows:
        connection.execute(
            update(incident_revisions)
            .where(columns.incident_id == row.incident_id, columns.revision == row.revision)
            .values(published=True)
        )


def _unpublished_alarms(connection: Connection) -> list[Row[Any]]:
    columns = alarms.c
    begun, ended = columns.published < 1, (columns.published < 2) & columns.until.is_not(None)
    found = select(alarms).where(begun | ended).order_by(columns.since)
    return list(connection.execute(found))


def _take_alarms(connection: Connection) -> list[PublishedRow]:
    """Return events of alarms that began or ended, and mark them as published."""
    events: list[PublishedRow] = []
    for row in _unpublished_alarms(connection):
        body = {"kind": row.kind, "subject": row.subject, "since": row.since, "until": row.until}
        if row.published < 1:
            events.append((row.shard, "alarm.begun", {**body, "detail": json.loads(row.body)}))
        if row.until is not None:
            events.append((row.shard, "alarm.ended", body))
        connection.execute(
            update(alarms)
            .where(
                alarms.c.kind == row.kind,
                alarms.c.subject == row.subject,
                alarms.c.since == row.since,
            )
            .values(published=1 if row.until is None else 2)
        )
    return events


def _unpublished_changes(connection: Connection) -> list[Row[Any]]:
    columns = channel_changes.c
    found = select(channel_changes).where(columns.published.is_(False)).order_by(columns.change)
    return list(connection.execute(found.limit(256)))


def _take_changes(connection: Connection) -> list[PublishedRow]:
    """Return events of channels that went live, stalled or ended, and mark them as published."""
    rows = _unpublished_changes(connection)
    if rows:
        connection.execute(
            update(channel_changes)
            .where(channel_changes.c.change.in_([row.change for row in rows]))
            .values(published=True)
        )
    return [
        (
            row.shard,
            f"channel.{row.state}",
            {"channel": row.channel, "stream_id": row.stream_id, "at": row.at},
        )
        for row in rows
    ]

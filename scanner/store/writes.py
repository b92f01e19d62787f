"""Writes that several processes share: counters, incidents and their revisions, effects, alarms,
heartbeats. Each runs in a transaction of its caller."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, update

from scanner.risk.incident import Closed, Extended, Incident, Opened
from scanner.store.database import Journal
from scanner.store.queueing import queue_incident
from scanner.store.schema import (
    alarms,
    counters,
    effects,
    heartbeats,
    incident_revisions,
    incidents,
    marks,
)

__all__ = [
    "add_to_counters",
    "beat",
    "clear_alarm",
    "insert_mark",
    "raise_alarm",
    "read_pids",
    "upsert",
    "write_revisions",
]


def insert_mark(
    connection: Connection,
    stream_id: str,
    shard: int,
    kind: str,
    body: Mapping[str, Any],
    *,
    now: float,
    turn: int | None = None,
) -> None:
    """Add an input of a stream that is no segment, with its place in the log if that is decided."""
    number = connection.execute(
        select(func.coalesce(func.max(marks.c.number) + 1, 0)).where(marks.c.stream_id == stream_id)
    ).scalar_one()
    connection.execute(
        insert(marks),
        {
            "stream_id": stream_id,
            "number": number,
            "shard": shard,
            "kind": kind,
            "body": json.dumps(dict(body)),
            "created_at": now,
            "turn": turn,
        },
    )


def upsert(
    connection: Connection,
    table: Table,
    row: Mapping[str, Any],
    changed: Mapping[str, Any] | None = None,
) -> None:
    """Insert a row, or update the one with its key: with all of ``row``, or with ``changed``."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as dialect_insert
    else:
        from sqlalchemy.dialects.sqlite import insert as dialect_insert  # type: ignore[assignment]
    keys = [column.name for column in table.primary_key]
    values = {k: v for k, v in row.items() if k not in keys} if changed is None else dict(changed)
    statement = dialect_insert(table).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


def add_to_counters(
    connection: Connection, shard: int, name: str, amounts: Mapping[str, float]
) -> None:
    """Add to the totals of a counter, by label."""
    for label, amount in amounts.items():
        if amount:
            row = {"name": name, "label": label, "shard": shard, "value": amount}
            upsert(connection, counters, row, {"value": counters.c.value + amount})


def write_revisions(
    connection: Connection,
    events: Sequence[Opened | Extended | Closed],
    *,
    turn: int,
    shard: int,
    channel: str | None,
    generation: int,
    sinks: Sequence[str],
    now: float,
) -> None:
    """Write revisions of incidents, the effects that become due, and the items that people are to
    review; those in shadow have none of these."""
    for event in events:
        incident, kind = event.incident, _KINDS[type(event)]
        body = json.dumps(incident.to_json())
        connection.execute(
            insert(incident_revisions),
            {
                "incident_id": incident.id,
                "revision": incident.revision,
                "shard": shard,
                "stream_id": incident.stream_id,
                "turn": turn,
                "kind": kind,
                "shadow": incident.shadow,
                "body": body,
                "generation": generation,
                "created_at": now,
                "published": False,
            },
        )
        _write_incident(connection, incident, kind, body, shard=shard, channel=channel, now=now)
        if not incident.shadow:
            _write_effects(connection, incident, kind, sinks, shard=shard, now=now)
            queue_incident(connection, incident, shard=shard, channel=channel, now=now)


_KINDS = {Opened: "opened", Extended: "extended", Closed: "closed"}


def _write_incident(
    connection: Connection,
    incident: Incident,
    kind: str,
    body: str,
    *,
    shard: int,
    channel: str | None,
    now: float,
) -> None:
    latest = {
        "label": incident.label,
        "category": incident.category,
        "severity": incident.severity,
        "peak": incident.peak,
        "detection": "closed" if kind == "closed" else "open",
        "revision": incident.revision,
        "body": body,
        "updated_at": now,
    }
    first = {
        "incident_id": incident.id,
        "shard": shard,
        "stream_id": incident.stream_id,
        "channel": channel,
        "shadow": incident.shadow,
        "opened_at": now,
        "planned": incident.shadow,  # an incident in shadow has no evidence
    }
    upsert(connection, incidents, {**first, **latest}, latest)


def _write_effects(
    connection: Connection,
    incident: Incident,
    kind: str,
    sinks: Sequence[str],
    *,
    shard: int,
    now: float,
) -> None:
    """Make this revision due for every sink; where the incident is held, it is held too."""
    held = select(effects.c.sink, effects.c.error).where(
        effects.c.incident_id == incident.id, effects.c.status == "held"
    )
    reasons = {row.sink: row.error for row in connection.execute(held)} if kind != "opened" else {}
    for sink in sinks:
        connection.execute(
            insert(effects),
            {
                "incident_id": incident.id,
                "revision": incident.revision,
                "sink": sink,
                "shard": shard,
                "kind": kind,
                "status": "held" if sink in reasons else "pending",
                "attempts": 0,
                "next_at": now,
                "error": reasons.get(sink),
                "created_at": now,
                "updated_at": now,
            },
        )


def raise_alarm(
    connection: Connection,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    *,
    shard: int,
    now: float,
) -> bool:
    """Begin an alarm; return False if it lasts already."""
    lasting = connection.execute(
        alarms.select().where(
            alarms.c.kind == kind, alarms.c.subject == subject, alarms.c.until.is_(None)
        )
    ).first()
    if lasting is not None:
        return False
    row = {"kind": kind, "subject": subject, "since": now, "shard": shard}
    connection.execute(insert(alarms), {**row, "body": json.dumps(dict(body))})
    return True


def clear_alarm(connection: Connection, kind: str, subject: str, *, now: float) -> bool:
    """End an alarm; return False if it does not last."""
    ended = connection.execute(
        update(alarms)
        .where(alarms.c.kind == kind, alarms.c.subject == subject, alarms.c.until.is_(None))
        .values(until=now)
    )
    return bool(ended.rowcount)


def beat(
    connection: Connection, process: str, pid: int, body: Mapping[str, Any], *, now: float
) -> None:
    """Record that a process is well, and what it reports of itself."""
    row = {"process": process, "shard": 0, "pid": pid, "at": now, "body": json.dumps(dict(body))}
    upsert(connection, heartbeats, row)


def read_pids(journal: Journal) -> dict[str, int]:
    """Return the latest process of each name that recorded that it is well."""
    with journal.read() as connection:
        rows = connection.execute(select(heartbeats.c.process, heartbeats.c.pid)).all()
    return {row.process: row.pid for row in rows}

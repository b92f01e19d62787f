"""Changes of streams that readers of events are told: live, stalled, ended.

A change is written in the transaction that makes it, and published once, in this order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Row,
    Table,
    Text,
    exists,
    insert,
    select,
    text,
    update,
)

from scanner.store.ingest_schema import ingest_points
from scanner.store.schema import metadata, streams

if TYPE_CHECKING:
    from scanner.store.intake import NewStream
    from scanner.store.outcomes import StreamResult

__all__ = [
    "note_arrival",
    "note_end",
    "note_stall",
    "stream_changes",
    "take_changes",
    "unpublished_changes",
]

stream_changes = Table(
    "stream_changes",
    metadata,
    Column("change", Integer, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("channel", Text),
    Column("state", Text, nullable=False, comment="live, stalled or ended"),
    Column("at", Float, nullable=False),
    Column("published", Boolean, nullable=False, comment="numbered for readers of events"),
    Index(
        "stream_changes_unpublished",
        "change",
        sqlite_where=text("published = 0"),
        postgresql_where=text("NOT published"),
    ),
)


def _note(
    connection: Connection,
    stream_id: str,
    state: str,
    channel: str | None,
    shard: int,
    *,
    now: float,
) -> None:
    row = {"stream_id": stream_id, "channel": channel, "shard": shard, "state": state}
    connection.execute(_INSERT, {**row, "at": now, "published": False})


def note_arrival(
    connection: Connection, known: Any, stream: NewStream, shard: int, *, now: float
) -> None:
    """Write that a stream is live, if this is its first segment or it was stalled; ``known`` is its
    row before this one, if any."""
    if stream.kind != "live":
        return
    if known is None or known.last_arrival is None or known.phase == "stalled":
        channel = stream.channel if known is None else known.channel
        _note(connection, stream.stream_id, "live", channel, shard, now=now)


def note_stall(connection: Connection, result: StreamResult, *, now: float) -> None:
    """Write that a stream stalled, whose stall is among the turns of a result."""
    facts = result.channel, result.shard
    _note(connection, result.stream_id, "stalled", *facts, now=now)


def note_end(connection: Connection, known: Any, stream_id: str, *, now: float) -> None:
    """Write that a stream ended, whose row is ``known``."""
    if known.kind == "live":
        _note(connection, stream_id, "ended", known.channel, known.shard, now=now)


def unpublished_changes(connection: Connection, limit: int = 256) -> list[Row[Any]]:
    """Return changes that are not published, in their order."""
    columns = stream_changes.c
    found = select(stream_changes).where(columns.published.is_(False)).order_by(columns.change)
    return list(connection.execute(found.limit(limit)))


def take_changes(connection: Connection) -> list[tuple[int, str, dict[str, Any]]]:
    """Return shard, type and body of events, and mark their changes as published.

    The channel of a stream changes with it, unless another of its streams is live or a publishing
    point tells its changes.
    """
    rows = unpublished_changes(connection)
    if not rows:
        return []
    numbers = [row.change for row in rows]
    connection.execute(
        update(stream_changes).where(stream_changes.c.change.in_(numbers)).values(published=True)
    )
    events: list[tuple[int, str, dict[str, Any]]] = []
    for row in rows:
        body = {"stream_id": row.stream_id, "channel": row.channel, "at": row.at}
        events.append((row.shard, f"stream.{row.state}", body))
        if row.channel is not None and _is_of_channel(connection, row):
            events.append((row.shard, f"channel.{row.state}", body))
    return events


def _is_of_channel(connection: Connection, row: Row[Any]) -> bool:
    """Return whether a change of a stream is one of its channel."""
    columns = streams.c
    point = exists().where(ingest_points.c.channel == row.channel)
    other = exists().where(
        columns.channel == row.channel,
        columns.stream_id != row.stream_id,
        columns.phase == "live",
        columns.kind == "live",
        columns.ended_at.is_(None),
        columns.last_arrival.is_not(None),
    )
    return not connection.execute(select(point | other)).scalar_one()


_INSERT = insert(stream_changes)

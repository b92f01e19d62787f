"""Everything that the journal recorded of streams, in the order in which it was folded."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from scanner.store.database import Journal
from scanner.store.schema import streams, turn_records
from scanner.store.score_parts import score_part_streams
from scanner.types import StreamId

__all__ = ["count_turns", "read_channels", "read_turn_records", "recorded_streams"]


def recorded_streams(journal: Journal) -> list[str]:
    """Return the streams of which turns are recorded, in the journal or in files, by name."""
    query = select(turn_records.c.stream_id).union(select(score_part_streams.c.stream_id))
    with journal.read() as connection:
        return sorted(connection.execute(query).scalars())


def count_turns(journal: Journal, stream_id: str, *, before: int) -> int:
    """Return how many turns of a stream before one the journal has."""
    columns = turn_records.c
    query = select(func.count()).where(columns.stream_id == stream_id, columns.turn < before)
    with journal.read() as connection:
        return int(connection.execute(query).scalar_one())


def read_turn_records(journal: Journal, stream_id: str) -> Iterator[tuple[int, bytes]]:
    """Yield the turns of a stream that the journal has, each with its packed events, in order: all
    of them as they are when the first one is read."""
    columns = turn_records.c
    query = select(columns.turn, columns.events).where(columns.stream_id == stream_id)
    with journal.read() as connection:
        for row in connection.execute(query.order_by(columns.turn)):
            yield row.turn, row.events


def read_channels(journal: Journal) -> dict[StreamId, str]:
    """Return the channel of each stream that has one."""
    query = select(streams.c.stream_id, streams.c.channel).where(streams.c.channel.is_not(None))
    with journal.read() as connection:
        return {StreamId(row.stream_id): row.channel for row in connection.execute(query)}

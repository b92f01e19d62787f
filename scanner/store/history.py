"""Everything that was recorded of streams, in the order in which it was folded."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from scanner.records.events import unpack_events
from scanner.store.database import Journal
from scanner.store.schema import turn_records
from scanner.stream.events import StreamEvent
from scanner.types import StreamId

__all__ = ["read_events"]


def read_events(journal: Journal) -> Iterator[tuple[StreamId, StreamEvent]]:
    """Yield the events of all streams, one stream after the other, each in the order of its turns.

    Raises:
        FormatError: events were written by a release with another version.
    """
    query = select(turn_records.c.stream_id, turn_records.c.events).order_by(
        turn_records.c.stream_id, turn_records.c.turn
    )
    with journal.read() as connection:
        for row in connection.execute(query):
            for event in unpack_events(row.events):
                yield StreamId(row.stream_id), event

"""Which streams to fold again, under which policies, and what was decided about incidents."""

from __future__ import annotations

from sqlalchemy import select

from scanner.store.database import Journal
from scanner.store.review_schema import reviews
from scanner.store.schema import streams

__all__ = ["streams_since", "verdicts_of"]


def streams_since(journal: Journal, since: float, *, limit: int) -> list[tuple[str, str | None]]:
    """Return the live streams that were created since a wall-clock time with their channels, the
    newest first."""
    columns = streams.c
    query = (
        select(columns.stream_id, columns.channel)
        .where(columns.created_at >= since, columns.kind == "live")
        .order_by(columns.created_at.desc())
        .limit(limit)
    )
    with journal.read() as connection:
        return [(row.stream_id, row.channel) for row in connection.execute(query)]


def verdicts_of(journal: Journal) -> dict[str, str]:
    """Return the verdict in force of each item that has one."""
    query = select(reviews.c.item_id, reviews.c.verdict).where(reviews.c.verdict.is_not(None))
    with journal.read() as connection:
        return {row.item_id: row.verdict for row in connection.execute(query)}

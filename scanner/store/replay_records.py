"""Which streams to fold again, under which policies, and what was decided about incidents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from scanner.store.database import Journal
from scanner.store.review_schema import reviews
from scanner.store.schema import configurations, streams

__all__ = ["latest_policies", "streams_since", "verdicts_of"]


def latest_policies(journal: Journal) -> Mapping[str, Mapping[str, Any]]:
    """Return the values of each label's policy in the latest configuration."""
    latest = select(configurations.c.body).order_by(configurations.c.generation.desc()).limit(1)
    with journal.read() as connection:
        body = connection.execute(latest).scalar_one_or_none()
    return {} if body is None else json.loads(body).get("labels", {})


def streams_since(journal: Journal, since: float, *, limit: int) -> list[str]:
    """Return the live streams that were created since a wall-clock time, the newest first."""
    columns = streams.c
    query = select(columns.stream_id).where(columns.created_at >= since, columns.kind == "live")
    with journal.read() as connection:
        found = connection.execute(query.order_by(columns.created_at.desc()).limit(limit))
        return list(found.scalars())


def verdicts_of(journal: Journal) -> dict[str, str]:
    """Return the verdict in force of each item that has one."""
    query = select(reviews.c.item_id, reviews.c.verdict).where(reviews.c.verdict.is_not(None))
    with journal.read() as connection:
        return {row.item_id: row.verdict for row in connection.execute(query)}

"""Rows of evidence and of published events, as the delivery process writes them."""

from __future__ import annotations

import json

from scanner.store.database import Journal
from scanner.store.schema import evidence, published
from scanner.store.writes import upsert


def add_piece(
    journal: Journal,
    incident_id: str,
    piece: str,
    *,
    status: str,
    stored: str | None = None,
    reason: str | None = None,
) -> None:
    """Write a piece of evidence."""
    row = {
        "incident_id": incident_id,
        "piece": piece,
        "shard": 0,
        "status": status,
        "due": "{}",
        "result": None,
        "object": stored,
        "reason": reason,
        "tries": 1,
        "next_at": 0.0,
        "seconds": 0.0,
        "updated_at": journal.now(),
    }
    with journal.write() as connection:
        upsert(connection, evidence, row)


def publish_event(journal: Journal, number: int, kind: str, body: dict[str, object]) -> None:
    """Publish an event under a number."""
    row = {
        "number": number,
        "shard": 0,
        "kind": kind,
        "body": json.dumps(body),
        "created_at": journal.now(),
    }
    with journal.write() as connection:
        upsert(connection, published, row)

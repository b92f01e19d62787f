"""Items and decisions of the review console as documents of plain values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

__all__ = [
    "decision_document",
    "delivery_document",
    "item_document",
    "item_of_decision",
    "mute_document",
    "queue_totals",
]


def item_document(row: Row[Any], now: float) -> dict[str, Any]:
    """Return an item of the queue; ``claimed_by`` is None once the lease has ended."""
    is_claimed = row.claimed_until > now
    return {
        "item_id": row.item_id,
        "kind": row.kind,
        "stream_id": row.stream_id,
        "channel": row.channel,
        "label": row.label,
        "labels": json.loads(row.labels),
        "category": row.category,
        "severity": row.severity,
        "risk": row.risk,
        "rank": row.rank,
        "state": row.state,
        "flagged_at": row.flagged_at,
        "waiting_since": row.waiting_since,
        "age": max(0.0, round(now - row.flagged_at, 3)),
        "assigned_to": row.assigned_to,
        "claimed_by": row.claimed_by if is_claimed else None,
        "claimed_until": row.claimed_until if is_claimed else None,
        "returned": row.returned,
        "verdict": row.verdict,
    }


def decision_document(row: Row[Any]) -> dict[str, Any]:
    """Return a decision, with the number of the row that undid it, if one did."""
    return {
        "number": row.number,
        "decision_id": row.decision_id,
        "item_id": row.item_id,
        "kind": row.kind,
        "undoes": row.undoes,
        "undone_by": row.undone_by,
        "verdict": row.verdict,
        "reason": row.reason,
        "note": row.note,
        "by": row.by,
        "reviewer": row.reviewer,
        "person": row.person,
        "final": row.final,
        "revision": row.revision,
        "muted": row.mute_id is not None,
        "created_at": row.created_at,
    }


def item_of_decision(row: Row[Any]) -> dict[str, Any]:
    """Return what a decision is about, from a row that has columns of its item too."""
    return {
        "item_id": row.item_id,
        "kind": row.item_kind,
        "stream_id": row.stream_id,
        "channel": row.channel,
        "label": row.label,
        "labels": json.loads(row.labels),
        "category": row.category,
        "severity": row.severity,
        "flagged_at": row.flagged_at,
    }


def delivery_document(row: Row[Any]) -> dict[str, Any]:
    """Return how far a decision is on its way to one receiver."""
    return {
        "number": row.number,
        "sink": row.sink,
        "status": row.status,
        "attempts": row.attempts,
        "next_at": row.next_at if row.status == "pending" else None,
        "receipt": None if row.receipt is None else json.loads(row.receipt),
        "error": row.error,
        "updated_at": row.updated_at,
    }


def mute_document(row: Row[Any]) -> dict[str, Any]:
    """Return a mute."""
    return {
        "mute_id": row.mute_id,
        "label": row.label,
        "scope": row.scope,
        "subject": row.subject,
        "until": row.until,
        "created_at": row.created_at,
    }


def queue_totals(rows: Sequence[Row[Any]]) -> dict[str, Any]:
    """Return the sums of rows with counts by state, category and severity."""
    states: dict[str, int] = {}
    categories: dict[str, int] = {}
    severities: dict[int, int] = {}
    for row in rows:
        states[row.state] = states.get(row.state, 0) + row.items
        categories[row.category] = categories.get(row.category, 0) + row.items
        severities[row.severity] = severities.get(row.severity, 0) + row.items
    return {
        "pending": sum(states.values()),
        "claimed": sum(row.claimed or 0 for row in rows),
        "states": states,
        "categories": categories,
        "severities": {str(key): value for key, value in sorted(severities.items())},
        "oldest_at": min((row.oldest for row in rows), default=None),
    }

"""Puts incidents and flagged pictures into the queue of the review console, in the transaction in
which they become known: an item is never lost, and never there twice.

An incident whose labels are all muted on its stream or channel gets an item that nobody has to
decide. One that was decided comes back when it becomes more severe than what was decided, but not
because it lasts or recurs: whoever decided has seen that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, and_, insert, or_, select, update

from scanner.risk.incident import Incident
from scanner.store.review_schema import mutes, reviews
from scanner.stream.events import StreamEvent, StreamFinished, StreamSummary
from scanner.taxonomy import Taxonomy
from scanner.types import Label

__all__ = ["image_item_id", "queue_incident", "queue_pictures"]

ID_LENGTH = 16


def image_item_id(stream_id: str) -> str:
    """Return the id of the item of a picture, given the name of its stream.

    >>> len(image_item_id("image-1"))
    16
    """
    named = f"image\0{stream_id}".encode("utf-8", "surrogatepass")
    return sha256(named).hexdigest()[:ID_LENGTH]


def queue_incident(
    connection: Connection, incident: Incident, *, shard: int, channel: str | None, now: float
) -> None:
    """Put an incident into the queue, or bring its item up to date."""
    facts = {
        "kind": "incident",
        "stream_id": str(incident.stream_id),
        "channel": channel,
        "label": str(incident.label),
        "category": incident.category,
        "severity": incident.severity,
        "risk": incident.peak,
    }
    _queue(
        connection,
        incident.id,
        facts,
        incident.labels,
        shard=shard,
        now=now,
        own_severity=incident.base_severity,
    )


def queue_pictures(
    connection: Connection,
    events: Iterable[StreamEvent],
    *,
    shard: int,
    channel: str | None,
    now: float,
) -> None:
    """Put the pictures that some events flag into the queue."""
    for event in events:
        match event:
            case StreamFinished(stream_id=name, summary=StreamSummary() as summary):
                if summary.is_still and summary.flagged:
                    _queue_image(
                        connection, str(name), summary, shard=shard, channel=channel, now=now
                    )


def _queue_image(
    connection: Connection,
    stream_id: str,
    summary: StreamSummary,
    *,
    shard: int,
    channel: str | None,
    now: float,
) -> None:
    entries = [Taxonomy.load().entry(str(label)) for label in summary.flagged]
    leading = max(entries, key=lambda entry: entry.severity)
    facts = {
        "kind": "image",
        "stream_id": stream_id,
        "channel": channel,
        "label": str(leading.label),
        "category": leading.category,
        "severity": leading.severity,
        "risk": max(summary.peak_score[label] for label in summary.flagged),
    }
    item_id = image_item_id(stream_id)
    _queue(connection, item_id, facts, summary.flagged, shard=shard, now=now)


def _queue(
    connection: Connection,
    item_id: str,
    facts: dict[str, Any],
    labels: Sequence[Label],
    *,
    shard: int,
    now: float,
    own_severity: int = 0,
) -> None:
    values = {
        **facts,
        "labels": json.dumps([str(label) for label in labels]),
        "rank": -(facts["severity"] + min(facts["risk"], 0.9999)),
        "updated_at": now,
    }
    known = connection.execute(
        select(reviews.c.state, reviews.c.decided_severity).where(reviews.c.item_id == item_id)
    ).one_or_none()
    is_muted = known is None or known.state == "muted"
    is_muted = is_muted and _is_muted(connection, facts, labels, now)
    if known is None:
        first = {"item_id": item_id, "shard": shard, "claimed_until": 0.0}
        first |= {"state": "muted" if is_muted else "waiting"}
        first |= {"flagged_at": now, "waiting_since": now}
        connection.execute(insert(reviews), {**values, **first})
        return
    if known.state == "muted" and not is_muted:
        values |= {"state": "waiting", "waiting_since": now}
    elif known.state == "decided" and own_severity > (known.decided_severity or 0):
        values |= {"state": "waiting", "waiting_since": now, "returned": "grew", "verdict": None}
    connection.execute(update(reviews).where(reviews.c.item_id == item_id).values(**values))


def _is_muted(
    connection: Connection, facts: dict[str, Any], labels: Sequence[Label], now: float
) -> bool:
    """Return whether every label is muted on the stream or on its channel."""
    columns = mutes.c
    of_stream = and_(columns.scope == "stream", columns.subject == facts["stream_id"])
    of_channel = and_(columns.scope == "channel", columns.subject == facts["channel"])
    found = connection.execute(
        select(columns.label).where(or_(of_stream, of_channel), columns.until > now)
    ).scalars()
    return {str(label) for label in labels} <= set(found)

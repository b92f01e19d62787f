"""Versions of the queue and of items: texts that differ once a page that shows them is outdated.

A lease that ends by time changes nothing here; pages are loaded anew from time to time for it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Row, func, select

from scanner.store.database import Journal
from scanner.store.review_schema import PENDING_STATES, decision_effects, decisions, reviews
from scanner.store.schema import evidence, incidents, streams

if TYPE_CHECKING:
    from scanner.store.review_queries import Sight

__all__ = ["item_version", "queue_version", "version_of_totals"]

_KEY: Final = secrets.token_bytes(16)
"""Of this process: after a restart each page loads its part once more."""


def queue_version(journal: Journal, sight: Sight) -> str:
    """Return a text that differs when an item that somebody may see comes into the queue, leaves it
    or changes there. A lease that is renewed is no change, and what happens to other items neither:
    the text is the same before and after."""
    columns = reviews.c
    query = select(func.count(), func.max(columns.updated_at))
    query = query.where(columns.state.in_(PENDING_STATES), sight.condition)
    with journal.read() as connection:
        items, latest = connection.execute(query).one()
    return _opaque((items, latest))


def version_of_totals(rows: Iterable[Row[Any]]) -> str:
    """Return what ``queue_version`` does, from groups of the queue with their number of ``items``
    and the ``latest`` change of one."""
    groups = list(rows)
    latest = max((row.latest for row in groups), default=None)
    return _opaque((sum(row.items for row in groups), latest))


def item_version(journal: Journal, item_id: str) -> str:
    """Return a text that differs when an item does: its state, claim or decisions, its incident,
    its evidence, the deliveries of its decisions, and how far the stream of an incident that runs
    is known. Empty if there is no such item."""
    columns, pieces, sent = reviews.c, evidence.c, decision_effects.c
    item = (
        select(columns.state, columns.claimed_by, columns.assigned_to, columns.updated_at)
        .add_columns(incidents.c.revision, incidents.c.detection, streams.c.turn)
        .outerjoin(incidents, incidents.c.incident_id == columns.item_id)
        .outerjoin(streams, streams.c.stream_id == columns.stream_id)
        .where(columns.item_id == item_id)
    )
    made = select(pieces.piece, pieces.status).where(pieces.incident_id == item_id)
    latest = select(func.max(decisions.c.number)).where(decisions.c.item_id == item_id)
    delivered = select(func.max(sent.updated_at)).where(sent.item_id == item_id)
    with journal.read() as connection:
        row = connection.execute(item).one_or_none()
        if row is None:
            return ""
        facts = [*row[:-1], row.turn if row.detection == "open" else None]
        facts += [connection.execute(one).scalar_one() for one in (latest, delivered)]
        facts += sorted(":".join(one) for one in connection.execute(made.order_by(pieces.piece)))
    return _opaque(facts)


def _opaque(facts: Iterable[object]) -> str:
    """Return a text that says nothing of the facts: people get it who may not see all of them."""
    named = "-".join(map(str, facts)).encode()
    return blake2b(named, key=_KEY, digest_size=12).hexdigest()

"""Final decisions as receivers and readers of events get them: who decided is an opaque id.

A decision is published once, in the order of the commits; the number of the latest one that is
published is a row of ``journal_facts``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, Connection, Row, Select, select

from scanner.store.review_schema import decisions, reviews
from scanner.store.schema import journal_facts
from scanner.store.writes import upsert

__all__ = [
    "OutgoingDecision",
    "has_unpublished",
    "outgoing_decision",
    "select_outgoing",
    "take_decisions",
]

LATEST: Final = "decisions_published"
MADE = decisions.alias("made")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingDecision:
    """One decision and what it is about."""

    decision: Mapping[str, Any]
    """Id, kind, verdict, reason, who decided, what it ends, and the time in seconds since the
    epoch."""
    item: Mapping[str, Any]
    """Id, kind, stream, channel, labels, category and severity of what was decided."""


def select_outgoing(*more: Any) -> Select[Any]:
    """Select what ``outgoing_decision`` reads, beside tables or columns that the caller joins."""
    return (
        select(*more, decisions, reviews, MADE.c.decision_id.label("ended_id"))
        .join(reviews, reviews.c.item_id == decisions.c.item_id)
        .outerjoin(MADE, MADE.c.number == decisions.c.undoes)
        .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
    )


def outgoing_decision(row: Row[Any]) -> OutgoingDecision:
    """Return the decision of a row of ``select_outgoing``."""
    names = ("decision_id", "kind", "verdict", "reason", "by", "reviewer", "created_at")
    decision = {name: getattr(row, f"decisions_{name}") for name in names}
    names = ("item_id", "kind", "stream_id", "channel", "label", "category", "severity")
    item = {name: getattr(row, f"reviews_{name}") for name in names}
    return OutgoingDecision(
        decision={**decision, "ended_id": row.ended_id},
        item={**item, "labels": json.loads(row.reviews_labels)},
    )


def has_unpublished(connection: Connection) -> bool:
    """Return whether there are decisions after the latest that is published."""
    query = select(decisions.c.number).where(decisions.c.number > _latest(connection)).limit(1)
    return connection.execute(query).first() is not None


def take_decisions(connection: Connection, *, limit: int) -> list[tuple[int, OutgoingDecision]]:
    """Return shard and facts of the next final decisions, and mark them as published."""
    latest = _latest(connection)
    numbers = (
        select(decisions.c.number)
        .where(decisions.c.number > latest)
        .order_by(decisions.c.number)
        .limit(limit)
    )
    found = list(connection.execute(numbers).scalars())
    if not found:
        return []
    upsert(connection, journal_facts, {"name": LATEST, "value": str(found[-1])})
    query = select_outgoing().where(decisions.c.number.in_(found), decisions.c.final)
    rows = connection.execute(query.order_by(decisions.c.number)).all()
    return [(row.decisions_shard, outgoing_decision(row)) for row in rows]


def _latest(connection: Connection) -> int:
    query = select(journal_facts.c.value).where(journal_facts.c.name == LATEST)
    return int(connection.execute(query).scalar_one_or_none() or 0)

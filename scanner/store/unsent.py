"""Messages that only a person sends: those that a quota holds, and those that were given up. As
leads see and send them; ``effects`` and ``decision_effects`` have the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from scanner.store.database import Journal
from scanner.store.decision_effects import DecisionEffects
from scanner.store.effects import UNSENT, EffectJournal
from scanner.store.review_queries import Sight
from scanner.store.review_schema import decision_effects, reviews
from scanner.store.schema import effects

__all__ = ["UnsentItem", "UnsentMessages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsentItem:
    """What one receiver was not told of one item."""

    item_id: str
    label: str
    severity: int
    state: str
    """State of the item."""
    stream_id: str
    channel: str | None
    sink: str
    status: str
    """held or dead."""
    error: str | None
    """Why it was not sent."""
    messages: int
    updated_at: float
    """When the latest of the messages was held or given up, in seconds since the epoch."""


class UnsentMessages:
    """Reads and sends what was held or given up; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def items(
        self, sight: Sight, *, item_id: str | None = None, limit: int = 50
    ) -> list[UnsentItem]:
        """Return what receivers were not told of items that somebody may see, the latest first."""
        found: list[UnsentItem] = []
        with self._journal.read() as connection:
            for table, key in ((effects, "incident_id"), (decision_effects, "item_id")):
                columns = table.c
                query = (
                    select(reviews.c.item_id, reviews.c.label, reviews.c.severity, reviews.c.state)
                    .add_columns(reviews.c.stream_id, reviews.c.channel)
                    .add_columns(columns.sink, columns.status)
                    .add_columns(func.max(columns.error).label("error"))
                    .add_columns(func.count().label("messages"))
                    .add_columns(func.max(columns.updated_at).label("updated_at"))
                    .join(table, columns[key] == reviews.c.item_id)
                    .where(columns.status.in_(UNSENT), sight.condition)
                    .group_by(reviews.c.item_id, columns.sink, columns.status)
                    .order_by(func.max(columns.updated_at).desc())
                    .limit(limit)
                )
                if item_id is not None:
                    query = query.where(reviews.c.item_id == item_id)
                rows = connection.execute(query).all()
                found += [UnsentItem(**row._asdict()) for row in rows]
        return sorted(found, key=lambda one: -one.updated_at)[:limit]

    def send(self, item_id: str, sinks: Sequence[str]) -> int:
        """Have everything about an item sent to some receivers, with all attempts and beyond every
        quota; return the number of messages.

        A decision that is not the latest of its item stays.
        """
        total = len(DecisionEffects(self._journal).retry_dead(sinks, item_id=item_id))
        for sink in sinks:
            total += EffectJournal(self._journal).retry_dead(incident_id=item_id, sink=sink)
        return total

"""Items whose review has ended, with the verdict in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select

from scanner.store.database import Journal
from scanner.store.review_schema import decisions, reviews
from scanner.store.schema import configurations, incident_revisions, incidents, streams

__all__ = ["DecidedItem", "decided_items", "read_configurations"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedItem:
    """An incident or picture that was decided; nothing of it names who decided."""

    item_id: str
    kind: str
    """``incident`` or ``image``."""
    stream_id: str
    channel: str | None
    label: str
    labels: tuple[str, ...]
    category: str
    severity: int
    risk: float
    """The highest; of a picture its score."""
    generation: int
    """Configuration under which it was flagged."""
    incident: Mapping[str, Any] | None
    """The latest revision, as JSON; None for a picture."""
    flagged_at: float
    verdict: str
    reason: str | None
    """Label of the taxonomy that is violated."""
    by: str
    """``human`` or ``machine``."""
    decided_at: float


def decided_items(journal: Journal) -> Iterator[DecidedItem]:
    """Yield the decided items in the order of their decisions."""
    undo, later = decisions.alias("undo"), decisions.alias("later")
    columns = decisions.c
    in_force = (
        (columns.kind == "made")
        & columns.final
        & ~exists().where(undo.c.undoes == columns.number)
        & ~exists().where(
            later.c.item_id == columns.item_id,
            later.c.number > columns.number,
            later.c.kind == "made",
            later.c.final,
            ~exists().where(undo.c.undoes == later.c.number),
        )
    )
    flagged = select(func.min(incident_revisions.c.generation)).where(
        incident_revisions.c.incident_id == reviews.c.item_id
    )
    query = (
        select(reviews, columns.reason, columns.by, columns.created_at, incidents.c.body)
        .add_columns(
            func.coalesce(flagged.scalar_subquery(), streams.c.generation, 0).label("generation")
        )
        .join(reviews, reviews.c.item_id == columns.item_id)
        .outerjoin(incidents, incidents.c.incident_id == reviews.c.item_id)
        .outerjoin(streams, streams.c.stream_id == reviews.c.stream_id)
        .where(in_force, reviews.c.verdict.is_not(None), reviews.c.state == "decided")
        .order_by(columns.number)
    )
    with journal.read() as connection:
        for row in connection.execute(query):
            yield _item(row)


def read_configurations(journal: Journal) -> dict[int, Mapping[str, Any]]:
    """Return the body of each configuration by generation."""
    with journal.read() as connection:
        rows = connection.execute(select(configurations.c.generation, configurations.c.body))
        return {row.generation: json.loads(row.body) for row in rows}


def _item(row: Any) -> DecidedItem:
    return DecidedItem(
        item_id=row.item_id,
        kind=row.kind,
        stream_id=row.stream_id,
        channel=row.channel,
        label=row.label,
        labels=tuple(json.loads(row.labels)),
        category=row.category,
        severity=row.severity,
        risk=row.risk,
        generation=row.generation,
        incident=None if row.body is None else json.loads(row.body),
        flagged_at=row.flagged_at,
        verdict=row.verdict,
        reason=row.reason,
        by=row.by,
        decided_at=row.created_at,
    )

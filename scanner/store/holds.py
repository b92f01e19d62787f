"""Holds: what may not be deleted, by age or on request, until the hold is lifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, exists, or_, select

from scanner.store.database import Journal
from scanner.store.people_schema import holds
from scanner.store.schema import streams
from scanner.store.writes import upsert

__all__ = ["Hold", "HoldKind", "Holds", "is_on_hold"]

HoldKind = Literal["stream", "channel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A stream or channel that is held against deletion."""

    kind: str
    name: str
    reason: str
    actor: str
    """Who asked for it."""
    created_at: float


class Holds:
    """The holds of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(self, kind: HoldKind, name: str, *, reason: str, actor: str) -> None:
        """Hold a stream or channel, which need not exist yet; a hold that exists is replaced."""
        row = {"kind": kind, "name": name, "shard": 0, "reason": reason, "actor": actor}
        with self._journal.write() as connection:
            upsert(connection, holds, {**row, "created_at": self._journal.now()})

    def lift(self, kind: HoldKind, name: str) -> bool:
        """Lift a hold; return False if there was none."""
        with self._journal.write() as connection:
            lifted = delete(holds).where(holds.c.kind == kind, holds.c.name == name)
            return bool(connection.execute(lifted).rowcount)

    def list_all(self) -> list[Hold]:
        """Return all holds, the oldest first."""
        query = select(holds).order_by(holds.c.created_at, holds.c.name)
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return [
            Hold(
                kind=row.kind,
                name=row.name,
                reason=row.reason,
                actor=row.actor,
                created_at=row.created_at,
            )
            for row in rows
        ]


def is_on_hold(stream_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return the condition that a stream, or its channel, is on hold."""
    of = streams.alias()
    channel = (
        select(of.c.channel)
        .where(of.c.stream_id == stream_id)
        .correlate_except(of)  # by default only the nearest query is correlated, not the outer one
        .scalar_subquery()
    )
    return exists().where(
        or_(
            (holds.c.kind == "stream") & (holds.c.name == stream_id),
            (holds.c.kind == "channel") & (holds.c.name == channel),
        )
    )

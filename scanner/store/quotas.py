"""Quotas of automatic actions: what a receiver is told in an hour that no person decided.

    asks to act      the opening of an incident; a decision ``violation`` that a program made
    never limited    what people decide; further revisions of an incident that was sent; what takes
                     an action back
    within quota     sent; it counts from its first attempt, once
    beyond it        held: nothing of it is sent, its item is in the queue with the reason, and a
                     person may send it

Hours are sliding. A channel is the item's, or its stream where it has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, exists, func, select, update

from scanner.store.database import Journal
from scanner.store.decision_effects import DueDecision
from scanner.store.effects import DueEffect
from scanner.store.review_schema import PENDING_STATES, QUOTA, decision_effects, decisions, reviews
from scanner.store.schema import effects
from scanner.store.writes import add_to_counters

__all__ = ["ActionQuota", "QuotaLimits"]

HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimits:
    """The most automatic actions in an hour; None for no limit."""

    all_channels: int | None = None
    each_channel: int | None = None

    @property
    def is_unlimited(self) -> bool:
        """Whether nothing is ever held."""
        return self.all_channels is None and self.each_channel is None


class ActionQuota:
    """The quota of one receiver; belongs to the thread that sends to it."""

    def __init__(self, journal: Journal, sink: str, limits: QuotaLimits) -> None:
        self._journal = journal
        self._sink = sink
        self._limits = limits

    def admit_incidents(self, due: Sequence[DueEffect]) -> list[DueEffect]:
        """Return what may be sent of revisions of incidents; hold the incidents of the others."""
        asking = [one for one in due if one.kind == "opened" and not one.is_admitted]
        if self._limits.is_unlimited or not asking:
            return list(due)
        held: set[str] = set()
        with self._journal.write() as connection:
            now = self._journal.now()
            for one in asking:
                reason = self._exceeded(connection, one.incident_id, now)
                if reason is None:
                    self._admit_incident(connection, one, now)
                else:
                    held.add(one.incident_id)
                    self._hold_incident(connection, one, reason, now)
        return [one for one in due if one.incident_id not in held]

    def admit_decisions(self, due: Sequence[DueDecision]) -> list[DueDecision]:
        """Return what may be sent of decisions; hold the others, and return their items."""
        asking = [one for one in due if one.asks_to_act and not one.is_admitted]
        if self._limits.is_unlimited or not asking:
            return list(due)
        held: set[int] = set()
        with self._journal.write() as connection:
            now = self._journal.now()
            for one in asking:
                reason = self._exceeded(connection, one.item["item_id"], now)
                if reason is None:
                    self._write_decision(connection, one, now, admitted_at=now)
                else:
                    held.add(one.number)
                    self._write_decision(connection, one, now, status="held", error=reason)
                    add_to_counters(connection, one.shard, "decision_effects", {"held": 1})
                    self._return_item(connection, one, now)
        return [one for one in due if one.number not in held]

    def _exceeded(self, connection: Connection, item_id: str, now: float) -> str | None:
        """Return which limit one more action would exceed; None if it exceeds none."""
        whole, each = self._limits.all_channels, self._limits.each_channel
        if whole is not None and self._count(connection, now) >= whole:
            return f"quota: {whole} automatic actions in the last hour"
        subject = connection.execute(
            select(_SUBJECT).where(reviews.c.item_id == item_id)
        ).scalar_one_or_none()
        if each is not None and self._count(connection, now, subject) >= each:
            return f"quota: {each} automatic actions on {subject} in the last hour"
        return None

    def _count(self, connection: Connection, now: float, subject: str | None = None) -> int:
        """Return the actions of the last hour, of all channels or of one."""
        total = 0
        for table, item in ((effects, "incident_id"), (decision_effects, "item_id")):
            query = select(func.count()).select_from(table)
            if subject is not None:
                query = query.join(reviews, reviews.c.item_id == table.c[item])
                query = query.where(_SUBJECT.in_([subject]))
            query = query.where(table.c.sink == self._sink, table.c.admitted_at > now - HOUR)
            total += int(connection.execute(query).scalar_one())
        return total

    def _admit_incident(self, connection: Connection, effect: DueEffect, now: float) -> None:
        connection.execute(
            update(effects)
            .where(
                effects.c.incident_id == effect.incident_id,
                effects.c.revision == effect.revision,
                effects.c.sink == self._sink,
            )
            .values(admitted_at=now)
        )

    def _hold_incident(
        self, connection: Connection, effect: DueEffect, reason: str, now: float
    ) -> None:
        """Hold all revisions of an incident; later ones are held as they are written."""
        held = connection.execute(
            update(effects)
            .where(
                effects.c.incident_id == effect.incident_id,
                effects.c.sink == self._sink,
                effects.c.status == "pending",
            )
            .values(status="held", error=reason, updated_at=now)
        )
        add_to_counters(connection, effect.shard, "effects", {"held": held.rowcount})
        connection.execute(
            update(reviews)
            .where(reviews.c.item_id == effect.incident_id, reviews.c.state.in_(PENDING_STATES))
            .values(returned=f"{QUOTA}{self._sink}", updated_at=now)
        )

    def _write_decision(
        self, connection: Connection, effect: DueDecision, now: float, **values: str | float
    ) -> None:
        columns = decision_effects.c
        connection.execute(
            update(decision_effects)
            .where(columns.number == effect.number, columns.sink == self._sink)
            .values(**values, updated_at=now)
        )

    def _return_item(self, connection: Connection, effect: DueDecision, now: float) -> None:
        """Put an item back into the queue whose decision by a program is held, unless another
        decision followed."""
        columns, later = reviews.c, decisions.alias()
        followed = exists().where(
            later.c.item_id == effect.item["item_id"], later.c.number > effect.number
        )
        connection.execute(
            update(reviews)
            .where(columns.item_id == effect.item["item_id"], columns.state == "decided", ~followed)
            .values(
                state="waiting",
                returned=f"{QUOTA}{self._sink}",
                verdict=None,
                waiting_since=now,
                updated_at=now,
            )
        )


_SUBJECT: Final = func.coalesce(reviews.c.channel, reviews.c.stream_id)

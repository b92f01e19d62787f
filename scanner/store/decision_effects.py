"""Decisions on their way to receivers, as the delivery process reads and writes them.

pending   in the order of an item's decisions, after the incident itself was sent
delivered the receiver answered; the receipt says what and when
dead      given up: the item returns to the queue, so that a person sees it; it may be sent again
held      beyond the quota of automatic actions: the same
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, exists, or_, select, update

from scanner.store.database import Journal
from scanner.store.decision_events import OutgoingDecision, outgoing_decision, select_outgoing
from scanner.store.due import is_due
from scanner.store.effects import SENT_BY_HAND, UNSENT, SettledEffect, SinkState, write_sink
from scanner.store.review_schema import QUOTA, decision_effects, decisions, reviews
from scanner.store.schema import effects
from scanner.store.writes import add_to_counters

__all__ = ["DeadDecision", "DecisionEffects", "DueDecision"]

UNDELIVERED: Final = "undelivered: "
"""Beginning of ``returned`` of an item whose decision a receiver did not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDecision(OutgoingDecision):
    """One decision that is to be sent to one receiver now."""

    number: int
    sink: str
    shard: int
    attempts: int
    is_admitted: bool = False
    """Whether the quota of the receiver let it pass, or a person did."""

    @property
    def asks_to_act(self) -> bool:
        """Whether no person decided it, and it is against the stream."""
        decision = self.decision
        facts = decision["kind"], decision["verdict"], decision["by"]
        return facts == ("made", "violation", "machine")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadDecision:
    """One decision that was not delivered to one receiver: given up, or held."""

    decision_id: str
    item_id: str
    kind: str
    """``made`` or ``undone``."""
    sink: str
    attempts: int
    error: str | None
    updated_at: float
    status: str


class DecisionEffects:
    """The journal, as senders of decisions use it; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def forget_others(self, sinks: Sequence[str]) -> None:
        """Give up what is pending for receivers that are not in use any more."""
        columns = decision_effects.c
        with self._journal.write() as connection:
            connection.execute(
                update(decision_effects)
                .where(columns.status == "pending", columns.sink.not_in(list(sinks)))
                .values(
                    status="dead",
                    error="its receiver is not in the settings",
                    updated_at=self._journal.now(),
                )
            )

    def due(self, sink: str, *, limit: int) -> tuple[DueDecision, ...]:
        """Return decisions to send now, each of another item: the first that is pending of it."""
        columns, earlier = decision_effects.c, decision_effects.alias()
        is_first = ~exists().where(
            earlier.c.item_id == columns.item_id,
            earlier.c.sink == columns.sink,
            earlier.c.number < columns.number,
            earlier.c.status == "pending",
        )
        is_known = ~exists().where(
            effects.c.incident_id == columns.item_id,
            effects.c.sink == columns.sink,
            effects.c.kind == "opened",
            effects.c.status == "pending",
        )
        query = (
            select_outgoing(decision_effects)
            .where(
                columns.number == decisions.c.number,
                columns.sink == sink,
                columns.status == "pending",
            )
            .where(is_due(columns, self._journal.now()), is_first, is_known)
            .order_by(columns.next_at, columns.number)
            .limit(limit)
        )
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return tuple(_due(row) for row in rows)

    def settle(
        self, results: Sequence[SettledEffect[DueDecision]], state: SinkState | None
    ) -> None:
        """Record what became of attempts and, with them, how their receiver does."""
        now = self._journal.now()
        with self._journal.write() as connection:
            for one in results:
                values: dict[str, Any] = {"status": one.status, "next_at": one.next_at}
                if one.receipt is not None:
                    values["receipt"] = json.dumps(dict(one.receipt))
                connection.execute(
                    update(decision_effects)
                    .where(
                        decision_effects.c.number == one.effect.number,
                        decision_effects.c.sink == one.effect.sink,
                        decision_effects.c.status == "pending",
                    )
                    .values(
                        **values,
                        attempts=decision_effects.c.attempts + 1,
                        error=one.error,
                        updated_at=now,
                    )
                )
                outcome = "failed" if one.status == "pending" else one.status
                add_to_counters(connection, one.effect.shard, "decision_effects", {outcome: 1})
                if one.status == "dead":
                    _return_item(connection, one.effect, now)
            if state is not None:
                write_sink(connection, state)

    def give_up(self, sink: str) -> bool:
        """Give up what is pending for a receiver that wants no more, so that people see it; return
        False if that is nothing."""
        now, columns = self._journal.now(), decision_effects.c
        pending = select_outgoing(decision_effects).where(
            columns.number == decisions.c.number, columns.sink == sink, columns.status == "pending"
        )
        with self._journal.read() as connection:
            given_up = [_due(row) for row in connection.execute(pending).all()]
        if not given_up:
            return False
        with self._journal.write() as connection:
            for one in given_up:
                connection.execute(
                    update(decision_effects)
                    .where(columns.number == one.number, columns.sink == sink)
                    .values(status="dead", error="the receiver answered 410", updated_at=now)
                )
                add_to_counters(connection, one.shard, "decision_effects", {"dead": 1})
                _return_item(connection, one, now)
        return True

    # People

    def list_dead(self, *, sink: str | None = None, limit: int = 100) -> tuple[DeadDecision, ...]:
        """Return decisions that were given up or held for a receiver, the latest first."""
        columns = decision_effects.c
        query = (
            select(decision_effects, decisions.c.decision_id, decisions.c.kind)
            .join(decisions, decisions.c.number == columns.number)
            .where(columns.status.in_(UNSENT), *_of_sink(sink))
        )
        with self._journal.read() as connection:
            rows = connection.execute(query.order_by(columns.updated_at.desc()).limit(limit)).all()
        names = [one.name for one in fields(DeadDecision)]
        return tuple(DeadDecision(**{name: getattr(row, name) for name in names}) for row in rows)

    def retry_dead(
        self, sinks: Sequence[str], *, item_id: str | None = None, sink: str | None = None
    ) -> list[str]:
        """Make decisions that were given up or held pending again for receivers that are in use,
        with all their attempts; return the items that they are about, one for each delivery.

        A decision that is not the latest of its item stays: a receiver that got a later one would
        end with the earlier one. An item that returned for it is decided again.
        """
        now, columns, later = self._journal.now(), decision_effects.c, decisions.alias()
        dead = select(decision_effects).where(columns.status.in_(UNSENT), *_of_sink(sink))
        dead = dead.where(
            columns.sink.in_(list(sinks)),
            ~exists().where(later.c.item_id == columns.item_id, later.c.number > columns.number),
        )
        if item_id is not None:
            dead = dead.where(columns.item_id == item_id)
        with self._journal.write() as connection:
            rows = connection.execute(dead).all()
            for row in rows:
                connection.execute(
                    update(decision_effects)
                    .where(columns.number == row.number, columns.sink == row.sink)
                    .values(**SENT_BY_HAND, next_at=now, updated_at=now)
                )
                _decide_again(connection, row, now)
        return [row.item_id for row in rows]


def _of_sink(sink: str | None) -> list[ColumnElement[bool]]:
    return [] if sink is None else [decision_effects.c.sink == sink]


def _decide_again(connection: Connection, effect: Row[Any], now: float) -> None:
    """Take an item that returned for a decision out of the queue: the decision is sent again."""
    query = select(decisions.c.kind, decisions.c.verdict)
    made = connection.execute(query.where(decisions.c.number == effect.number)).one()
    if made.kind != "made":
        return
    columns = reviews.c
    values = {"state": "decided", "verdict": made.verdict, "returned": None, "updated_at": now}
    values |= {"claimed_by": None, "claimed_until": 0.0}
    connection.execute(
        update(reviews)
        .where(
            columns.item_id == effect.item_id,
            columns.state == "waiting",
            or_(
                columns.returned.startswith(UNDELIVERED, autoescape=True),
                columns.returned.startswith(QUOTA, autoescape=True),
            ),
        )
        .values(**values, decided_severity=columns.severity)
    )


def _return_item(connection: Connection, effect: DueDecision, now: float) -> None:
    """Put an item whose decision was not delivered back into the queue, unless another decision
    followed, which is delivered for itself."""
    if effect.decision["kind"] != "made":
        return
    later = decisions.alias()
    followed = exists().where(
        later.c.item_id == effect.item["item_id"], later.c.number > effect.number
    )
    connection.execute(
        update(reviews)
        .where(reviews.c.item_id == effect.item["item_id"], reviews.c.state == "decided", ~followed)
        .values(
            state="waiting",
            returned=f"{UNDELIVERED}{effect.sink}",
            verdict=None,
            waiting_since=now,
            updated_at=now,
        )
    )


def _due(row: Row[Any]) -> DueDecision:
    facts = outgoing_decision(row)
    return DueDecision(
        number=row.decision_effects_number,
        sink=row.decision_effects_sink,
        shard=row.decision_effects_shard,
        attempts=row.decision_effects_attempts,
        is_admitted=row.decision_effects_admitted_at is not None,
        decision=facts.decision,
        item=facts.item,
    )

"""Decisions on their way to receivers, as the delivery process reads and writes them.

pending   in the order of an item's decisions, after the incident itself was sent
delivered the receiver answered; the receipt says what and when
dead      given up: the item returns to the queue, so that a person sees it
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import LABEL_STYLE_TABLENAME_PLUS_COL, Connection, Row, exists, select, update

from scanner.store.database import Journal
from scanner.store.effects import SettledEffect, SinkState, write_sink
from scanner.store.review_schema import decision_effects, decisions, reviews
from scanner.store.schema import effects
from scanner.store.writes import add_to_counters

__all__ = ["DecisionEffects", "DueDecision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DueDecision:
    """One decision that is to be sent to one receiver now."""

    number: int
    sink: str
    shard: int
    attempts: int
    decision: Mapping[str, Any]
    """Id, kind, verdict, reason, who decided, what it ends, and the time in seconds since the
    epoch."""
    item: Mapping[str, Any]
    """Id, kind, stream, channel, labels, category and severity of what was decided."""


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
        made = decisions.alias("made")
        query = (
            select(decision_effects, decisions, reviews, made.c.decision_id.label("ended_id"))
            .join(decisions, decisions.c.number == columns.number)
            .join(reviews, reviews.c.item_id == columns.item_id)
            .outerjoin(made, made.c.number == decisions.c.undoes)
            .where(columns.sink == sink, columns.status == "pending")
            .where(columns.next_at <= self._journal.now(), is_first, is_known)
            .order_by(columns.next_at, columns.number)
            .limit(limit)
        )
        with self._journal.read() as connection:
            rows = connection.execute(query.set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)).all()
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


def _return_item(connection: Connection, effect: DueDecision, now: float) -> None:
    """Put an item whose decision was not delivered back into the queue."""
    if effect.decision["kind"] != "made":
        return
    connection.execute(
        update(reviews)
        .where(reviews.c.item_id == effect.item["item_id"], reviews.c.state == "decided")
        .values(
            state="waiting",
            returned=f"undelivered: {effect.sink}",
            verdict=None,
            waiting_since=now,
            updated_at=now,
        )
    )


def _due(row: Row[Any]) -> DueDecision:
    return DueDecision(
        number=row.decision_effects_number,
        sink=row.decision_effects_sink,
        shard=row.decision_effects_shard,
        attempts=row.decision_effects_attempts,
        decision={
            "decision_id": row.decisions_decision_id,
            "kind": row.decisions_kind,
            "ended_id": row.ended_id,
            "verdict": row.decisions_verdict,
            "reason": row.decisions_reason,
            "by": row.decisions_by,
            "reviewer": row.decisions_reviewer,
            "created_at": row.decisions_created_at,
        },
        item={
            "item_id": row.reviews_item_id,
            "kind": row.reviews_kind,
            "stream_id": row.reviews_stream_id,
            "channel": row.reviews_channel,
            "label": row.reviews_label,
            "labels": json.loads(row.reviews_labels),
            "category": row.reviews_category,
            "severity": row.reviews_severity,
        },
    )

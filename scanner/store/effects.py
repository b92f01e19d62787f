"""Effects, as the delivery process reads and writes them: revisions of incidents on their way to
receivers.

    pending   in the order of revisions; an ``extended`` one is skipped once a later one is pending
    delivered the receiver answered; the receipt says what and when
    dead      given up; a person may send it again
    held      beyond the quota of automatic actions of its receiver; a person may send it
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from sqlalchemy import Connection, Row, delete, exists, insert, select, update

from scanner.store.database import Journal
from scanner.store.due import is_due
from scanner.store.review_schema import QUOTA, decision_effects, reviews
from scanner.store.schema import effects, incident_revisions, incidents, sinks
from scanner.store.writes import add_to_counters

__all__ = [
    "DeadEffect",
    "DueEffect",
    "DueMessage",
    "EffectJournal",
    "SettledEffect",
    "SinkState",
    "write_sink",
]

UNSENT: Final = ("dead", "held")
"""States from which only a person sends an effect."""
SENT_BY_HAND: Final = {"status": "pending", "attempts": 0, "admitted_at": 0.0}
"""Values of an effect that a person sends: no quota holds it, and none counts it."""
BACKLOG: Final = 200
"""Effects that one call changes at most, so that no transaction is long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DueEffect:
    """One revision of an incident that is to be sent to one receiver now."""

    incident_id: str
    revision: int
    sink: str
    shard: int
    kind: Literal["opened", "extended", "closed"]
    attempts: int
    channel: str | None
    incident: Mapping[str, Any]
    """The incident at this revision, as JSON."""
    revised_at: float
    """When the revision was committed, in seconds since the epoch."""
    is_admitted: bool = False
    """Whether the quota of the receiver let it pass, or a person did."""


class DueMessage(Protocol):
    """Something that is to be sent to one receiver now."""

    @property
    def attempts(self) -> int:
        """Attempts so far."""


Due = TypeVar("Due", bound=DueMessage)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledEffect(Generic[Due]):
    """The result of one attempt."""

    effect: Due
    status: Literal["pending", "delivered", "dead"]
    next_at: float
    """When a pending one is tried next."""
    receipt: Mapping[str, Any] | None = None
    """Answer of the receiver, if it was delivered."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkState:
    """The recent results of one receiver."""

    sink: str
    disabled_at: float | None
    failing_since: float | None
    """When the first of the failures without a success between was."""
    failures: int
    next_at: float
    """When it may be tried next, in seconds since the epoch."""
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadEffect:
    """One revision of an incident that was not delivered: given up, or held."""

    incident_id: str
    revision: int
    sink: str
    kind: str
    attempts: int
    error: str | None
    updated_at: float
    status: str


class EffectJournal:
    """The journal, as senders of effects use it; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def journal(self) -> Journal:
        """The journal that it reads and writes."""
        return self._journal

    # Receivers

    def register_sinks(self, digests: Mapping[str, str]) -> None:
        """Record the receivers in use, with digests of their settings; new settings of one enable
        it again, and what is pending for it is due at once. One that is not in use any more is
        forgotten, and what is pending for it is dead."""
        with self._journal.write() as connection:
            known = {row.sink: row.settings for row in connection.execute(select(sinks))}
            for sink, digest in digests.items():
                fresh: dict[str, Any] = {"settings": digest, "disabled_at": None}
                fresh |= {"failing_since": None, "failures": 0, "next_at": 0.0, "error": None}
                if sink not in known:
                    connection.execute(insert(sinks), {"sink": sink, "shard": 0, **fresh})
                elif known[sink] != digest:
                    connection.execute(update(sinks).where(sinks.c.sink == sink).values(**fresh))
                    _make_due(connection, sink)
            connection.execute(delete(sinks).where(sinks.c.sink.not_in(list(digests))))
            connection.execute(
                update(effects)
                .where(effects.c.status == "pending", effects.c.sink.not_in(list(digests)))
                .values(
                    status="dead",
                    error="its receiver is not in the settings",
                    updated_at=self._journal.now(),
                )
            )

    def sink_state(self, sink: str) -> SinkState:
        """Return how a registered receiver did lately."""
        with self._journal.read() as connection:
            row = connection.execute(select(sinks).where(sinks.c.sink == sink)).one()
        return SinkState(
            sink=row.sink,
            disabled_at=row.disabled_at,
            failing_since=row.failing_since,
            failures=row.failures,
            next_at=row.next_at,
            error=row.error,
        )

    # Effects

    def due(self, sink: str, *, limit: int) -> tuple[DueEffect, ...]:
        """Return effects to send now, each of another incident: the first that is pending of it.

        Intermediate ``extended`` revisions with a later one pending are skipped first.
        """
        self._skip_superseded(sink)
        earlier, columns = effects.alias(), effects.c
        heads = (
            select(effects, incident_revisions.c.body, incident_revisions.c.created_at.label("at"))
            .add_columns(incidents.c.channel)
            .join(
                incident_revisions,
                (incident_revisions.c.incident_id == columns.incident_id)
                & (incident_revisions.c.revision == columns.revision),
            )
            .join(incidents, incidents.c.incident_id == columns.incident_id)
            .where(
                columns.sink == sink,
                columns.status == "pending",
                is_due(columns, self._journal.now()),
                ~exists().where(
                    earlier.c.incident_id == columns.incident_id,
                    earlier.c.sink == columns.sink,
                    earlier.c.revision < columns.revision,
                    earlier.c.status == "pending",
                ),
            )
            .order_by(columns.next_at, columns.incident_id)
            .limit(limit)
        )
        with self._journal.read() as connection:
            return tuple(_due_effect(row) for row in connection.execute(heads))

    def _skip_superseded(self, sink: str) -> None:
        later, columns = effects.alias(), effects.c
        superseded = (
            select(columns.incident_id, columns.revision, columns.shard)
            .where(
                columns.sink == sink,
                columns.status == "pending",
                columns.kind == "extended",
                exists().where(
                    later.c.incident_id == columns.incident_id,
                    later.c.sink == columns.sink,
                    later.c.revision > columns.revision,
                    later.c.status == "pending",
                ),
            )
            .limit(BACKLOG)
        )
        with self._journal.read() as connection:
            rows = connection.execute(superseded).all()
        if not rows:
            return
        with self._journal.write() as connection:
            for row in rows:
                connection.execute(
                    update(effects)
                    .where(
                        effects.c.incident_id == row.incident_id,
                        effects.c.revision == row.revision,
                        effects.c.sink == sink,
                        effects.c.status == "pending",
                    )
                    .values(status="skipped", updated_at=self._journal.now())
                )
                add_to_counters(connection, row.shard, "effects", {"skipped": 1})

    def settle(self, results: Sequence[SettledEffect[DueEffect]], state: SinkState | None) -> None:
        """Record what became of attempts and, with them, how their receiver does."""
        now = self._journal.now()
        with self._journal.write() as connection:
            for one in results:
                effect = one.effect
                values: dict[str, Any] = {"status": one.status, "next_at": one.next_at}
                if one.receipt is not None:
                    values["receipt"] = json.dumps(dict(one.receipt))
                connection.execute(
                    update(effects)
                    .where(
                        effects.c.incident_id == effect.incident_id,
                        effects.c.revision == effect.revision,
                        effects.c.sink == effect.sink,
                        effects.c.status == "pending",
                    )
                    .values(
                        **values,
                        attempts=effects.c.attempts + 1,
                        error=one.error,
                        updated_at=now,
                    )
                )
                outcome = "failed" if one.status == "pending" else one.status
                add_to_counters(connection, effect.shard, "effects", {outcome: 1})
            if state is not None:
                write_sink(connection, state)

    # People

    def list_dead(self, *, sink: str | None = None, limit: int = 100) -> tuple[DeadEffect, ...]:
        """Return effects that were given up or held, the latest first."""
        columns = effects.c
        found = select(effects).where(columns.status.in_(UNSENT))
        if sink is not None:
            found = found.where(columns.sink == sink)
        with self._journal.read() as connection:
            rows = connection.execute(found.order_by(columns.updated_at.desc()).limit(limit)).all()
        return tuple(
            DeadEffect(
                incident_id=row.incident_id,
                revision=row.revision,
                sink=row.sink,
                kind=row.kind,
                attempts=row.attempts,
                error=row.error,
                updated_at=row.updated_at,
                status=row.status,
            )
            for row in rows
        )

    def retry_dead(self, *, incident_id: str | None = None, sink: str | None = None) -> int:
        """Make effects that were given up or held pending again for receivers that are in use, with
        all their attempts; return how many."""
        now = self._journal.now()
        in_use = effects.c.sink.in_(select(sinks.c.sink))
        dead = update(effects).where(effects.c.status.in_(UNSENT), in_use)
        if incident_id is not None:
            dead = dead.where(effects.c.incident_id == incident_id)
        if sink is not None:
            dead = dead.where(effects.c.sink == sink)
        with self._journal.write() as connection:
            _tell_sent(connection, incident_id, sink)
            changed = connection.execute(dead.values(**SENT_BY_HAND, next_at=now, updated_at=now))
            return int(changed.rowcount)


def _make_due(connection: Connection, sink: str) -> None:
    """Let what is pending for a receiver be tried at once."""
    for table in (effects, decision_effects):
        columns = table.c
        pending = (columns.sink == sink) & (columns.status == "pending")
        connection.execute(update(table).where(pending).values(next_at=0.0))


def _tell_sent(connection: Connection, incident_id: str | None, sink: str | None) -> None:
    """Take the reason from items whose incident is held, because it is sent now."""
    columns = effects.c
    held = select(columns.incident_id, columns.sink).where(columns.status == "held").distinct()
    held = held.where(columns.sink.in_(select(sinks.c.sink)))
    for row in connection.execute(held).all():
        if incident_id in (None, row.incident_id) and sink in (None, row.sink):
            connection.execute(
                update(reviews)
                .where(
                    reviews.c.item_id == row.incident_id,
                    reviews.c.returned == f"{QUOTA}{row.sink}",
                )
                .values(returned=None)
            )


def _due_effect(row: Row[Any]) -> DueEffect:
    return DueEffect(
        incident_id=row.incident_id,
        revision=row.revision,
        sink=row.sink,
        shard=row.shard,
        kind=row.kind,
        attempts=row.attempts,
        channel=row.channel,
        incident=json.loads(row.body),
        revised_at=row.at,
        is_admitted=row.admitted_at is not None,
    )


def write_sink(connection: Connection, state: SinkState) -> None:
    """Record how a receiver did, in a transaction of the caller."""
    connection.execute(
        update(sinks)
        .where(sinks.c.sink == state.sink)
        .values(
            disabled_at=state.disabled_at,
            failing_since=state.failing_since,
            failures=state.failures,
            next_at=state.next_at,
            error=state.error,
        )
    )

"""The values that alarms are decided from, and the alarms that last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select

from scanner.store.database import Journal
from scanner.store.ingest_schema import sources
from scanner.store.review_schema import PENDING_STATES, decision_effects, reviews
from scanner.store.schema import alarms, effects, evidence, segments, sinks, streams
from scanner.store.writes import clear_alarm, raise_alarm
from scanner.taxonomy import MAX_SEVERITY

__all__ = ["AlarmJournal", "FailingSink", "FailingSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingSink:
    """A receiver that does not take what is sent."""

    sink: str
    since: float
    """Seconds since the epoch."""
    is_disabled: bool
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingSource:
    """A source that the service follows and that fails, however often it is tried."""

    source_id: str
    channel: str
    since: float
    """Seconds since the epoch."""
    error: str | None


class AlarmJournal:
    """The journal, as a process that raises alarms uses it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def oldest_waiting(self) -> float | None:
        """Return when the oldest segment without a verdict was received; None if none waits."""
        oldest = select(func.min(segments.c.received_at)).where(segments.c.verdict.is_(None))
        with self._journal.read() as connection:
            found: float | None = connection.execute(oldest).scalar_one()
        return found

    def oldest_severe(self) -> float | None:
        """Return since when the oldest item of the highest severity waits for a decision; None if
        none does."""
        columns = reviews.c
        oldest = select(func.min(columns.waiting_since)).where(
            columns.state.in_(PENDING_STATES), columns.severity >= MAX_SEVERITY
        )
        with self._journal.read() as connection:
            found: float | None = connection.execute(oldest).scalar_one()
        return found

    def waiting_work(self) -> dict[str, int]:
        """Return the number of webhooks that are pending and of pieces of evidence that are due."""
        counts = {
            "webhooks_pending": select(func.count()).where(effects.c.status == "pending"),
            "evidence_due": select(func.count()).where(evidence.c.status == "due"),
        }
        with self._journal.read() as connection:
            return {name: connection.execute(one).scalar_one() for name, one in counts.items()}

    def pending_by_sink(self) -> dict[str, int]:
        """Return the number of messages about incidents that are pending, by receiver."""
        columns = effects.c
        query = select(sinks.c.sink, func.count(columns.sink)).outerjoin(
            effects, (columns.sink == sinks.c.sink) & (columns.status == "pending")
        )
        with self._journal.read() as connection:
            rows = connection.execute(query.group_by(sinks.c.sink)).all()
        return {row[0]: row[1] for row in rows}

    def held_since(self, since: float) -> dict[str, int]:
        """Return the number of actions that quotas held since a wall-clock time, by receiver."""
        return self._messages("held", since, effects.c.kind == "opened")

    def dead_since(self, since: float) -> dict[str, int]:
        """Return the number of messages that were given up since a wall-clock time and were not
        sent again, by receiver."""
        return self._messages("dead", since)

    def dead_by_sink(self) -> dict[str, int]:
        """Return the number of all messages that were given up and not sent again, by receiver in
        use; 0 for those without any."""
        with self._journal.read() as connection:
            none = dict.fromkeys(connection.execute(select(sinks.c.sink)).scalars(), 0)
        return none | self._messages("dead", 0.0)

    def _messages(
        self, status: str, since: float, *incidents: ColumnElement[bool]
    ) -> dict[str, int]:
        """Count messages about incidents, which ``incidents`` restricts, and about decisions."""
        counts: dict[str, int] = {}
        for table, which in ((effects, incidents), (decision_effects, ())):
            columns = table.c
            query = select(columns.sink, func.count()).where(
                columns.status == status, columns.updated_at >= since, *which
            )
            with self._journal.read() as connection:
                for sink, count in connection.execute(query.group_by(columns.sink)):
                    counts[sink] = counts.get(sink, 0) + count
        return counts

    def end_blind(self, *, before: float) -> list[str]:
        """End the alarms of streams that show nothing and have sent nothing since before a
        wall-clock time; return the streams."""
        lasting = (alarms.c.kind == "stream.blind") & alarms.c.until.is_(None)
        arrived = func.coalesce(streams.c.last_arrival, streams.c.created_at)
        query = (
            select(alarms.c.subject)
            .join(streams, streams.c.stream_id == alarms.c.subject)
            .where(lasting, arrived < before)
        )
        with self._journal.read() as connection:
            found = list(connection.execute(query).scalars())
        if found:
            self.change({}, frozenset(("stream.blind", stream) for stream in found))
        return found

    def failing_sources(self) -> tuple[FailingSource, ...]:
        """Return the sources that were not removed and fail."""
        failing = select(sources).where(sources.c.removed_at.is_(None), sources.c.state == "failed")
        with self._journal.read() as connection:
            rows = connection.execute(failing).all()
        return tuple(
            FailingSource(
                source_id=row.source_id, channel=row.channel, since=row.updated_at, error=row.detail
            )
            for row in rows
        )

    def failing_sinks(self) -> tuple[FailingSink, ...]:
        """Return receivers that fail or are disabled."""
        failing = select(sinks).where(
            sinks.c.failing_since.is_not(None) | sinks.c.disabled_at.is_not(None)
        )
        with self._journal.read() as connection:
            rows = connection.execute(failing).all()
        return tuple(
            FailingSink(
                sink=row.sink,
                since=row.failing_since if row.disabled_at is None else row.disabled_at,
                is_disabled=row.disabled_at is not None,
                error=row.error,
            )
            for row in rows
        )

    def lasting(self, kinds: tuple[str, ...]) -> frozenset[tuple[str, str]]:
        """Return kind and subject of the alarms of these kinds that last."""
        columns = alarms.c
        with self._journal.read() as connection:
            rows = connection.execute(
                select(columns.kind, columns.subject).where(
                    columns.kind.in_(kinds), columns.until.is_(None)
                )
            )
            return frozenset((row.kind, row.subject) for row in rows)

    def change(
        self,
        begun: Mapping[tuple[str, str], Mapping[str, Any]],
        ended: frozenset[tuple[str, str]],
    ) -> None:
        """Begin alarms, given with their details by kind and subject, and end others."""
        now = self._journal.now()
        with self._journal.write() as connection:
            for (kind, subject), body in begun.items():
                raise_alarm(connection, kind, subject, body, shard=0, now=now)
            for kind, subject in ended:
                clear_alarm(connection, kind, subject, now=now)

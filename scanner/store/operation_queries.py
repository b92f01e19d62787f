"""Queries about the service as a whole: waiting segments, heartbeats, totals, events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from sqlalchemy import bindparam, func, select

from scanner.store.database import Journal
from scanner.store.outcomes import Verdict
from scanner.store.schema import (
    BACKED_UP,
    alarms,
    counters,
    heartbeats,
    journal_facts,
    published,
    segments,
)

__all__ = ["Backlog", "Heartbeat", "OperationQueries", "PublishedEvent", "WaitingShare"]


_OUTCOMES: Final = ("delivered", "dead", "held", "skipped")
KNOWN_TOTALS: Final[Mapping[str, Sequence[str]]] = {
    "segments": get_args(Verdict),
    "effects": _OUTCOMES,
    "decision_effects": _OUTCOMES,
    "evidence": ("cut", "failed"),
    "compacted": ("turns", "files"),
}
"""Labels of counters that are 0 before they are first counted: the first increase of a series that
begins with it is invisible to Prometheus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingShare:
    """The waiting segments of one API key."""

    count: int
    oldest_at: float
    """When the oldest of them was acknowledged, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Segments without a verdict."""

    by_key: Mapping[str | None, WaitingShare] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of waiting segments."""
        return sum(share.count for share in self.by_key.values())

    @property
    def oldest_at(self) -> float | None:
        """When the oldest was acknowledged; None if none waits."""
        return min((share.oldest_at for share in self.by_key.values()), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The latest heartbeat of a process, and what it reports of itself."""

    process: str
    pid: int
    at: float
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEvent:
    """An event of the service with its number."""

    number: int
    kind: str
    body: Mapping[str, Any]


class OperationQueries:
    """Reads of one journal about the service as a whole; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def backlog(self) -> Backlog:
        """Return what waits for a verdict."""
        with self._journal.read() as connection:
            rows = connection.execute(_BACKLOG).all()
        shares = {row.key_id: WaitingShare(count=row.waiting, oldest_at=row.oldest) for row in rows}
        return Backlog(by_key=shares)

    def verdict_count(self) -> float:
        """Return the number of verdicts that were ever given."""
        with self._journal.read() as connection:
            return float(connection.execute(_VERDICTS).scalar_one() or 0.0)

    def heartbeats(self) -> dict[str, Heartbeat]:
        """Return the latest heartbeat of each process."""
        with self._journal.read() as connection:
            rows = connection.execute(select(heartbeats)).all()
        return {
            row.process: Heartbeat(
                process=row.process, pid=row.pid, at=row.at, body=json.loads(row.body)
            )
            for row in rows
        }

    def totals(self) -> dict[str, dict[str, float]]:
        """Return all counters: by name, then by label; those that are known from the start with
        0."""
        with self._journal.read() as connection:
            rows = connection.execute(_TOTALS).all()
        found = {name: dict.fromkeys(labels, 0.0) for name, labels in KNOWN_TOTALS.items()}
        for row in rows:
            found.setdefault(row.name, {})[row.label] = row.total
        return found

    def backed_up_at(self) -> float:
        """Return when the latest complete backup was begun, in seconds since the epoch; 0 if there
        is none."""
        with self._journal.read() as connection:
            value = connection.execute(_BACKED_UP).scalar_one_or_none()
        return 0.0 if value is None else float(value)

    def alarms(self) -> list[dict[str, Any]]:
        """Return the alarms that last, oldest first."""
        lasting = select(alarms).where(alarms.c.until.is_(None)).order_by(alarms.c.since)
        with self._journal.read() as connection:
            rows = connection.execute(lasting).all()
        return [
            {
                "kind": row.kind,
                "subject": row.subject,
                "since": row.since,
                "detail": json.loads(row.body),
            }
            for row in rows
        ]

    def event_range(self) -> tuple[int, int]:
        """Return the numbers of the oldest event that is kept and the latest; (1, 0) for none."""
        bounds = select(func.min(published.c.number), func.max(published.c.number))
        with self._journal.read() as connection:
            oldest, latest = connection.execute(bounds).one()
        return (1, 0) if latest is None else (oldest, latest)

    def events_after(self, number: int, *, limit: int) -> Sequence[PublishedEvent]:
        """Return the events after a number, in order."""
        with self._journal.read() as connection:
            rows = connection.execute(_EVENTS, {"after": number, "most": limit}).all()
        return [
            PublishedEvent(number=row.number, kind=row.kind, body=json.loads(row.body))
            for row in rows
        ]


_BACKLOG = (
    select(
        segments.c.key_id,
        func.count().label("waiting"),
        func.min(segments.c.received_at).label("oldest"),
    )
    .where(segments.c.verdict.is_(None))
    .group_by(segments.c.key_id)
)
_VERDICTS = select(func.sum(counters.c.value)).where(counters.c.name == "segments")
_BACKED_UP = select(journal_facts.c.value).where(journal_facts.c.name == BACKED_UP)
_TOTALS = select(
    counters.c.name, counters.c.label, func.sum(counters.c.value).label("total")
).group_by(counters.c.name, counters.c.label)
_EVENTS = (
    select(published)
    .where(published.c.number > bindparam("after"))
    .order_by(published.c.number)
    .limit(bindparam("most"))
)

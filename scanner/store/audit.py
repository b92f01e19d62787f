"""The audit log: who saw and did what, as a chain of hashes.

    hash of entry n = SHA-256 of the canonical JSON of {number, at, actor, action, subject, details,
                      previous}, with previous = hash of entry n - 1

A change of an entry breaks its hash, and a removed or inserted one breaks the chain. That the end
was cut off, or that all of it was rewritten, shows in the signed checkpoints (``checkpoints``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeVar

from sqlalchemy import Connection, delete, func, insert, select

from scanner.store.database import Journal
from scanner.store.people_schema import audit

__all__ = [
    "FIRST_PREVIOUS",
    "AuditEntry",
    "AuditHead",
    "AuditLog",
    "HeadKeeper",
    "RecordedEntry",
    "append_entries",
    "canonical",
    "entry_hash",
    "read_head",
]

T = TypeVar("T")

FIRST_PREVIOUS: Final = "0" * 64
"""``previous`` of the first entry."""
_LOCK: Final = 0x5741_5544
"""Advisory lock of PostgreSQL under which entries are numbered."""
_DETAIL_BYTES: Final = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One action of a person or program."""

    actor: str
    """Id of a user or key (``Person.user_id``), or ``system``."""
    action: str
    """view, play, unblur, decide, undo, claim, export, sign_in and so on."""
    subject: str
    """Id of an incident, a stream or a user; empty if there is none."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Facts that can be written as JSON; no secrets, no pixels."""

    def __post_init__(self) -> None:
        if not self.actor or not self.action:
            raise ValueError("an audit entry has an actor and an action")
        if len(canonical(dict(self.details))) > _DETAIL_BYTES:
            raise ValueError(f"details of an audit entry: limit is {_DETAIL_BYTES} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEntry(AuditEntry):
    """An entry with its place in the log."""

    number: int
    at: float
    """Wall-clock time, in seconds since the epoch."""
    previous: str
    hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditHead:
    """The end of the log at one moment: it states everything before it."""

    number: int
    """The number of the latest entry; 0 for an empty log."""
    hash: str
    at: float


class HeadKeeper(Protocol):
    """Keeps the end of the log at a second place."""

    def keep(self, head: AuditHead) -> bool:
        """Record the end of the log; return whether it, or a later one, is there."""

    def record_removal(self, last: AuditHead) -> None:
        """Record that the entries up to ``last`` are removed because of their age."""

    def record_restore(self, head: AuditHead) -> None:
        """Record that the log was restored from a backup, and ends here."""


class AuditLog:
    """Appends to the audit log of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal, keeper: HeadKeeper | None = None) -> None:
        self._journal = journal
        self._keeper = keeper

    def append(self, entries: Sequence[AuditEntry]) -> None:
        """Append entries; they are durable when this returns.

        Raises:
            JournalBusyError, JournalFullError: nothing was written.
        """
        if not entries:
            return
        with self._journal.write() as connection:
            head = append_entries(connection, entries, now=self._journal.now())
        if self._keeper is not None:
            self._keeper.keep(head)

    def record(self, change: Callable[[], T], entries: Callable[[T], Sequence[AuditEntry]]) -> T:
        """Run a change of the journal and append the entries about its result, in one commit:
        neither is ever there without the other.

        Raises:
            JournalBusyError, JournalFullError: nothing was written; nor if ``change`` raises.
        """
        with self._journal.transaction() as connection:
            result = change()
            made = entries(result)
            head = append_entries(connection, made, now=self._journal.now())
        if self._keeper is not None and made:
            self._keeper.keep(head)
        return result

    def entries(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[RecordedEntry]:
        """Return entries that fit, the latest first; those with a number below ``before``."""
        query = select(audit).order_by(audit.c.number.desc()).limit(limit)
        for column, value in (
            (audit.c.actor, actor),
            (audit.c.action, action),
            (audit.c.subject, subject),
        ):
            if value is not None:
                query = query.where(column == value)
        if before is not None:
            query = query.where(audit.c.number < before)
        with self._journal.read() as connection:
            return [_recorded(row) for row in connection.execute(query)]

    def all_rows(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of all entries as they are stored, by number."""
        with self._journal.read() as connection:
            for row in connection.execute(select(audit).order_by(audit.c.number)).mappings():
                yield dict(row)

    def state_end(self) -> bool:
        """State the end of the log at the second place if that was not done; return False if it
        cannot be written."""
        with self._journal.read() as connection:
            head = read_head(connection)
        return self._keeper is None or not head.number or self._keeper.keep(head)

    def note_restore(self) -> None:
        """State at the second place that the log was restored from a backup, and ends here.

        Raises:
            OSError, SetupError: the second place cannot be written.
        """
        with self._journal.read() as connection:
            head = read_head(connection)
        if self._keeper is not None and head.number:
            self._keeper.record_restore(replace(head, at=self._journal.now()))

    def remove_before(self, at: float) -> int:
        """Remove the entries before the first that is as young as a time, and return how many; the
        latest stays. One that is older by its time alone, of a clock that was behind, stays too.

        Their end is stated at the second place first, so that the log stays verifiable.

        Raises:
            OSError, SetupError: the second place cannot be written; nothing was removed.
        """
        if self._keeper is None:
            return 0
        columns = (audit.c.number, audit.c.hash, audit.c.at)
        with self._journal.write() as connection:
            head = read_head(connection)
            young = select(func.min(audit.c.number)).where(audit.c.at >= at)
            end = connection.execute(young).scalar_one_or_none() or head.number
            query = select(*columns).where(audit.c.number < min(end, head.number))
            row = connection.execute(query.order_by(audit.c.number.desc()).limit(1)).one_or_none()
            if row is None:
                return 0
            last = AuditHead(number=row.number, hash=row.hash, at=row.at)
            self._keeper.record_removal(last)
            removed = connection.execute(delete(audit).where(audit.c.number <= last.number))
        return int(removed.rowcount)


def append_entries(
    connection: Connection, entries: Sequence[AuditEntry], *, now: float
) -> AuditHead:
    """Append entries within a write transaction, to commit them with what they record."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    head = read_head(connection)
    number, previous, rows = head.number, head.hash, []
    for entry in entries:
        number += 1
        row = {
            "number": number,
            "at": now,
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "details": canonical(dict(entry.details)),
            "previous": previous,
        }
        previous = entry_hash(row)
        rows.append({**row, "hash": previous})
    if rows:
        connection.execute(insert(audit), rows)
    return AuditHead(number=number, hash=previous, at=now)


def read_head(connection: Connection) -> AuditHead:
    """Return the end of the log, as it is stored."""
    query = select(audit.c.number, audit.c.hash, audit.c.at)
    row = connection.execute(query.order_by(audit.c.number.desc()).limit(1)).one_or_none()
    if row is None:
        return AuditHead(number=0, hash=FIRST_PREVIOUS, at=0.0)
    return AuditHead(number=row.number, hash=row.hash, at=row.at)


def entry_hash(row: Mapping[str, Any]) -> str:
    """Return the hash of a row, over all columns but ``hash`` and ``shard``."""
    names = ("number", "at", "actor", "action", "subject", "details", "previous")
    return hashlib.sha256(canonical({name: row[name] for name in names}).encode()).hexdigest()


def canonical(document: Mapping[str, Any]) -> str:
    """Return the one JSON text of a document: keys sorted, no spaces, ASCII.

    >>> canonical({"b": 1, "a": "\u00e4"})
    '{"a":"\\\\u00e4","b":1}'
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _recorded(row: Any) -> RecordedEntry:
    return RecordedEntry(
        number=row.number,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        details=json.loads(row.details),
        previous=row.previous,
        hash=row.hash,
    )

"""Committing what a group of requests delivered: one flush of bytes, one transaction, one answer
for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError

from scanner.store.database import Journal
from scanner.store.intake import Acceptance, Intake, IntakeRow
from scanner.store.objects import IncomingObject, ObjectStore

__all__ = [
    "JournalFailedError",
    "Submission",
    "commit_group",
]


class JournalFailedError(Exception):
    """A transaction failed, and whether it is durable is not known: the process has to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Something that one request delivered."""

    row: IntakeRow
    incoming: IncomingObject | None = None
    """The bytes of a segment or init segment, received and not yet in place."""

    @property
    def object(self) -> str | None:
        """The name of its object; None for what has no bytes."""
        return getattr(self.row, "object", None)


def commit_group(
    journal: Journal, objects: ObjectStore, group: Sequence[Submission], *, shard_count: int
) -> list[Acceptance]:
    """Make everything of a group durable; return what became of each, in order.

    Objects that were not accepted are removed: their names are their own.

    Raises:
        JournalBusyError, JournalFullError: nothing of the group is in the journal; its objects are
            left to the sweeper.
        JournalFailedError, OSError: whether anything is durable is not known.
    """
    objects.put_many([(one.incoming, one.object) for one in group if one.incoming and one.object])
    with _translated(), journal.write() as connection:
        intake = Intake(connection, now=journal.now(), shard_count=shard_count)
        results = [intake.add(one.row) for one in group]
    for one, result in zip(group, results, strict=True):
        if result != "accepted" and one.object:
            with suppress(OSError):
                objects.delete(one.object)
    return results


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the database's errors as ours, by what is known of the transaction."""
    try:
        yield
    except DBAPIError as error:
        raise JournalFailedError(f"journal: {error.orig}") from error

"""Committing what a group of requests delivered: one flush of bytes, one transaction, one answer
for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    ProgrammingError,
)

from scanner.store.database import Journal
from scanner.store.intake import Acceptance, Intake, IntakeRow
from scanner.store.objects import IncomingObject, ObjectStore

__all__ = [
    "JournalFailedError",
    "Submission",
    "commit_rows",
    "put_objects",
    "remove_objects",
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


def put_objects(objects: ObjectStore, group: Sequence[Submission]) -> None:
    """Make the bytes of a group durable, with one flush.

    Raises:
        OSError: whether anything is durable is not known; the process has to end.
    """
    objects.put_many([(one.incoming, one.object) for one in group if one.incoming and one.object])


def commit_rows(
    journal: Journal, objects: ObjectStore, group: Sequence[Submission], *, shard_count: int
) -> list[Acceptance]:
    """Make the rows of a group durable, whose bytes are; return what became of each, in order.

    The objects of what was not accepted are removed: their names are their own.

    Raises:
        JournalBusyError, JournalFullError: no row of the group is there, and all objects are.
        JournalFailedError: whether any is there is not known; the process has to end.
        Exception: a row cannot be written; none of the group is there, and all objects are.
    """
    with _recognizing_failures(), journal.write() as connection:
        intake = Intake(connection, now=journal.now(), shard_count=shard_count)
        results = [intake.add(one.row) for one in group]
    refused = [one for one, result in zip(group, results, strict=True) if result != "accepted"]
    remove_objects(objects, refused)
    return results


def remove_objects(objects: ObjectStore, group: Sequence[Submission]) -> None:
    """Remove objects without a row, stored or not; the sweeper finds those that stay."""
    for one in group:
        with suppress(OSError):
            if one.object is not None:
                objects.delete(one.object)
            if one.incoming is not None:
                one.incoming.discard()


@contextmanager
def _recognizing_failures() -> Iterator[None]:
    """Raise an error after which it is not known what is durable as ours."""
    try:
        yield
    except (DataError, IntegrityError, InterfaceError, ProgrammingError):
        raise  # of one statement, before the commit
    except DBAPIError as error:
        raise JournalFailedError(f"journal: {error.orig}") from error

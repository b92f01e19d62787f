"""Sources that the service follows: added, listed, removed; each has a process of its own."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit, urlunsplit

from sqlalchemy import Row, case, insert, select, update

from scanner.errors import InputError
from scanner.store.database import Journal
from scanner.store.ingest_schema import sources
from scanner.store.schema import shard_of

__all__ = ["FollowedLocation", "SourceState", "Sources"]

SourceState = Literal["waiting", "running", "failed", "ended"]
MOST_SOURCES: Final = 64
"""Sources that are followed at once: each is a process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedLocation:
    """A source that is followed."""

    source_id: str
    channel: str
    location: str
    """URL, which may contain a password; or absolute path."""
    addresses: str
    """Where connections may go: ``public`` or ``any``."""
    created_at: float
    state: SourceState
    detail: str | None
    updated_at: float
    """When its state changed, in seconds since the epoch."""

    @property
    def shown_location(self) -> str:
        """The location without user, password and query.

        >>> FollowedLocation(source_id="a", channel="tv", location="rtsp://me:pw@cam/1?k=2",
        ...     addresses="any", created_at=0, state="waiting", detail=None,
        ...     updated_at=0).shown_location
        'rtsp://cam/1'
        """
        if "://" not in self.location:
            return self.location
        parts = urlsplit(self.location)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class Sources:
    """The sources of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(
        self, location: str, *, channel: str, addresses: str, key_id: str | None = None
    ) -> FollowedLocation:
        """Add a source; return the one that is there if it is followed already for the channel.

        Raises:
            InputError: there are too many.
        """
        now = self._journal.now()
        with self._journal.write() as connection:
            lasting = [_followed(row) for row in connection.execute(_LASTING)]
            for one in lasting:
                if (one.location, one.channel) == (location, channel):
                    return one
            if len(lasting) >= MOST_SOURCES:
                raise InputError(f"{MOST_SOURCES} sources are followed; remove one first")
            row: dict[str, Any] = {
                "source_id": secrets.token_hex(4),
                "shard": shard_of(channel),
                "channel": channel,
                "location": location,
                "addresses": addresses,
                "key_id": key_id,
                "created_at": now,
                "state": "waiting",
                "updated_at": now,
            }
            connection.execute(insert(sources), row)
        found = self.get(row["source_id"])
        assert found is not None
        return found

    def remove(self, source_id: str) -> bool:
        """Follow a source no more; return whether it was followed."""
        with self._journal.write() as connection:
            removed = connection.execute(
                update(sources)
                .where(sources.c.source_id == source_id, sources.c.removed_at.is_(None))
                .values(removed_at=self._journal.now())
            )
        return bool(removed.rowcount)

    def list_lasting(self) -> Sequence[FollowedLocation]:
        """Return the sources that were not removed, oldest first."""
        with self._journal.read() as connection:
            return [_followed(row) for row in connection.execute(_LASTING)]

    def get(self, source_id: str) -> FollowedLocation | None:
        """Return a source that was not removed, or None."""
        with self._journal.read() as connection:
            row = connection.execute(_LASTING.where(sources.c.source_id == source_id)).one_or_none()
        return None if row is None else _followed(row)

    def note(self, source_id: str, state: SourceState, detail: str | None = None) -> None:
        """Record what a source does, with the time if that is another state than before."""
        is_same = sources.c.state == state
        since = case((is_same, sources.c.updated_at), else_=self._journal.now())
        with self._journal.write() as connection:
            connection.execute(
                update(sources)
                .where(sources.c.source_id == source_id)
                .values(state=state, detail=detail, updated_at=since)
            )


_LASTING = select(sources).where(sources.c.removed_at.is_(None)).order_by(sources.c.created_at)


def _followed(row: Row[Any]) -> FollowedLocation:
    return FollowedLocation(
        source_id=row.source_id,
        channel=row.channel,
        location=row.location,
        addresses=row.addresses,
        created_at=row.created_at,
        state=row.state,
        detail=row.detail,
        updated_at=row.updated_at,
    )

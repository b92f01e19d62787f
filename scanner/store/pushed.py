"""Objects that encoders push: rows that the web process writes and the driver folds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, func, insert, select

from scanner.ingest.point import PublishingPoint
from scanner.store.database import Journal
from scanner.store.ingest_schema import ingest_objects, ingest_points, ingest_uploads
from scanner.store.schema import shard_of
from scanner.store.writes import upsert

__all__ = ["PushedObject", "PushedQueries", "add_pushed", "report_uploads"]

PushedKind = Literal["segment", "init", "playlist"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedObject:
    """An object that an encoder pushed; its bytes, where they are kept, are durable."""

    channel: str
    kind: PushedKind
    path: str
    key_id: str | None
    object: str | None
    """None if its bytes are not kept."""
    bytes: int
    sha256: str
    after: int
    """Number of the channel's latest object when the request began."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was read of it, as ``scanner.store.points`` takes it."""


def add_pushed(connection: Connection, pushed: PushedObject, now: float, shard_count: int) -> int:
    """Add an object, in a transaction of the caller; return its number."""
    latest = connection.execute(_LATEST, {"of_channel": pushed.channel}).scalar_one()
    number = int(latest) + 1
    connection.execute(
        insert(ingest_objects),
        {
            "channel": pushed.channel,
            "number": number,
            "shard": shard_of(pushed.channel, shard_count),
            "kind": pushed.kind,
            "path": pushed.path,
            "key_id": pushed.key_id,
            "object": pushed.object,
            "bytes": pushed.bytes,
            "sha256": pushed.sha256,
            "facts": json.dumps(dict(pushed.facts)),
            "after": pushed.after,
            "at": now,
            "folded": False,
        },
    )
    return number


class PushedQueries:
    """What the web process asks of publishing points; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def latest_number(self, channel: str) -> int:
        """Return the number of the latest object of a channel; 0 if there is none."""
        with self._journal.read() as connection:
            return int(connection.execute(_LATEST, {"of_channel": channel}).scalar_one())

    def latest_digest(self, channel: str, path: str) -> str | None:
        """Return the SHA-256 of the latest object with a path, or None if there is none."""
        wanted = {"of_channel": channel, "of_path": path}
        with self._journal.read() as connection:
            found: str | None = connection.execute(_DIGEST, wanted).scalar()
        return found

    def is_any_live(self) -> bool:
        """Return whether a publication of an encoder has not ended."""
        with self._journal.read() as connection:
            return connection.execute(_LIVE).first() is not None

    def unselected(self) -> dict[str, frozenset[str]]:
        """Return the series of paths whose segments are not to be kept, by channel."""
        with self._journal.read() as connection:
            rows = connection.execute(_UNSELECTED).all()
        return {row.channel: frozenset(json.loads(row.unselected)) for row in rows}

    def publication(self, channel: str) -> dict[str, Any] | None:
        """Return what is known of the encoder of a channel, or None if none ever pushed to it."""
        wanted = {"of_channel": channel}
        with self._journal.read() as connection:
            row = connection.execute(_POINT, wanted).one_or_none()
            if row is None:
                return None
            outcomes = connection.execute(_OUTCOMES, wanted).all()
        point = PublishingPoint.from_json(json.loads(row.state))
        return {
            "state": row.phase,
            "stream_id": row.stream_id,
            "began_at": point.began_at,
            "latest_media_at": point.moved_at,
            "target_duration": None if point.target is None else float(point.target),
            "rendition": point.chosen,
            "renditions": [one.name for one in point.renditions],
            "objects": {one.outcome or "waiting": one.objects for one in outcomes},
        }


def report_uploads(journal: Journal, process: str, uploads: Mapping[str, list[str]]) -> None:
    """Record which uploads are open in a web process: paths by channel."""
    row = {"process": process, "shard": 0, "at": journal.now(), "body": json.dumps(dict(uploads))}
    with journal.write() as connection:
        upsert(connection, ingest_uploads, row)


_POINT = select(ingest_points).where(ingest_points.c.channel == bindparam("of_channel"))
_OUTCOMES = (
    select(ingest_objects.c.outcome, func.count().label("objects"))
    .where(ingest_objects.c.channel == bindparam("of_channel"))
    .group_by(ingest_objects.c.outcome)
)
_known = select(func.max(ingest_objects.c.number)).where(
    ingest_objects.c.channel == bindparam("of_channel")
)
_folded = select(ingest_points.c.folded).where(ingest_points.c.channel == bindparam("of_channel"))
_LATEST = select(func.coalesce(_known.scalar_subquery(), _folded.scalar_subquery(), 0))
_DIGEST = (
    select(ingest_objects.c.sha256)
    .where(
        ingest_objects.c.channel == bindparam("of_channel"),
        ingest_objects.c.path == bindparam("of_path"),
    )
    .order_by(ingest_objects.c.number.desc())
    .limit(1)
)
_LIVE = (
    select(ingest_points.c.channel)
    .where(ingest_points.c.phase.in_(("probing", "live", "stalled", "ending")))
    .limit(1)
)
_UNSELECTED = select(ingest_points.c.channel, ingest_points.c.unselected).where(
    ingest_points.c.phase.in_(("live", "stalled")), ingest_points.c.unselected != "[]"
)

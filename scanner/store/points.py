"""Publishing points as the driver uses them: objects to fold, and what folding them decided.

One transaction writes the point's state, the rows that its decisions cause, and which objects are
folded, so that an object is folded once whatever ends between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, delete, select

from scanner.ingest.inputs import (
    InitPushed,
    Listing,
    OfferedRendition,
    PlaylistPushed,
    SegmentPushed,
)
from scanner.ingest.point import PublishingPoint
from scanner.store.database import Journal
from scanner.store.ingest_schema import (
    ingest_objects,
    ingest_points,
    ingest_uploads,
)
from scanner.store.objects import ObjectStore, segment_name
from scanner.store.point_writes import (
    FoldedObjects,
    PointWrite,
    needed_numbers,
    placed_segments,
)
from scanner.store.schema import inits, shard_of
from scanner.store.turns import TurnJournal

__all__ = ["PointJournal", "UnfoldedObject"]

UPLOAD_SECONDS: Final = 5.0
"""Age of a report of open uploads above which its process is taken for dead."""
FORGET_UPLOADS_SECONDS: Final = 3600.0
MEMORY_SECONDS: Final = 86_400.0
"""Age of rows of objects that are forgotten."""

UnfoldedObject = SegmentPushed | InitPushed | PlaylistPushed


class PointJournal:
    """The journal's publishing points, as one driver uses them."""

    def __init__(self, journal: Journal, turns: TurnJournal, objects: ObjectStore) -> None:
        self._journal = journal
        self._turns = turns
        self._objects = objects
        self._shard_count = journal.shard_count

    # Reading

    def active(self) -> dict[str, tuple[PublishingPoint, int]]:
        """Return the points on which time has an effect, with the number of the latest object that
        is folded, by channel."""
        query = select(ingest_points).where(ingest_points.c.phase.not_in(("idle", "ended")))
        with self._journal.read() as connection:
            rows = connection.execute(query).all()
        return {row.channel: _load_point(row) for row in rows}

    def point(self, channel: str) -> tuple[PublishingPoint, int]:
        """Return a point, which is a new one if nothing of its channel was folded."""
        query = select(ingest_points).where(ingest_points.c.channel == channel)
        with self._journal.read() as connection:
            row = connection.execute(query).one_or_none()
        return (PublishingPoint(channel=channel), 0) if row is None else _load_point(row)

    def unfolded(self, *, limit: int) -> dict[str, list[UnfoldedObject]]:
        """Return objects that are not folded, in the order of their numbers, by channel."""
        with self._journal.read() as connection:
            rows = connection.execute(_UNFOLDED, {"most": limit}).all()
        found: dict[str, list[UnfoldedObject]] = {}
        for row in rows:
            found.setdefault(row.channel, []).append(_load_object(row))
        return found

    def uploads(self) -> dict[str, frozenset[str]] | None:
        """Return the paths that are being received, by channel; None while no process receives."""
        now, at = self._journal.now(), ingest_uploads.c.at
        # a report of the future is of before the wall clock was set back
        recent = (at > now - UPLOAD_SECONDS) & (at < now + UPLOAD_SECONDS)
        with self._journal.read() as connection:
            bodies = connection.execute(select(ingest_uploads.c.body).where(recent)).scalars().all()
        if not bodies:
            return None
        found: dict[str, frozenset[str]] = {}
        for body in bodies:
            for channel, paths in json.loads(body).items():
                found[channel] = found.get(channel, frozenset()) | frozenset(paths)
        return found

    # Writing

    def record(self, made: Sequence[FoldedObjects]) -> None:
        """Record what was decided of several channels, in one transaction.

        Raises:
            FencedError: another driver has taken over; nothing was written.
        """
        with self._journal.read() as connection:
            rows = [_objects(connection, one.point.channel, needed_numbers(one)) for one in made]
        copies = self._copy_inits(list(zip(made, rows, strict=True)))
        shards = {shard_of(one.point.channel, self._shard_count) for one in made}
        dropped: list[str] = []
        with self._turns.begin_fenced(shards) as connection:
            for one, known in zip(made, rows, strict=True):
                write = PointWrite(
                    connection, self._journal.now(), self._shard_count, known, copies
                )
                write.fold(one)
                dropped += write.dropped
        for name in dropped:
            self._objects.delete(name)

    def forget_old(self) -> None:
        """Delete the rows of objects that are folded, old, and own no bytes."""
        old = ingest_objects.c.at < self._journal.now() - MEMORY_SECONDS
        with self._journal.write() as connection:
            connection.execute(
                delete(ingest_objects).where(
                    old,
                    ingest_objects.c.folded,
                    ingest_objects.c.outcome.is_not(None),
                    ingest_objects.c.object.is_(None),
                )
            )
            silent = ingest_uploads.c.at < self._journal.now() - FORGET_UPLOADS_SECONDS
            connection.execute(delete(ingest_uploads).where(silent))

    def _copy_inits(
        self, made: Sequence[tuple[FoldedObjects, Mapping[int, Row[Any]]]]
    ) -> dict[tuple[str, int], str]:
        """Copy init segments for streams that do not have them, so that each may be deleted with
        its stream; return the names of the copies by stream and number."""
        names: dict[tuple[str, int], str] = {}
        sources: dict[str, str] = {}
        for folded, rows in made:
            for stream_id, one in placed_segments(folded):
                if one.init is not None:
                    row = rows[one.init]
                    name = segment_name("inits", stream_id, row.sha256[:16], row.sha256)
                    names[stream_id, one.init] = name
                    sources[name] = row.object
        known = select(inits.c.object).where(inits.c.object.in_(list(sources)))
        with self._journal.read() as connection:
            there = set(connection.execute(known).scalars())
        items = []
        for name, source in sources.items():
            if name not in there:
                incoming = self._objects.receive()
                incoming.write(self._objects.path(source).read_bytes())
                items.append((incoming, name))
        self._objects.put_many(items)
        return names


_earlier = ingest_objects.alias()
_EARLIER = (
    select(_earlier.c.number)
    .where(
        _earlier.c.channel == ingest_objects.c.channel,
        _earlier.c.path == ingest_objects.c.path,
        _earlier.c.number < ingest_objects.c.number,
        _earlier.c.kind == "segment",
    )
    .order_by(_earlier.c.number.desc())
    .limit(1)
    .scalar_subquery()
)
_numbered = select(ingest_objects, _EARLIER.label("earlier_number")).where(
    ingest_objects.c.folded.is_(False)
)
_next = _numbered.order_by(ingest_objects.c.channel, ingest_objects.c.number).limit(
    bindparam("most")
)
_rows = _next.subquery()
_before = ingest_objects.alias()
_UNFOLDED = (
    select(_rows, _before.c.sha256.label("earlier"))
    .select_from(
        _rows.outerjoin(
            _before,
            (_before.c.channel == _rows.c.channel) & (_before.c.number == _rows.c.earlier_number),
        )
    )
    .order_by(_rows.c.channel, _rows.c.number)
)


def _objects(connection: Connection, channel: str, numbers: Sequence[int]) -> dict[int, Row[Any]]:
    query = select(ingest_objects).where(
        ingest_objects.c.channel == channel, ingest_objects.c.number.in_(numbers)
    )
    return {row.number: row for row in connection.execute(query)}


def _load_point(row: Row[Any]) -> tuple[PublishingPoint, int]:
    return PublishingPoint.from_json(json.loads(row.state)), row.folded


def _load_object(row: Row[Any]) -> UnfoldedObject:
    facts = json.loads(row.facts)
    common: dict[str, Any] = {"number": row.number, "at": row.at}
    if row.kind == "playlist":
        return PlaylistPushed(
            **common,
            offered=tuple(
                OfferedRendition(name=name, is_video=is_video)
                for name, is_video in facts.get("offered", ())
            ),
            listings=tuple(Listing.from_json(one) for one in facts.get("listings", ())),
        )
    common |= {"path": row.path, "sha256": row.sha256, "is_video": facts.get("is_video")}
    if row.kind == "init":
        return InitPushed(**common)
    return SegmentPushed(
        **common,
        after=row.after,
        needs_init=facts.get("needs_init", False),
        is_last=facts.get("is_last", False),
        problem=facts.get("problem"),
        earlier=row.earlier,
        earlier_number=row.earlier_number or 0,
    )

"""Old media, records and evidence on their way out of the journal and the object store.

Media are deleted in three steps, of which each may be repeated: commit the stage ``deleting``,
unlink the file, commit the stage ``deleted``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from scanner.store.database import Journal
from scanner.store.schema import (
    alarms,
    evidence,
    incidents,
    inits,
    marks,
    published,
    segments,
    streams,
    turn_records,
)
from scanner.store.writes import add_to_counters

__all__ = ["HeldIncident", "KeptSegment", "OldObject", "RetentionJournal", "StreamMedia"]

BATCH: Final = 500
"""Rows that one transaction changes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSegment:
    """A segment of which the bytes are there."""

    sequence: int
    object: str
    bytes: int
    verdict: str | None
    span: tuple[float, float] | None
    """Stream seconds, rounded; None if it was not folded."""
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldIncident:
    """An incident that is open, or of which evidence is due."""

    incident: Mapping[str, Any]
    """The latest revision, as JSON."""
    is_open: bool
    """Whether more evidence of it may become due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMedia:
    """The media of one stream, and what holds them."""

    stream_id: str
    shard: int
    is_finished: bool
    last_arrival: float | None
    clock: float | None
    """Stream seconds up to which it is folded; None before the first scored segment."""
    segments: tuple[KeptSegment, ...]
    """In order of their sequences."""
    incidents: tuple[HeldIncident, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OldObject:
    """An object whose row has the stage ``deleting``."""

    table: str
    """``segments``, ``inits`` or ``evidence``."""
    key: tuple[Any, ...]
    shard: int
    object: str
    bytes: int


class RetentionJournal:
    """The journal, as the one process that deletes uses it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    # Segments

    def streams_with_old_media(
        self, *, before: float, after: float, limit: int = 2000
    ) -> tuple[tuple[str, ...], float | None]:
        """Return streams with segments that got their verdict between two times, and where to go
        on; None at the end."""
        columns = segments.c
        found = (
            select(columns.stream_id, columns.verdict_at)
            .where(columns.stage == "stored", columns.verdict_at < before)
            .where(columns.verdict_at > after)
            .order_by(columns.verdict_at)
            .limit(limit)
        )
        with self._journal.read() as connection:
            rows = connection.execute(found).all()
        names = tuple(dict.fromkeys(row.stream_id for row in rows))
        return names, rows[-1].verdict_at if len(rows) == limit else None

    def media_of(self, stream_id: str) -> StreamMedia:
        """Return the media of a stream, and the incidents that hold some of them."""
        with self._journal.read() as connection:
            stream = connection.execute(
                select(streams).where(streams.c.stream_id == stream_id)
            ).one()
            rows = connection.execute(
                select(segments)
                .where(segments.c.stream_id == stream_id, segments.c.stage == "stored")
                .order_by(segments.c.sequence)
            ).all()
            clock = connection.execute(
                select(segments.c.span_end)
                .where(segments.c.stream_id == stream_id, segments.c.verdict == "scored")
                .order_by(segments.c.sequence.desc())
                .limit(1)
            ).scalar_one_or_none()
            held = _held_incidents(connection, stream_id)
        kept = tuple(
            KeptSegment(
                sequence=row.sequence,
                object=row.object,
                bytes=row.bytes,
                verdict=row.verdict,
                span=None if row.span_start is None else (row.span_start, row.span_end),
                received_at=row.received_at,
            )
            for row in rows
        )
        return StreamMedia(
            stream_id=stream_id,
            shard=stream.shard,
            is_finished=stream.phase == "finished",
            last_arrival=stream.last_arrival,
            clock=clock,
            segments=kept,
            incidents=held,
        )

    def mark_segments(self, stream_id: str, sequences: Sequence[int]) -> None:
        """Commit that the bytes of segments are to be deleted; a pending one stays."""
        for first in range(0, len(sequences), BATCH):
            with self._journal.write() as connection:
                connection.execute(
                    update(segments)
                    .where(
                        segments.c.stream_id == stream_id,
                        segments.c.sequence.in_(sequences[first : first + BATCH]),
                        segments.c.verdict.is_not(None),
                        segments.c.stage == "stored",
                    )
                    .values(stage="deleting")
                )

    # Init segments and evidence

    def mark_inits(self, *, before: float) -> None:
        """Commit that init segments of finished streams without media are to be deleted."""
        has_media = exists().where(
            segments.c.stream_id == inits.c.stream_id, segments.c.stage != "deleted"
        )
        is_finished = exists().where(
            streams.c.stream_id == inits.c.stream_id, streams.c.phase == "finished"
        )
        old = (inits.c.stage == "stored") & (inits.c.created_at < before)
        self._mark(inits, old & is_finished & ~has_media, {"stage": "deleting"})

    def mark_evidence(self, *, before: float) -> None:
        """Commit that evidence of closed incidents that was made before a time is to be
        deleted."""
        is_closed = exists().where(
            incidents.c.incident_id == evidence.c.incident_id,
            incidents.c.detection == "closed",
            incidents.c.updated_at < before,
        )
        old = (evidence.c.status == "cut") & (evidence.c.updated_at < before)
        self._mark(evidence, old & is_closed, {"status": "deleting"})

    def _mark(self, table: Table, which: ColumnElement[bool], values: Mapping[str, str]) -> None:
        keys = tuple_(*table.primary_key.columns)
        with self._journal.read() as connection:
            rows = connection.execute(
                select(*table.primary_key.columns).where(which).limit(BATCH)
            ).all()
        if rows:
            with self._journal.write() as connection:
                connection.execute(
                    update(table)
                    .where(keys.in_([tuple(row) for row in rows]), which)
                    .values(**values)
                )

    # Objects

    def deleting(self) -> tuple[OldObject, ...]:
        """Return objects that are to be unlinked, or were perhaps unlinked already."""
        with self._journal.read() as connection:
            return (
                *_deleting_segments(connection),
                *_deleting_inits(connection),
                *_deleting_evidence(connection),
            )

    def mark_deleted(self, gone: Sequence[OldObject]) -> None:
        """Commit that objects were unlinked, and count them."""
        with self._journal.write() as connection:
            for one in gone:
                table = _TABLES[one.table]
                column = table.c.status if one.table == "evidence" else table.c.stage
                changed = connection.execute(
                    update(table)
                    .where(
                        *(a == b for a, b in zip(table.primary_key.columns, one.key, strict=True)),
                        column == "deleting",
                    )
                    .values({column.name: "deleted"})
                )
                if changed.rowcount:
                    amounts = {one.table: 1.0, f"{one.table}_bytes": float(one.bytes)}
                    add_to_counters(connection, one.shard, "deleted", amounts)

    def known_objects(self) -> set[str]:
        """Return the names of all objects that have a row and are not deleted."""
        with self._journal.read() as connection:
            names = set(
                connection.execute(
                    select(segments.c.object).where(segments.c.stage.in_(("stored", "deleting")))
                ).scalars()
            )
            names.update(
                connection.execute(
                    select(inits.c.object).where(inits.c.stage != "deleted")
                ).scalars()
            )
            names.update(
                connection.execute(
                    select(evidence.c.object).where(
                        evidence.c.status.in_(("cut", "deleting")), evidence.c.object.is_not(None)
                    )
                ).scalars()
            )
        return names

    def count_orphans(self, files: int, size: int) -> None:
        """Count objects without a row that were removed, with their bytes."""
        with self._journal.write() as connection:
            amounts = {"orphans": float(files), "orphans_bytes": float(size)}
            add_to_counters(connection, 0, "deleted", amounts)

    # Records

    def delete_records(self, *, before: float) -> int:
        """Delete one batch of records, rows of deleted segments, marks, events and alarms that are
        older than a time; return how many.

        Records of streams with an incident that is open, or of which evidence is due, stay.
        """
        return sum(self._delete(table, which) for table, which in _old_rows(before))

    def _delete(self, table: Table, which: ColumnElement[bool]) -> int:
        keys = tuple_(*table.primary_key.columns)
        with self._journal.read() as connection:
            rows = connection.execute(
                select(*table.primary_key.columns).where(which).limit(BATCH)
            ).all()
        if not rows:
            return 0
        with self._journal.write() as connection:
            gone = connection.execute(
                delete(table).where(keys.in_([tuple(row) for row in rows]), which)
            )
            add_to_counters(connection, 0, "deleted", {f"{table.name}_rows": gone.rowcount})
            return int(gone.rowcount)


_TABLES: Final = {"segments": segments, "inits": inits, "evidence": evidence}

_EVIDENCE_IS_DUE = exists().where(
    evidence.c.incident_id == incidents.c.incident_id, evidence.c.status == "due"
)
_IS_HELD = or_(incidents.c.planned.is_(False), _EVIDENCE_IS_DUE)


def _held_incidents(connection: Connection, stream_id: str) -> tuple[HeldIncident, ...]:
    rows = connection.execute(
        select(incidents.c.body, incidents.c.planned).where(
            incidents.c.stream_id == stream_id, incidents.c.shadow.is_(False), _IS_HELD
        )
    )
    return tuple(
        HeldIncident(incident=json.loads(row.body), is_open=not row.planned) for row in rows
    )


def _old_rows(before: float) -> list[tuple[Table, ColumnElement[bool]]]:
    """Return tables with the rows that are old; each statement uses an index of its table."""
    held = exists().where(incidents.c.stream_id == turn_records.c.stream_id, _IS_HELD)
    latest = select(func.max(published.c.number)).scalar_subquery()
    return [
        (turn_records, and_(turn_records.c.created_at < before, ~held)),
        (segments, and_(segments.c.stage == "deleted", segments.c.verdict_at < before)),
        (marks, and_(marks.c.created_at < before, marks.c.turn.is_not(None))),
        (published, and_(published.c.created_at < before, published.c.number < latest)),
        (alarms, and_(alarms.c.until < before, alarms.c.published == 2)),
    ]


def _deleting_segments(connection: Connection) -> Iterator[OldObject]:
    query = select(segments).where(segments.c.stage == "deleting").limit(BATCH)
    for row in connection.execute(query):
        yield OldObject(
            table="segments",
            key=(row.stream_id, row.sequence),
            shard=row.shard,
            object=row.object,
            bytes=row.bytes,
        )


def _deleting_inits(connection: Connection) -> Iterator[OldObject]:
    query = select(inits).where(inits.c.stage == "deleting").limit(BATCH)
    for row in connection.execute(query):
        yield OldObject(
            table="inits",
            key=(row.stream_id, row.init_id),
            shard=row.shard,
            object=row.object,
            bytes=row.bytes,
        )


def _deleting_evidence(connection: Connection) -> Iterator[OldObject]:
    query = select(evidence).where(evidence.c.status == "deleting", evidence.c.result.is_not(None))
    for row in connection.execute(query.limit(BATCH)):
        yield OldObject(
            table="evidence",
            key=(row.incident_id, row.piece),
            shard=row.shard,
            object=row.object,
            bytes=json.loads(row.result)["bytes"],
        )

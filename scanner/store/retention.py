"""Old media, records and evidence on their way out of the journal and the object store.

Media are deleted in three steps, of which each may be repeated: commit the stage ``deleting``,
unlink the file, commit the stage ``deleted``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    bindparam,
    exists,
    or_,
    select,
    tuple_,
    update,
)

from scanner.store.database import Journal
from scanner.store.holds import is_on_hold
from scanner.store.ingest_schema import ingest_objects
from scanner.store.review_schema import PENDING_STATES, reviews
from scanner.store.schema import evidence, incidents, inits, segments, streams
from scanner.store.writes import add_to_counters

__all__ = [
    "BATCH",
    "IS_HELD",
    "HeldIncident",
    "KeptSegment",
    "OldObject",
    "RetentionJournal",
    "StreamMedia",
]

BATCH: Final = 500
"""Rows that one transaction changes at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSegment:
    """A segment with a verdict, of which the bytes are there."""

    sequence: int
    verdict: str
    span: tuple[float, float] | None
    """Stream seconds, rounded; None if it was not folded."""
    received_at: float
    is_followed: bool | None
    """Whether the segment after it has a verdict; None if there is none after it."""


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
    is_finished: bool
    last_arrival: float | None
    clock: float | None
    """Stream seconds up to which it is folded; None before the first scored segment."""
    is_waiting: bool
    """Whether a segment of the stream has no verdict."""
    needed_from: int | None
    """Sequence of the first segment in which decoding of a later one may begin; None where no turn
    is folded."""
    segments: tuple[KeptSegment, ...]
    """Those that may be old enough, in order."""
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

    def media_of(self, stream_id: str, *, before: float) -> StreamMedia:
        """Return the media of a stream that were received before a time, and the incidents that
        hold some of them."""
        names = {"of_stream": stream_id, "before": before}
        with self._journal.read() as connection:
            stream = connection.execute(_STREAM, names).one()
            rows = connection.execute(_OLD_SEGMENTS, names).all()
            clock = connection.execute(_CLOCK, names).scalar_one_or_none()
            held = connection.execute(_HELD, names).all()
        kept = tuple(
            KeptSegment(
                sequence=row.sequence,
                verdict=row.verdict,
                span=None if row.span_start is None else (row.span_start, row.span_end),
                received_at=row.received_at,
                is_followed=None if row.follows is None else bool(row.follows),
            )
            for row in rows
        )
        return StreamMedia(
            stream_id=stream_id,
            is_finished=stream.phase == "finished",
            last_arrival=stream.last_arrival,
            clock=clock,
            is_waiting=stream.is_waiting,
            needed_from=json.loads(stream.summary or "{}").get("needed_from"),
            segments=kept,
            incidents=tuple(
                HeldIncident(incident=json.loads(one.body), is_open=not one.planned) for one in held
            ),
        )

    def mark_segments(
        self, keys: Sequence[tuple[str, int]], *, pictures_before: float = inf
    ) -> None:
        """Commit that the bytes of segments, given as (stream, sequence), are to be deleted; a
        pending one stays, and so does a flagged picture that waits for a decision or was flagged
        after a time."""
        for first in range(0, len(keys), BATCH):
            with self._journal.write() as connection:
                connection.execute(
                    update(segments)
                    .where(
                        tuple_(segments.c.stream_id, segments.c.sequence).in_(
                            keys[first : first + BATCH]
                        ),
                        segments.c.verdict.is_not(None),
                        segments.c.stage == "stored",
                        ~is_on_hold(segments.c.stream_id),
                        ~exists().where(
                            reviews.c.stream_id == segments.c.stream_id,
                            reviews.c.kind == "image",
                            reviews.c.state.in_(PENDING_STATES)
                            | (reviews.c.flagged_at >= pictures_before),
                        ),
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
        self._mark(
            inits,
            old & is_finished & ~has_media & ~is_on_hold(inits.c.stream_id),
            {"stage": "deleting"},
        )

    def mark_evidence(self, *, before: float) -> None:
        """Commit that evidence of closed incidents that was made before a time is to be
        deleted."""
        is_closed = exists().where(
            incidents.c.incident_id == evidence.c.incident_id,
            incidents.c.detection == "closed",
            incidents.c.updated_at < before,
            ~is_on_hold(incidents.c.stream_id),
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
        """Return objects that are to be unlinked, or were perhaps unlinked already; none that a
        hold keeps meanwhile."""
        with self._journal.read() as connection:
            return (
                *_deleting_segments(connection),
                *_deleting_inits(connection),
                *_deleting_evidence(connection),
            )

    def mark_deleted(self, gone: Sequence[OldObject]) -> None:
        """Commit that objects were unlinked, and count them."""
        with self._journal.write() as connection:
            for name, table in _TABLES.items():
                of_table = [one for one in gone if one.table == name]
                if not of_table:
                    continue
                column = table.c.status if name == "evidence" else table.c.stage
                keys = tuple_(*table.primary_key.columns).in_([one.key for one in of_table])
                connection.execute(
                    update(table).where(keys, column == "deleting").values({column: "deleted"})
                )
                for shard, amounts in _by_shard(name, of_table).items():
                    add_to_counters(connection, shard, "deleted", amounts)

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
                    select(ingest_objects.c.object).where(ingest_objects.c.object.is_not(None))
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


_TABLES: Final = {"segments": segments, "inits": inits, "evidence": evidence}

# Statements that run for every stream are built once

_later = segments.alias()
_FOLLOWS = (
    select(_later.c.verdict.is_not(None))
    .where(_later.c.stream_id == segments.c.stream_id, _later.c.sequence > segments.c.sequence)
    .order_by(_later.c.sequence)
    .limit(1)
    .scalar_subquery()
)
_OLD_SEGMENTS = (
    select(
        segments.c.sequence,
        segments.c.verdict,
        segments.c.span_start,
        segments.c.span_end,
        segments.c.received_at,
        _FOLLOWS.label("follows"),
    )
    .where(
        segments.c.stream_id == bindparam("of_stream"),
        segments.c.stage == "stored",
        segments.c.received_at < bindparam("before"),
        segments.c.verdict.is_not(None),
    )
    .order_by(segments.c.sequence)
)
_CLOCK = (
    select(segments.c.span_end)
    .where(segments.c.stream_id == bindparam("of_stream"), segments.c.verdict == "scored")
    .order_by(segments.c.sequence.desc())
    .limit(1)
)
_UNORDERED = exists().where(
    segments.c.stream_id == streams.c.stream_id,
    segments.c.verdict.is_(None),
    segments.c.turn.is_(None),
)
_STREAM = select(
    streams.c.phase,
    streams.c.last_arrival,
    streams.c.summary,
    or_(streams.c.assigned > streams.c.turn, _UNORDERED).label("is_waiting"),
).where(streams.c.stream_id == bindparam("of_stream"))

_EVIDENCE_IS_DUE = exists().where(
    evidence.c.incident_id == incidents.c.incident_id, evidence.c.status == "due"
)
IS_HELD: Final = or_(incidents.c.planned.is_(False), _EVIDENCE_IS_DUE)
"""Condition on ``incidents`` that are open, or of which evidence is due or not planned."""
_HELD = select(incidents.c.body, incidents.c.planned).where(
    incidents.c.stream_id == bindparam("of_stream"), incidents.c.shadow.is_(False), IS_HELD
)


def _by_shard(table: str, gone: Sequence[OldObject]) -> dict[int, dict[str, float]]:
    """Return the number and the bytes of objects by shard."""
    totals: dict[int, dict[str, float]] = {}
    for one in gone:
        amounts = totals.setdefault(one.shard, {table: 0.0, f"{table}_bytes": 0.0})
        amounts[table] += 1
        amounts[f"{table}_bytes"] += one.bytes
    return totals


def _deleting_segments(connection: Connection) -> Iterator[OldObject]:
    free = ~is_on_hold(segments.c.stream_id)
    query = select(segments).where(segments.c.stage == "deleting", free)
    for row in connection.execute(query.limit(BATCH)):
        yield OldObject(
            table="segments",
            key=(row.stream_id, row.sequence),
            shard=row.shard,
            object=row.object,
            bytes=row.bytes,
        )


def _deleting_inits(connection: Connection) -> Iterator[OldObject]:
    query = select(inits).where(inits.c.stage == "deleting", ~is_on_hold(inits.c.stream_id))
    for row in connection.execute(query.limit(BATCH)):
        yield OldObject(
            table="inits",
            key=(row.stream_id, row.init_id),
            shard=row.shard,
            object=row.object,
            bytes=row.bytes,
        )


def _deleting_evidence(connection: Connection) -> Iterator[OldObject]:
    query = select(evidence).where(evidence.c.status == "deleting", evidence.c.result.is_not(None))
    held = exists().where(
        incidents.c.incident_id == evidence.c.incident_id, is_on_hold(incidents.c.stream_id)
    )
    for row in connection.execute(query.where(~held).limit(BATCH)):
        yield OldObject(
            table="evidence",
            key=(row.incident_id, row.piece),
            shard=row.shard,
            object=row.object,
            bytes=json.loads(row.result)["bytes"],
        )

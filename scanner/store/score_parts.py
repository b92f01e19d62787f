"""Parts: Parquet files with the scores of an hour, as the journal knows them.

    turn_records --file written, flushed and renamed--> score_parts, streams.compacted
    a stream is removed: its rows get the stage ``deleting``, the file is replaced, the rows go
    an hour is old: its parts get the stage ``deleting``, the files are unlinked, the rows go

``streams.compacted`` counts the turns of a stream that are in parts; it moves by compare-and-swap
in the transaction that adds a part, so each turn is in exactly one. Only then may retention delete
its record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    Table,
    Text,
    and_,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    update,
)

from scanner.store.configured import policies_of_generation
from scanner.store.database import Journal
from scanner.store.holds import is_on_hold
from scanner.store.people_schema import removals
from scanner.store.schema import metadata, segments, streams, turn_records
from scanner.store.writes import add_to_counters

__all__ = [
    "SCORES",
    "PartStream",
    "ScorePart",
    "ScoreParts",
    "StoredStream",
    "TurnRow",
    "WaitingStream",
    "score_part_streams",
    "score_parts",
]

SCORES: Final = "scores"
"""Name of the folder of the files within the data folder."""
PAGE: Final = 500
"""Turns that one read transaction returns."""

score_parts = Table(
    "score_parts",
    metadata,
    Column("part", Integer, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("hour", Integer, nullable=False, comment="its first second, since the epoch"),
    Column("file", Text, nullable=False, comment="path below the folder of scores"),
    Column("turns", Integer, nullable=False),
    Column("scores", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("stage", Text, nullable=False, comment="stored or deleting"),
    Index("score_parts_by_hour", "hour"),
)

score_part_streams = Table(
    "score_part_streams",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("turns", Integer, nullable=False, comment="turns of the stream in this part"),
    Column("after_turn", Integer, nullable=False, comment="the turn after its last one"),
    Column("stage", Text, nullable=False, comment="stored or deleting"),
    Index("score_part_streams_by_part", "part"),
    Index(
        "score_part_streams_deleting",
        "part",
        sqlite_where=text("stage = 'deleting'"),
        postgresql_where=text("stage = 'deleting'"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStream:
    """A stream with turns that are in no part."""

    stream_id: str
    shard: int
    channel: str | None
    compacted: int
    """Turns that are in parts."""
    since: float | None
    """Wall-clock time at which the next of its turns was committed; None if no turn is left of
    those that were folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRow:
    """The record of one turn."""

    turn: int
    sequence: int | None
    generation: int
    events: bytes
    created_at: float
    received_at: float | None
    """When its segment was acknowledged; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStream:
    """The turns of one stream that a new part has."""

    stream_id: str
    shard: int
    compacted: int
    """Turns of the stream that were in parts before."""
    turns: int
    after_turn: int
    """The turn after the last one of the part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorePart:
    """A part that is written."""

    part: int
    hour: int
    """Its first second, since the epoch; a multiple of 3600."""
    file: str
    """Path below the folder of scores."""
    turns: int
    scores: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStream:
    """The turns of one stream in a file."""

    file: str
    """Path below the folder of scores."""
    turns: int
    after_turn: int
    """The turn after the last one."""


class ScoreParts:
    """The parts of one journal; one process adds and deletes them, any may read them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.now = journal.now

    # Compaction

    def waiting(self) -> list[WaitingStream]:
        """Return the streams with turns that are in no part, without those to be removed, in the
        order of their names."""
        columns = turn_records.c
        since = (
            select(columns.created_at)
            .where(columns.stream_id == streams.c.stream_id, columns.turn >= streams.c.compacted)
            .order_by(columns.turn)
            .limit(1)
            .scalar_subquery()
        )
        leaving = exists().where(
            removals.c.stream_id == streams.c.stream_id, removals.c.removed_at.is_(None)
        )
        query = (
            select(streams.c.stream_id, streams.c.shard, streams.c.channel, streams.c.compacted)
            .add_columns(since.label("since"))
            .where(streams.c.compacted < streams.c.turn, ~leaving)
            .order_by(streams.c.stream_id)
        )
        with self._journal.read() as connection:
            return [WaitingStream(**row._mapping) for row in connection.execute(query)]

    def skip_turns(self, stream: WaitingStream) -> None:
        """Count turns that were deleted before they were compacted as compacted."""
        with self._journal.write() as connection:
            connection.execute(
                update(streams)
                .where(streams.c.stream_id == stream.stream_id)
                .where(streams.c.compacted == stream.compacted)
                .values(compacted=streams.c.turn)
            )

    def turns(self, stream_id: str, *, first: int) -> Iterator[TurnRow]:
        """Yield the turns of a stream from one on, in order; each page is a transaction."""
        columns = turn_records.c
        segment = and_(
            segments.c.stream_id == columns.stream_id, segments.c.sequence == columns.sequence
        )
        query = (
            select(columns.turn, columns.sequence, columns.generation, columns.events)
            .add_columns(columns.created_at, segments.c.received_at)
            .outerjoin(segments, segment)
            .where(columns.stream_id == stream_id)
            .order_by(columns.turn)
            .limit(PAGE)
        )
        while True:
            with self._journal.read() as connection:
                rows = connection.execute(query.where(columns.turn >= first)).all()
            yield from (TurnRow(**row._mapping) for row in rows)
            if len(rows) < PAGE:
                return
            first = rows[-1].turn + 1

    def policy_rows(self, generation: int, channel: str | None) -> Mapping[str, Mapping[str, Any]]:
        """Return the values of each label's policy of a generation on a channel; empty if it has
        none."""
        with self._journal.read() as connection:
            return policies_of_generation(connection, generation, channel)

    def next_part(self) -> int:
        """Return the number of the next part."""
        with self._journal.read() as connection:
            return int(connection.execute(_NEXT).scalar_one())

    def add(self, part: ScorePart, of: Sequence[PartStream]) -> bool:
        """Commit a part whose file is durable; return False, with nothing changed, if the turns of
        one of its streams are in another part or were removed meanwhile."""
        row = {"shard": 0, "created_at": self._journal.now(), "stage": "stored"}
        try:
            with self._journal.write() as connection:
                for one in of:
                    _swap_compacted(connection, one)
                connection.execute(insert(score_parts), {**_values(part), **row})
                connection.execute(
                    insert(score_part_streams), [_stream_row(part, one) for one in of]
                )
                add_to_counters(connection, 0, "compacted", {"turns": part.turns, "files": 1})
        except _StaleTurnsError:
            return False
        return True

    # Reading

    def files(self) -> set[str]:
        """Return the files of all parts."""
        with self._journal.read() as connection:
            return set(connection.execute(select(score_parts.c.file)).scalars())

    def total_bytes(self) -> int:
        """Return the bytes of all parts."""
        with self._journal.read() as connection:
            total = select(func.coalesce(func.sum(score_parts.c.bytes), 0))
            return int(connection.execute(total).scalar_one())

    def files_of(self, stream_id: str) -> list[StoredStream]:
        """Return the files that have turns of a stream, in the order of its turns."""
        query = (
            select(score_parts.c.file, score_part_streams.c.turns, score_part_streams.c.after_turn)
            .join(score_parts, score_parts.c.part == score_part_streams.c.part)
            .where(score_part_streams.c.stream_id == stream_id, score_parts.c.stage == "stored")
            .order_by(score_part_streams.c.after_turn)
        )
        with self._journal.read() as connection:
            return [StoredStream(**row._mapping) for row in connection.execute(query)]

    # Deletion

    def leaving(self) -> list[tuple[ScorePart, set[str]]]:
        """Return parts that have streams to be removed, with those that no hold stops."""
        query = (
            select(score_parts, score_part_streams.c.stream_id)
            .join(score_parts, score_parts.c.part == score_part_streams.c.part)
            .where(score_part_streams.c.stage == "deleting", score_parts.c.stage == "stored")
            .where(~is_on_hold(score_part_streams.c.stream_id))
            .limit(PAGE)
        )
        found: dict[int, tuple[ScorePart, set[str]]] = {}
        with self._journal.read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.part, (_part(row), set()))[1].add(row.stream_id)
        return list(found.values())

    def old(self, *, before: float) -> list[tuple[ScorePart, set[str]]]:
        """Return parts of hours that ended before a time, with those of their streams that no hold
        keeps; parts of which a hold keeps all are left out."""
        free = exists().where(
            score_part_streams.c.part == score_parts.c.part,
            ~is_on_hold(score_part_streams.c.stream_id),
        )
        query = (
            select(score_parts)
            .where(score_parts.c.hour <= before - 3600, score_parts.c.stage == "stored", free)
            .order_by(score_parts.c.hour)
            .limit(20)
        )
        with self._journal.read() as connection:
            parts = [_part(row) for row in connection.execute(query)]
            return [(part, _free_streams(connection, part.part)) for part in parts]

    def replace(self, part: ScorePart, gone: Collection[str]) -> None:
        """Commit that a part's file was replaced by one without some streams; one without turns is
        to be deleted."""
        values: dict[str, Any] = _values(part)
        if not part.turns:
            values["stage"] = "deleting"
        with self._journal.write() as connection:
            connection.execute(
                update(score_parts).where(score_parts.c.part == part.part).values(**values)
            )
            connection.execute(
                delete(score_part_streams).where(
                    score_part_streams.c.part == part.part, score_part_streams.c.stream_id.in_(gone)
                )
            )

    def deleting(self) -> list[ScorePart]:
        """Return parts whose files are to be unlinked, or were perhaps unlinked already."""
        query = select(score_parts).where(score_parts.c.stage == "deleting")
        with self._journal.read() as connection:
            return [_part(row) for row in connection.execute(query)]

    def forget(self, part: ScorePart) -> None:
        """Delete the row of a part whose file is gone."""
        with self._journal.write() as connection:
            connection.execute(delete(score_parts).where(score_parts.c.part == part.part))
            add_to_counters(connection, 0, "deleted", {"score_files": 1})


class _StaleTurnsError(Exception):
    """The turns of a stream are in another part, or were removed; leaves the transaction."""


def _swap_compacted(connection: Connection, one: PartStream) -> None:
    swapped = connection.execute(
        update(streams)
        .where(streams.c.stream_id == one.stream_id, streams.c.compacted == one.compacted)
        .values(compacted=one.after_turn)
    )
    if not swapped.rowcount:
        raise _StaleTurnsError


_NEXT: Final = select(func.coalesce(func.max(score_parts.c.part) + 1, 1))


def _values(part: ScorePart) -> dict[str, Any]:
    return {
        "part": part.part,
        "hour": part.hour,
        "file": part.file,
        "turns": part.turns,
        "scores": part.scores,
        "bytes": part.bytes,
    }


def _stream_row(part: ScorePart, one: PartStream) -> dict[str, Any]:
    row = {"stream_id": one.stream_id, "part": part.part, "shard": one.shard, "turns": one.turns}
    return {**row, "after_turn": one.after_turn, "stage": "stored"}


def _part(row: Any) -> ScorePart:
    return ScorePart(
        part=row.part,
        hour=row.hour,
        file=row.file,
        turns=row.turns,
        scores=row.scores,
        bytes=row.bytes,
    )


def _free_streams(connection: Connection, part: int) -> set[str]:
    query = select(score_part_streams.c.stream_id).where(
        score_part_streams.c.part == part, ~is_on_hold(score_part_streams.c.stream_id)
    )
    return set(connection.execute(query).scalars())

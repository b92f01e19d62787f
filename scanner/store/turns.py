"""Rows that the driver reads and writes: the inputs of streams, the places of turns, their results.

    pending     streams with inputs whose place is not decided, or whose result is not there
    assign      decide places, before anything is dispatched
    commit      results of whole turns, by compare-and-swap on the number of folded turns

Every write first checks the fence: a driver whose shards another one has taken over gets
``FencedError`` and has to exit.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update

from scanner.errors import ScannerError
from scanner.records.events import pack_events
from scanner.risk.incident import Closed, Extended, Opened
from scanner.store.channel_history import ChannelHistory
from scanner.store.database import Journal, JournalChanges
from scanner.store.outcomes import SegmentVerdict, StreamResult
from scanner.store.pending import PendingSegment, PendingStream, read_pending, read_placed
from scanner.store.queueing import queue_pictures
from scanner.store.schema import (
    configurations,
    marks,
    segments,
    shards,
    streams,
    turn_records,
)
from scanner.store.stream_changes import note_stall
from scanner.store.writes import (
    add_to_counters,
    clear_alarm,
    insert_mark,
    raise_alarm,
    write_revisions,
)
from scanner.stream.order import TurnOrder
from scanner.stream.state import StreamState
from scanner.types import StreamId

__all__ = [
    "AssignedTurn",
    "Assignment",
    "FencedError",
    "TurnJournal",
]


BLIND = "stream.blind"
"""Kind of the alarm that a stream which should be live shows nothing."""


class FencedError(ScannerError):
    """Another driver has taken over: nothing of this one may be written any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssignedTurn:
    """The place of one input: of a known segment or mark, or of a mark that is added."""

    turn: int
    sequence: int | None = None
    late: bool = False
    level: Mapping[str, Any] | None = None
    mark: int | None = None
    new_mark: tuple[str, Mapping[str, Any]] | None = None
    """Kind and body of a mark that the driver decides: missing, stall or shed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The decision about a stream's next turns."""

    stream_id: str
    shard: int
    order: TurnOrder
    turns: tuple[AssignedTurn, ...]
    closed: tuple[SegmentVerdict, ...] = ()
    """Segments that get a verdict without a turn, because they came after the end."""


class TurnJournal:
    """The journal, as one driver uses it."""

    def __init__(
        self, journal: Journal, *, sinks: Sequence[str] = (), history_seconds: float = 0.0
    ) -> None:
        """``history_seconds`` is the age up to which incidents of a channel count for its streams;
        0 for none."""
        self._journal = journal
        self._sinks = tuple(sinks)
        self.history = ChannelHistory(journal, seconds=history_seconds)
        self._generations: dict[int, int] = {}

    def take_over(self) -> int:
        """Raise the generation of every shard, which fences earlier drivers; return the highest."""
        with self._journal.write() as connection:
            connection.execute(update(shards).values(generation=shards.c.generation + 1))
            rows = connection.execute(select(shards.c.shard, shards.c.generation)).all()
        self._generations = {row.shard: row.generation for row in rows}
        return max(self._generations.values())

    def record_configuration(self, body: Mapping[str, Any]) -> int:
        """Return the generation of a configuration, which is new if it differs from the latest."""
        text = json.dumps(dict(body), sort_keys=True)
        with self._journal.write() as connection:
            latest = connection.execute(
                select(configurations).order_by(configurations.c.generation.desc()).limit(1)
            ).one_or_none()
            if latest is not None and latest.body == text:
                return int(latest.generation)
            generation = 1 if latest is None else latest.generation + 1
            row = {"generation": generation, "body": text, "created_at": self._journal.now()}
            connection.execute(insert(configurations), row)
        return generation

    # Reading

    def watch_changes(self) -> JournalChanges:
        """Return what tells cheaply whether the journal changed; belongs to one thread."""
        return JournalChanges(self._journal)

    def pending(self, *, limit: int = 256) -> tuple[PendingStream, ...]:
        """Return streams that have inputs without a place, those with open incidents first."""
        unordered = (
            select(segments.c.stream_id)
            .where(segments.c.verdict.is_(None), segments.c.turn.is_(None))
            .union(select(marks.c.stream_id).where(marks.c.turn.is_(None)))
            .subquery()
        )
        which = streams.c.stream_id.in_(select(unordered.c.stream_id))
        return self._read(which, placed=False, limit=limit)

    def unfinished_streams(self) -> tuple[PendingStream, ...]:
        """Return streams whose turns have places and no result: what an earlier driver left."""
        return self._read(streams.c.assigned > streams.c.turn, placed=True, limit=None)

    def silent_streams(self, *, silent_since: float) -> tuple[PendingStream, ...]:
        """Return live streams that are folded so far, and had no scored segment since then."""
        quiet = (
            (streams.c.phase == "live")
            & (streams.c.kind == "live")
            & (func.coalesce(streams.c.usable_at, streams.c.created_at) < silent_since)
            & (streams.c.assigned == streams.c.turn)
            & streams.c.last_arrival.is_not(None)
            & streams.c.ended_at.is_(None)
        )
        return self._read(quiet, placed=False, limit=256)

    def facts(self, stream_id: str) -> tuple[int, str | None]:
        """Return shard and channel of a stream."""
        with self._journal.read() as connection:
            row = connection.execute(
                select(streams.c.shard, streams.c.channel).where(streams.c.stream_id == stream_id)
            ).one()
        return row.shard, row.channel

    def placed_before(
        self, stream_id: str, sequence: int, *, most: int
    ) -> tuple[PendingSegment, ...]:
        """Return the segments of the sequences just before one that have a place, in order."""
        with self._journal.read() as connection:
            return read_placed(connection, stream_id, first=sequence - most, last=sequence - 1)

    def load_state(self, stream_id: str) -> StreamState:
        """Return the state after the turns that are folded; a new one before the first."""
        with self._journal.read() as connection:
            row = connection.execute(
                select(streams.c.state, streams.c.channel).where(streams.c.stream_id == stream_id)
            ).one()
        if row.state is None:
            return StreamState.new(StreamId(stream_id), row.channel)
        state = StreamState.from_json(json.loads(zlib.decompress(row.state)))
        return replace(state, channel=row.channel)  # of an earlier release it has none

    def _read(
        self, which: ColumnElement[bool], *, placed: bool, limit: int | None
    ) -> tuple[PendingStream, ...]:
        with self._journal.read() as connection:
            return read_pending(connection, which, placed=placed, limit=limit)

    # Writing

    @contextmanager
    def begin_fenced(self, touched: Iterable[int]) -> Iterator[Connection]:
        """Open a write transaction that begins with a check of the fence.

        Raises:
            FencedError: another driver has taken over one of the shards.
        """
        wanted = {shard: self._generations[shard] for shard in touched}
        with self._journal.write() as connection:
            rows = connection.execute(
                select(shards.c.shard, shards.c.generation).where(shards.c.shard.in_(wanted))
            ).all()
            if {row.shard: row.generation for row in rows} != wanted:
                raise FencedError("another driver has taken over; this one ends")
            yield connection

    def assign(self, assignments: Sequence[Assignment]) -> None:
        """Record the places of turns, and one more try of each segment among them.

        Raises:
            FencedError: another driver has taken over.
        """
        now = self._journal.now()
        with self.begin_fenced({one.shard for one in assignments}) as connection:
            for one in assignments:
                self._assign_stream(connection, one, now)

    def _assign_stream(self, connection: Connection, one: Assignment, now: float) -> None:
        generation = self._generations[one.shard]
        for turn in one.turns:
            if turn.sequence is not None:
                connection.execute(
                    _PLACE_SEGMENT,
                    {
                        "name": one.stream_id,
                        "number": turn.sequence,
                        "place": turn.turn,
                        "is_late": turn.late,
                        "lease": generation,
                        "chosen": None if turn.level is None else json.dumps(dict(turn.level)),
                    },
                )
            elif turn.mark is not None:
                connection.execute(
                    update(marks)
                    .where(marks.c.stream_id == one.stream_id, marks.c.number == turn.mark)
                    .values(turn=turn.turn)
                )
            elif turn.new_mark is not None:
                kind, body = turn.new_mark
                insert_mark(
                    connection, one.stream_id, one.shard, kind, body, now=now, turn=turn.turn
                )
        for verdict in one.closed:
            _write_verdict(connection, one.stream_id, verdict, None, now)
            add_to_counters(connection, one.shard, "segments", {verdict.verdict: 1})
        values: dict[str, Any] = {"ordering": json.dumps(one.order.to_json())}
        if placed := [turn.turn for turn in one.turns if turn.turn >= 0]:
            values["assigned"] = max(placed) + 1
        connection.execute(
            update(streams).where(streams.c.stream_id == one.stream_id).values(**values)
        )

    def note_lone_death(self, key: tuple[str, int, int], *, points: int) -> None:
        """Count another try of a segment, given as (stream, shard, sequence), with which all
        workers ended, and add ``points`` to those against it."""
        stream_id, shard, sequence = key
        with self.begin_fenced({shard}) as connection:
            connection.execute(
                update(segments)
                .where(segments.c.stream_id == stream_id, segments.c.sequence == sequence)
                .values(
                    tries=segments.c.tries + 1,
                    lone_deaths=segments.c.lone_deaths + points,
                )
            )

    def commit(self, results: Sequence[StreamResult]) -> tuple[str, ...]:
        """Commit results of whole turns in one transaction; return the streams that were refused,
        because the journal has other turns of them.

        Raises:
            FencedError: another driver has taken over.
        """
        now = self._journal.now()
        refused: list[str] = []
        with self.begin_fenced({result.shard for result in results}) as connection:
            for result in results:
                if not self._commit_stream(connection, result, now):
                    refused.append(result.stream_id)
        return tuple(refused)

    def _commit_stream(self, connection: Connection, result: StreamResult, now: float) -> bool:
        if not _swap_state(connection, result, now):
            return False
        if result.stalls:
            note_stall(connection, result, now=now)
        verdicts: dict[str, int] = {}
        for turn in result.turns:
            if turn.verdict is not None:
                _write_verdict(connection, result.stream_id, turn.verdict, turn.turn, now)
                name = turn.verdict.verdict
                verdicts[name] = verdicts.get(name, 0) + 1
            connection.execute(
                insert(turn_records),
                {
                    "stream_id": result.stream_id,
                    "turn": turn.turn,
                    "shard": result.shard,
                    "sequence": turn.sequence,
                    "generation": result.state.generation,
                    "events": pack_events(turn.events),
                    "created_at": now,
                },
            )
            revisions = [e for e in turn.events if isinstance(e, Opened | Extended | Closed)]
            write_revisions(
                connection,
                revisions,
                turn=turn.turn,
                shard=result.shard,
                channel=result.channel,
                generation=result.state.generation,
                sinks=self._sinks,
                now=now,
            )
            self.history.share(connection, revisions, channel=result.channel, now=now)
            queue_pictures(
                connection, turn.events, shard=result.shard, channel=result.channel, now=now
            )
        add_to_counters(connection, result.shard, "segments", verdicts)
        return True


_PLACE_SEGMENT = (
    update(segments)
    .where(segments.c.stream_id == bindparam("name"), segments.c.sequence == bindparam("number"))
    .values(
        turn=bindparam("place"),
        late=bindparam("is_late"),
        leased_generation=bindparam("lease"),
        level=bindparam("chosen"),
        tries=segments.c.tries + 1,
    )
)


def _write_verdict(
    connection: Connection, stream_id: str, verdict: SegmentVerdict, turn: int | None, now: float
) -> None:
    start, end = verdict.span or (None, None)
    values: dict[str, Any] = {
        "verdict": verdict.verdict,
        "verdict_at": now,
        "detail": None if verdict.detail is None else json.dumps(dict(verdict.detail)),
        "span_start": start,
        "span_end": end,
    }
    if turn is not None:
        values["turn"] = turn
    connection.execute(
        update(segments)
        .where(
            segments.c.stream_id == stream_id,
            segments.c.sequence == verdict.sequence,
            segments.c.verdict.is_(None),
        )
        .values(**values)
    )


def _swap_state(connection: Connection, result: StreamResult, now: float) -> bool:
    """Write the state if the journal has exactly the turns before these; return whether it had."""
    state = result.state
    values: dict[str, Any] = {
        "turn": state.turn,
        "state": zlib.compress(json.dumps(state.to_json()).encode(), 1),
        "generation": state.generation,
        "folded_at": now,
        "open_incidents": len(state.risk.open_incidents),
        "summary": json.dumps(dict(result.summary)),
    }
    if any(turn.verdict is not None and turn.verdict.verdict == "scored" for turn in result.turns):
        values["usable_at"] = now
    if state.ended:
        values["phase"] = "finished"
    elif result.stalls:
        values |= {"phase": "stalled", "usable_at": now}
        raise_alarm(connection, BLIND, result.stream_id, {}, shard=result.shard, now=now)
    if ("usable_at" in values and values.get("phase") != "stalled") or state.ended:
        clear_alarm(connection, BLIND, result.stream_id, now=now)
    swapped = connection.execute(
        update(streams)
        .where(streams.c.stream_id == result.stream_id, streams.c.turn == result.from_turn)
        .values(**values)
    )
    return bool(swapped.rowcount)

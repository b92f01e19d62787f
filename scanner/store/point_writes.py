"""What folding a channel's objects decided, as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from scanner.ingest.decisions import (
    ChannelChanged,
    ObjectSettled,
    PlaceLost,
    PlaceSegment,
    PointDecision,
    PublicationBegan,
    PublicationEnded,
)
from scanner.ingest.point import PublishingPoint
from scanner.rational import dump_optional
from scanner.store.ingest_schema import channel_changes, ingest_objects, ingest_points
from scanner.store.intake import Intake, NewInit, NewSegment, NewStream
from scanner.store.schema import shard_of
from scanner.store.writes import add_to_counters, upsert

__all__ = ["FoldedObjects", "PointWrite", "needed_numbers", "placed_segments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedObjects:
    """A point after some objects or some time, and what was decided on the way."""

    before: int
    """Number of the latest object that was folded before."""
    folded: int
    """Number of the latest object that is folded now."""
    point: PublishingPoint
    decisions: tuple[PointDecision, ...]
    previous: str | None
    """The stream of the publication before the fold."""


class PointWrite:
    """One transaction of one channel."""

    def __init__(
        self,
        connection: Connection,
        now: float,
        shard_count: int,
        rows: Mapping[int, Row[Any]],
        copies: Mapping[tuple[str, int], str],
    ) -> None:
        self._connection = connection
        self._now = now
        self._shard_count = shard_count
        self._rows = rows
        self._copies = copies
        self._outcomes: dict[str, int] = {}
        self.dropped: list[str] = []
        """Objects that no row names any more."""

    def fold(self, folded: FoldedObjects) -> None:
        """Write everything of a fold."""
        point = folded.point
        stream_id = stream_before(folded)
        for one in folded.decisions:
            if isinstance(one, PublicationBegan):
                stream_id = one.stream_id
                self._begin(point.channel, one)
            elif stream_id is not None:
                self._write(point.channel, stream_id, one)
            elif isinstance(one, ObjectSettled):
                self._settle(point.channel, one)
        shard = shard_of(point.channel, self._shard_count)
        add_to_counters(
            self._connection,
            shard,
            "ingest_objects",
            {name: float(count) for name, count in self._outcomes.items()},
        )
        self._connection.execute(
            update(ingest_objects)
            .where(
                ingest_objects.c.channel == point.channel,
                ingest_objects.c.number > folded.before,
                ingest_objects.c.number <= folded.folded,
            )
            .values(folded=True)
        )
        row = {
            "channel": point.channel,
            "shard": shard,
            "folded": folded.folded,
            "phase": point.phase,
            "stream_id": point.stream_id,
            "state": json.dumps(point.to_json()),
            "unselected": json.dumps(list(point.unselected)),
            "updated_at": self._now,
        }
        upsert(self._connection, ingest_points, row)

    def _write(self, channel: str, stream_id: str, one: PointDecision) -> None:
        match one:
            case PlaceSegment():
                self._place(channel, stream_id, one)
            case PlaceLost():
                self._lose(stream_id, one)
            case ObjectSettled():
                self._settle(channel, one)
            case PublicationEnded():
                self._intake().end_stream(
                    NewStream(stream_id=stream_id, channel=channel),
                    last_sequence=one.last_sequence,
                    reason=one.reason,
                )
            case ChannelChanged():
                self._connection.execute(
                    insert(channel_changes),
                    {
                        "shard": shard_of(channel, self._shard_count),
                        "channel": channel,
                        "stream_id": stream_id,
                        "state": one.state,
                        "at": self._now,
                        "published": False,
                    },
                )

    def _intake(self, at: float | None = None) -> Intake:
        now = self._now if at is None else at
        return Intake(self._connection, now=now, shard_count=self._shard_count)

    def _begin(self, channel: str, one: PublicationBegan) -> None:
        row = self._rows[one.number]
        stream = NewStream(
            stream_id=one.stream_id,
            channel=channel,
            key_id=row.key_id,
            first_sequence=0,
            declared={"pushed": True},
        )
        self._intake(row.at).add_stream(stream)

    def _place(self, channel: str, stream_id: str, one: PlaceSegment) -> None:
        row = self._rows[one.number]
        stream = NewStream(stream_id=stream_id, channel=channel, key_id=row.key_id)
        init_id = None
        if one.init is not None:
            init = self._rows[one.init]
            init_id = init.sha256[:16]
            self._intake().add_init(
                NewInit(
                    stream=stream,
                    init_id=init_id,
                    object=self._copies[stream_id, one.init],
                    bytes=init.bytes,
                    sha256=init.sha256,
                )
            )
        self._intake(row.at).add_segment(
            NewSegment(
                stream=stream,
                sequence=one.sequence,
                object=row.object,
                bytes=row.bytes,
                sha256=row.sha256,
                init_id=init_id,
                discontinuity=one.discontinuity,
                duration=one.duration,
            )
        )
        self._note(channel, one.number, "segment", stream_id=stream_id, sequence=one.sequence)

    def _lose(self, stream_id: str, one: PlaceLost) -> None:
        body = {
            "sequence": one.sequence,
            "duration": dump_optional(one.duration),
            "discontinuity": one.discontinuity,
            "reason": one.reason,
            "kind": one.kind,
            "message": one.message,
        }
        shard = shard_of(stream_id, self._shard_count)
        self._intake().add_mark(stream_id, shard, "lost", body)
        self._outcomes["lost"] = self._outcomes.get("lost", 0) + 1

    def _settle(self, channel: str, one: ObjectSettled) -> None:
        row = self._rows[one.number]
        keeps = row.kind == "init"
        if row.object is not None and not keeps:
            self.dropped.append(row.object)
        self._note(channel, one.number, one.outcome, object=row.object if keeps else None)

    def _note(self, channel: str, number: int, outcome: str, **values: Any) -> None:
        kind = self._rows[number].kind
        name = kind if outcome == "used" else outcome
        self._outcomes[name] = self._outcomes.get(name, 0) + 1
        self._connection.execute(
            update(ingest_objects)
            .where(ingest_objects.c.channel == channel, ingest_objects.c.number == number)
            .values(**{"object": None, "facts": "{}", "outcome": outcome, **values})
        )


def needed_numbers(folded: FoldedObjects) -> list[int]:
    """Return the numbers of the objects that decisions name."""
    found: list[int] = []
    for one in folded.decisions:
        if isinstance(one, PlaceSegment | ObjectSettled | PublicationBegan):
            found.append(one.number)
        if isinstance(one, PlaceSegment) and one.init is not None:
            found.append(one.init)
    return found


def stream_before(folded: FoldedObjects) -> str | None:
    """Return the stream that decisions belong to before one of them mints another."""
    if any(isinstance(one, PublicationBegan) for one in folded.decisions):
        return folded.previous
    return folded.point.stream_id


def placed_segments(folded: FoldedObjects) -> list[tuple[str, PlaceSegment]]:
    """Return the segments that got a sequence, each with its stream."""
    stream_id = stream_before(folded)
    found: list[tuple[str, PlaceSegment]] = []
    for one in folded.decisions:
        if isinstance(one, PublicationBegan):
            stream_id = one.stream_id
        elif isinstance(one, PlaceSegment) and stream_id is not None:
            found.append((stream_id, one))
    return found

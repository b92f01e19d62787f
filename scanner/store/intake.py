"""Rows that the web process writes: streams, init segments, segments and ends, each once.

All methods run in one write transaction of the caller, so that a group of requests shares one
commit. Nothing may be acknowledged before that commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import Connection, insert, update

from scanner.rational import dump_optional
from scanner.store.intake_statements import (
    HIGHEST_SEQUENCE,
    INSERT_SEGMENT,
    KNOWN_INIT,
    NOTE_ARRIVAL,
    STREAM,
    STREAM_AND_SEGMENT,
    StreamAndSegment,
)
from scanner.store.pushed import PushedObject, add_pushed
from scanner.store.schema import inits, shard_of, streams
from scanner.store.signals import NewSignal, add_signal
from scanner.store.stream_changes import note_arrival, note_end
from scanner.store.writes import insert_mark

__all__ = [
    "Acceptance",
    "Intake",
    "IntakeRow",
    "NewEnd",
    "NewImage",
    "NewInit",
    "NewSegment",
    "NewStream",
    "StreamKind",
    "metadata_digest",
]

StreamKind = Literal["live", "image"]

Acceptance = Literal[
    "accepted",
    "same",
    "other_content",
    "other_metadata",
    "ended",
    "ends_too_early",
    "init_unknown",
    "wrong_channel",
    "wrong_kind",
    "forbidden",
    "unknown",
    "too_many",
]
"""The result of a delivery by a sender.

``accepted``: a new row. ``same``: known already, with the same content. ``other_content``: known
with other bytes. ``other_metadata``: known with the same bytes, but other metadata. ``ended``: its
stream accepts no more. ``init_unknown``: it names an init segment that is not there.
``wrong_channel``: its stream belongs to another channel. ``forbidden``: the channel of its stream
is none that the sender's key allows. ``wrong_kind``: a picture and a live stream never share a
name. ``unknown``: its stream is not there. ``too_many``: too many of its kind wait to be folded.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStream:
    """A stream as a sender declares it; its first segment declares it implicitly."""

    stream_id: str
    kind: StreamKind = "live"
    channel: str | None = None
    key_id: str | None = None
    allowed_channels: frozenset[str] | None = None
    """Channels that the sender's key allows; None for all, and for streams without one."""
    first_sequence: int | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    """Further facts of the sender, such as ``started_at`` and ``expected_duration``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInit:
    """An init segment, whose object is durable."""

    stream: NewStream
    init_id: str
    object: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSegment:
    """A segment, whose object is durable."""

    stream: NewStream
    sequence: int
    object: str
    bytes: int
    sha256: str
    init_id: str | None = None
    discontinuity: bool = False
    duration: Fraction | None = None
    """Seconds, as the sender declares them."""
    started_at: float | None = None
    """Wall-clock time of its first frame, as the sender declares it."""

    @property
    def meta_digest(self) -> str:
        """A digest of everything that the sender declares in addition to the bytes."""
        return metadata_digest(
            init_id=self.init_id,
            discontinuity=self.discontinuity,
            duration=self.duration,
            started_at=self.started_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEnd:
    """The end of a stream."""

    stream: NewStream
    last_sequence: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """A single picture: a stream of its own with one segment and its end."""

    segment: NewSegment

    @property
    def object(self) -> str:
        """The name of the picture's object."""
        return self.segment.object


IntakeRow = NewStream | NewInit | NewSegment | NewEnd | NewImage | NewSignal | PushedObject


@lru_cache(maxsize=1024, typed=True)  # senders declare the same of many segments
def metadata_digest(
    *,
    init_id: str | None,
    discontinuity: bool,
    duration: Fraction | None,
    started_at: float | None,
) -> str:
    """Return a digest of everything that a sender declares of a segment beside the bytes."""
    facts = [init_id, discontinuity, dump_optional(duration), started_at]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


class Intake:
    """Adds what senders deliver, within one write transaction."""

    def __init__(self, connection: Connection, *, now: float, shard_count: int) -> None:
        self._connection = connection
        self._now = now
        self._shard_count = shard_count

    def add(self, row: IntakeRow) -> Acceptance:
        """Add one delivery, of any kind."""
        accepted: Acceptance = "accepted"
        match row:
            case NewSegment():
                accepted = self.add_segment(row)
            case NewInit():
                accepted = self.add_init(row)
            case NewEnd(stream=stream, last_sequence=last, reason=reason):
                accepted = self.end_stream(stream, last_sequence=last, reason=reason)
            case NewImage():
                accepted = self.add_image(row)
            case NewStream():
                accepted = self.add_stream(row)
            case NewSignal():
                accepted = add_signal(self._connection, row, now=self._now)
            case PushedObject():
                add_pushed(self._connection, row, self._now, self._shard_count)
        return accepted

    def add_stream(self, new: NewStream) -> Acceptance:
        """Add a stream, or check that it is known with the same declaration."""
        known = self._stream(new.stream_id)
        if refusal := _refuse(known, new):
            return refusal
        if known is None:
            self._insert_stream(new)
            return "accepted"
        same = (known.channel, known.first_sequence, json.loads(known.declared)) == (
            new.channel,
            new.first_sequence,
            dict(new.declared),
        )
        return "same" if same else "other_metadata"

    def add_init(self, new: NewInit) -> Acceptance:
        """Add an init segment; it is immutable."""
        stream = self._stream(new.stream.stream_id)
        if refusal := _refuse(stream, new.stream):
            return refusal
        names = {"of_stream": new.stream.stream_id, "of_init": new.init_id}
        known = self._connection.execute(KNOWN_INIT, names).scalar_one_or_none()
        if known is not None:
            return "same" if known == new.sha256 else "other_content"
        if stream is None:
            self._insert_stream(new.stream)
        self._connection.execute(
            insert(inits),
            {
                "stream_id": new.stream.stream_id,
                "init_id": new.init_id,
                "shard": self._shard(new.stream),
                "object": new.object,
                "bytes": new.bytes,
                "sha256": new.sha256,
                "created_at": self._now,
            },
        )
        return "accepted"

    def add_segment(self, new: NewSegment) -> Acceptance:
        """Add a segment, once: its natural key is (stream, sequence)."""
        stream_id = new.stream.stream_id
        names = {"of_stream": stream_id, "of_sequence": new.sequence}
        row = STREAM_AND_SEGMENT.run(self._connection, names)
        stream = None if row is None else StreamAndSegment(*row)
        if refusal := _refuse(stream, new.stream):
            return refusal
        if stream is not None and stream.sha256 is not None:
            if stream.sha256 != new.sha256:
                return "other_content"
            return "same" if stream.meta_digest == new.meta_digest else "other_metadata"
        if (
            stream is not None
            and stream.ended_at is not None
            and (
                stream.last_sequence is None
                or new.sequence > stream.last_sequence
                or stream.kind == "image"  # known, and its row was deleted because of its age
            )
        ):
            return "ended"
        if new.init_id is not None and not self._has_init(stream_id, new.init_id):
            return "init_unknown"
        if stream is None:
            self._insert_stream(new.stream)
        shard = self._shard(new.stream)
        self._insert_segment(new, shard)
        note_arrival(self._connection, stream, new.stream, shard, now=self._now)
        return "accepted"

    def add_image(self, new: NewImage) -> Acceptance:
        """Add a picture with its stream, which ends with it."""
        acceptance = self.add_segment(new.segment)
        if acceptance == "accepted":
            return self.end_stream(new.segment.stream, last_sequence=0, reason=None)
        return acceptance

    def end_stream(
        self, stream: NewStream, *, last_sequence: int | None, reason: str | None
    ) -> Acceptance:
        """End a stream: segments up to ``last_sequence`` are still accepted."""
        known = self._stream(stream.stream_id)
        if refusal := _refuse(known, stream):
            return refusal
        if known is None:
            return "unknown"
        if known.ended_at is not None:
            return "same" if known.last_sequence == last_sequence else "other_metadata"
        names = {"of_stream": stream.stream_id}
        highest = self._connection.execute(HIGHEST_SEQUENCE, names).scalar_one()
        if last_sequence is not None and highest is not None and highest > last_sequence:
            return "ends_too_early"
        self._connection.execute(
            update(streams)
            .where(streams.c.stream_id == stream.stream_id)
            .values(ended_at=self._now, last_sequence=last_sequence, end_reason=reason)
        )
        self.add_mark(stream.stream_id, known.shard, "end", {"last_sequence": last_sequence})
        note_end(self._connection, known, stream.stream_id, now=self._now)
        return "accepted"

    def add_mark(self, stream_id: str, shard: int, kind: str, body: Mapping[str, Any]) -> None:
        """Add an input of a stream that is no segment."""
        insert_mark(self._connection, stream_id, shard, kind, body, now=self._now)

    def _stream(self, stream_id: str) -> Any:
        """Return the row of a stream, or None."""
        return self._connection.execute(STREAM, {"of_stream": stream_id}).one_or_none()

    def _shard(self, stream: NewStream) -> int:
        return shard_of(stream.stream_id, self._shard_count)

    def _has_init(self, stream_id: str, init_id: str) -> bool:
        names = {"of_stream": stream_id, "of_init": init_id}
        return self._connection.execute(KNOWN_INIT, names).one_or_none() is not None

    def _insert_stream(self, new: NewStream) -> None:
        self._connection.execute(
            insert(streams),
            {
                "stream_id": new.stream_id,
                "shard": self._shard(new),
                "kind": new.kind,
                "channel": new.channel,
                "key_id": new.key_id,
                "created_at": self._now,
                "declared": json.dumps(dict(new.declared)),
                "first_sequence": new.first_sequence,
                "assigned": 0,
                "turn": 0,
                "generation": 0,
                "phase": "live",
                "open_incidents": 0,
            },
        )

    def _insert_segment(self, new: NewSegment, shard: int) -> None:
        stream_id = new.stream.stream_id
        INSERT_SEGMENT.run(
            self._connection,
            {
                "stream_id": stream_id,
                "sequence": new.sequence,
                "shard": shard,
                "object": new.object,
                "bytes": new.bytes,
                "sha256": new.sha256,
                "meta_digest": new.meta_digest,
                "init_id": new.init_id,
                "discontinuity": new.discontinuity,
                "duration": json.dumps(dump_optional(new.duration)),
                "started_at": new.started_at,
                "received_at": self._now,
                "key_id": new.stream.key_id,
                "late": False,
                "tries": 0,
                "lone_deaths": 0,
                "stage": "stored",
            },
        )
        NOTE_ARRIVAL.run(self._connection, {"of_stream": stream_id, "at": self._now})


def _refuse(known: Any, new: NewStream) -> Acceptance | None:
    """Return why a stream takes nothing from this sender, or None; ``known`` is its row, if any."""
    channel = new.channel if known is None else known.channel
    if new.allowed_channels is not None and channel not in new.allowed_channels:
        return "forbidden"
    if known is not None and new.channel is not None and known.channel != new.channel:
        return "wrong_channel"
    if known is not None and known.kind != new.kind:
        return "wrong_kind"
    return None

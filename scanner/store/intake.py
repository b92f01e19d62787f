"""What the web process writes: streams, init segments, segments and ends, each once.

All methods run in one write transaction of the caller, so that a group of requests shares one
commit. Nothing may be acknowledged before that commit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from sqlalchemy import Connection, func, insert, select, update

from scanner.rational import dump_optional
from scanner.store.schema import inits, marks, segments, shard_of, streams

__all__ = ["Acceptance", "Intake", "NewInit", "NewSegment", "NewStream", "StreamKind"]

StreamKind = Literal["live", "image"]

Acceptance = Literal["accepted", "same", "conflict", "ended", "init_unknown", "wrong_channel"]
"""What became of something that a sender delivered.

``accepted``: a new row. ``same``: known already, with the same content. ``conflict``: known with
other content. ``ended``: its stream accepts no more. ``init_unknown``: it names an init segment
that is not there. ``wrong_channel``: its stream belongs to another channel.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStream:
    """A stream as a sender declares it; its first segment declares it implicitly."""

    stream_id: str
    kind: StreamKind = "live"
    channel: str | None = None
    key_id: str | None = None
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
        """A digest of everything that the sender declares beside the bytes."""
        facts = [self.init_id, self.discontinuity, dump_optional(self.duration), self.started_at]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


class Intake:
    """Adds what senders deliver, within one write transaction."""

    def __init__(self, connection: Connection, *, now: float, shard_count: int) -> None:
        self._connection = connection
        self._now = now
        self._shard_count = shard_count

    def add_stream(self, new: NewStream) -> Acceptance:
        """Add a stream, or check that it is known with the same declaration."""
        known = self._stream(new.stream_id)
        if known is None:
            self._insert_stream(new)
            return "accepted"
        same = (known.channel, known.first_sequence, json.loads(known.declared)) == (
            new.channel,
            new.first_sequence,
            dict(new.declared),
        )
        return "same" if same else "conflict"

    def add_init(self, new: NewInit) -> Acceptance:
        """Add an init segment; it is immutable."""
        known = self._connection.execute(
            select(inits.c.sha256).where(
                inits.c.stream_id == new.stream.stream_id, inits.c.init_id == new.init_id
            )
        ).scalar_one_or_none()
        if known is not None:
            return "same" if known == new.sha256 else "conflict"
        stream, refusal = self._open_stream(new.stream)
        if refusal is not None:
            return refusal
        self._connection.execute(
            insert(inits),
            {
                "stream_id": new.stream.stream_id,
                "init_id": new.init_id,
                "shard": stream.shard,
                "object": new.object,
                "bytes": new.bytes,
                "sha256": new.sha256,
                "created_at": self._now,
            },
        )
        return "accepted"

    def add_segment(self, new: NewSegment) -> Acceptance:
        """Add a segment, once: its natural key is (stream, sequence)."""
        stream, refusal = self._open_stream(new.stream)
        if refusal is not None:
            return refusal
        stream_id = new.stream.stream_id
        known = self._connection.execute(
            select(segments.c.sha256, segments.c.meta_digest).where(
                segments.c.stream_id == stream_id, segments.c.sequence == new.sequence
            )
        ).one_or_none()
        if known is not None:
            same = (known.sha256, known.meta_digest) == (new.sha256, new.meta_digest)
            return "same" if same else "conflict"
        if stream.ended_at is not None and (
            stream.last_sequence is None or new.sequence > stream.last_sequence
        ):
            return "ended"
        if new.init_id is not None and not self._has_init(stream_id, new.init_id):
            return "init_unknown"
        self._insert_segment(new, stream.shard)
        return "accepted"

    def end_stream(
        self, stream: NewStream, *, last_sequence: int | None, reason: str | None
    ) -> Acceptance:
        """End a stream: segments up to ``last_sequence`` are still accepted."""
        known, refusal = self._open_stream(stream)
        if refusal is not None:
            return refusal
        if known.ended_at is not None:
            return "same" if known.last_sequence == last_sequence else "conflict"
        self._connection.execute(
            update(streams)
            .where(streams.c.stream_id == stream.stream_id)
            .values(ended_at=self._now, last_sequence=last_sequence, end_reason=reason)
        )
        self.add_mark(stream.stream_id, known.shard, "end", {"last_sequence": last_sequence})
        return "accepted"

    def add_mark(self, stream_id: str, shard: int, kind: str, body: Mapping[str, Any]) -> None:
        """Add an input of a stream that is no segment."""
        number = self._connection.execute(
            select(func.coalesce(func.max(marks.c.number) + 1, 0)).where(
                marks.c.stream_id == stream_id
            )
        ).scalar_one()
        self._connection.execute(
            insert(marks),
            {
                "stream_id": stream_id,
                "number": number,
                "shard": shard,
                "kind": kind,
                "body": json.dumps(body),
                "created_at": self._now,
            },
        )

    def _open_stream(self, new: NewStream) -> tuple[Any, Acceptance | None]:
        """Return the stream, which is added if it is new, and why it takes nothing, if so."""
        if self._stream(new.stream_id) is None:
            self._insert_stream(new)
        known = self._stream(new.stream_id)
        if known is None:
            raise RuntimeError(f"stream {new.stream_id}: inserted, and not there")
        if new.channel is not None and known.channel != new.channel:
            return known, "wrong_channel"
        return known, None

    def _stream(self, stream_id: str) -> Any:
        """Return the row of a stream, or None."""
        columns = streams.c
        return self._connection.execute(
            select(
                columns.shard,
                columns.kind,
                columns.channel,
                columns.first_sequence,
                columns.declared,
                columns.ended_at,
                columns.last_sequence,
            ).where(columns.stream_id == stream_id)
        ).one_or_none()

    def _has_init(self, stream_id: str, init_id: str) -> bool:
        found = select(inits.c.init_id).where(
            inits.c.stream_id == stream_id, inits.c.init_id == init_id
        )
        return self._connection.execute(found).one_or_none() is not None

    def _insert_stream(self, new: NewStream) -> None:
        self._connection.execute(
            insert(streams),
            {
                "stream_id": new.stream_id,
                "shard": shard_of(new.stream_id, self._shard_count),
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
        self._connection.execute(
            insert(segments),
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
        self._connection.execute(
            update(streams)
            .where(streams.c.stream_id == stream_id)
            .values(last_arrival=self._now, phase="live")
        )

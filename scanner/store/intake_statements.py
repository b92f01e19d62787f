"""Statements of the intake, built once: building one costs more than running it.

Those of a segment run for every one, and are prepared.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import bindparam, case, func, insert, select, update

from scanner.store.prepared import PreparedStatement
from scanner.store.schema import inits, segments, streams

__all__ = [
    "HIGHEST_SEQUENCE",
    "INSERT_SEGMENT",
    "KNOWN_INIT",
    "NOTE_ARRIVAL",
    "STREAM",
    "STREAM_AND_SEGMENT",
    "StreamAndSegment",
]


class StreamAndSegment(NamedTuple):
    """A known stream, and its segment of the sequence that is asked for if there is one."""

    kind: str
    channel: str | None
    ended_at: float | None
    last_sequence: int | None
    last_arrival: float | None
    phase: str
    sha256: str | None
    meta_digest: str | None


_STREAM_COLUMNS = (
    streams.c.shard,
    streams.c.kind,
    streams.c.channel,
    streams.c.first_sequence,
    streams.c.declared,
    streams.c.ended_at,
    streams.c.last_sequence,
)
STREAM: Final = select(*_STREAM_COLUMNS).where(streams.c.stream_id == bindparam("of_stream"))
STREAM_AND_SEGMENT: Final = PreparedStatement(
    select(
        streams.c.kind,
        streams.c.channel,
        streams.c.ended_at,
        streams.c.last_sequence,
        streams.c.last_arrival,
        streams.c.phase,
        segments.c.sha256,
        segments.c.meta_digest,
    )
    .select_from(
        streams.outerjoin(
            segments,
            (segments.c.stream_id == streams.c.stream_id)
            & (segments.c.sequence == bindparam("of_sequence")),
        )
    )
    .where(streams.c.stream_id == bindparam("of_stream"))
)
KNOWN_INIT: Final = select(inits.c.sha256).where(
    inits.c.stream_id == bindparam("of_stream"), inits.c.init_id == bindparam("of_init")
)
HIGHEST_SEQUENCE: Final = select(func.max(segments.c.sequence)).where(
    segments.c.stream_id == bindparam("of_stream")
)
INSERT_SEGMENT: Final = PreparedStatement(
    insert(segments),
    *("stream_id", "sequence", "shard", "object", "bytes", "sha256", "meta_digest", "init_id"),
    *("discontinuity", "duration", "started_at", "received_at", "key_id"),
    *("late", "tries", "lone_deaths", "stage"),
)
NOTE_ARRIVAL: Final = PreparedStatement(
    update(streams)
    .where(streams.c.stream_id == bindparam("of_stream"))
    .values(
        last_arrival=bindparam("at"),
        phase=case((streams.c.phase == "stalled", "live"), else_=streams.c.phase),
    )
)

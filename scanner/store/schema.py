"""The tables of the journal.

Every table has the ``shard`` of its stream, by which the work of several drivers is fenced and by
which a database can be split. Wall-clock times are seconds since the epoch; stream times are exact
and lie within JSON documents or, rounded, in columns that only queries read.

    streams    1 -- n  inits, segments, marks, turn_records, incidents, score_part_streams
    segments, marks    the stream's input; ``turn`` is NULL until the order of turns is decided
    turn_records       the events of each folded turn, from which everything can be replayed
    incidents  1 -- n  incident_revisions, evidence, effects
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

__all__ = [
    "BACKED_UP",
    "SHARDS",
    "alarms",
    "api_keys",
    "configurations",
    "counters",
    "effects",
    "evidence",
    "heartbeats",
    "incident_revisions",
    "incidents",
    "inits",
    "journal_facts",
    "marks",
    "metadata",
    "published",
    "segments",
    "shard_of",
    "shards",
    "sinks",
    "streams",
    "turn_records",
]

SHARDS: Final = 64
"""Shards of a new SQLite database; the number is fixed when a database is created."""

BACKED_UP: Final = "backed_up_at"
"""Name of the fact that says when the latest complete backup was begun, as seconds since the
epoch."""

metadata = MetaData()

journal_facts = Table(
    "journal_facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Single values: the number of shards, fixed when the database was created; the latest"
    " decision that is published; when the latest backup was begun.",
)

shards = Table(
    "shards",
    metadata,
    Column("shard", Integer, primary_key=True),
    Column("generation", Integer, nullable=False),
    comment="The fence of the driver: its write transactions check the generation of each shard.",
)

configurations = Table(
    "configurations",
    metadata,
    Column("generation", Integer, primary_key=True),
    Column("body", Text, nullable=False, comment="JSON: models with versions, policies, hashes."),
    Column("created_at", Float, nullable=False),
)

streams = Table(
    "streams",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="live, or image for one still picture"),
    Column("channel", Text, comment="lasting identity that the sender names"),
    Column("key_id", Text, comment="API key that created the stream"),
    Column("created_at", Float, nullable=False),
    Column("declared", Text, nullable=False, comment="JSON: what the sender declared of it"),
    Column("first_sequence", Integer),
    Column("last_arrival", Float, comment="when the latest segment was acknowledged"),
    Column("last_sequence", Integer, comment="declared with the end of the stream"),
    Column("ended_at", Float, comment="when the end was acknowledged"),
    Column("end_reason", Text),
    Column("ordering", Text, comment="JSON of TurnOrder, without what waits"),
    Column("assigned", Integer, nullable=False, comment="turns whose place is decided"),
    Column("turn", Integer, nullable=False, comment="turns that are folded; compared and swapped"),
    Column("compacted", Integer, nullable=False, server_default="0", comment="turns in Parquet"),
    Column("state", LargeBinary, comment="StreamState as compressed JSON; NULL for a new one"),
    Column("generation", Integer, nullable=False, comment="configuration of the last turn"),
    Column("phase", Text, nullable=False, comment="live, stalled or finished"),
    Column("folded_at", Float, comment="when the latest turn was committed"),
    Column("usable_at", Float, comment="when a segment was scored, or a stall recorded, last"),
    Column("open_incidents", Integer, nullable=False),
    Column("summary", Text, comment="JSON: risk, coverage and clock, for queries"),
    Index("streams_by_channel", "channel", "created_at"),
    Index("streams_by_phase", "phase", "last_arrival"),
    Index("streams_by_kind", "kind", "created_at"),
    Index(
        "streams_uncompacted",
        "stream_id",
        sqlite_where=text("compacted < turn"),
        postgresql_where=text("compacted < turn"),
    ),
)

inits = Table(
    "inits",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("init_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("object", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("stage", Text, nullable=False, default="stored", comment="stored, deleting or deleted"),
)

segments = Table(
    "segments",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("object", Text, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("meta_digest", Text, nullable=False, comment="digest of all declared metadata"),
    Column("init_id", Text),
    Column("discontinuity", Boolean, nullable=False),
    Column("duration", Text, comment="JSON: exact seconds as the sender declares them"),
    Column("started_at", Float),
    Column("received_at", Float, nullable=False),
    Column("key_id", Text),
    Column("turn", Integer, comment="place in the log of the stream; NULL until it is decided"),
    Column("late", Boolean, nullable=False),
    Column("leased_generation", Integer),
    Column("tries", Integer, nullable=False, comment="leases so far, over all drivers"),
    Column("lone_deaths", Integer, nullable=False, comment="workers that it ended alone"),
    Column("level", Text, comment="JSON: sampling and burst level, written before decoding"),
    Column("verdict", Text, comment="scored, late, undecodable, quarantined or shed"),
    Column("verdict_at", Float),
    Column("detail", Text, comment="JSON: kind and message of an error"),
    Column("span_start", Float, comment="stream seconds, rounded"),
    Column("span_end", Float),
    Column("stage", Text, nullable=False, comment="stored, deleting or deleted: its bytes"),
    Index(
        "segments_pending",
        "received_at",
        "key_id",
        sqlite_where=text("verdict IS NULL"),
        postgresql_where=text("verdict IS NULL"),
    ),
    Index(
        "segments_unordered",
        "stream_id",
        sqlite_where=text("verdict IS NULL AND turn IS NULL"),
        postgresql_where=text("verdict IS NULL AND turn IS NULL"),
    ),
    Index("segments_by_stage", "stage", "verdict_at"),
)

marks = Table(
    "marks",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True, comment="counts the marks of a stream from 0"),
    Column("shard", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="missing, lost, signal, history, stall or end"),
    Column("body", Text, nullable=False, comment="JSON"),
    Column("created_at", Float, nullable=False),
    Column("turn", Integer, comment="place in the log of the stream; NULL until it is decided"),
    Index(
        "marks_unordered",
        "stream_id",
        sqlite_where=text("turn IS NULL"),
        postgresql_where=text("turn IS NULL"),
    ),
)

turn_records = Table(
    "turn_records",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("turn", Integer, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("sequence", Integer, comment="of a segment's turn"),
    Column("generation", Integer, nullable=False),
    Column("events", LargeBinary, nullable=False, comment="the events, versioned and compressed"),
    Column("created_at", Float, nullable=False),
    Index("turn_records_by_age", "created_at"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("channel", Text),
    Column("label", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("peak", Float, nullable=False),
    Column("shadow", Boolean, nullable=False),
    Column("detection", Text, nullable=False, comment="open or closed, by the fold alone"),
    Column("revision", Integer, nullable=False),
    Column("body", Text, nullable=False, comment="JSON of the latest revision"),
    Column("opened_at", Float, nullable=False, comment="wall-clock time"),
    Column("updated_at", Float, nullable=False),
    Column("plan", Text, comment="JSON: how far its evidence is planned; NULL before the first"),
    Column("planned_turn", Integer, nullable=False, default=0, comment="turns that the plan saw"),
    Column("planned", Boolean, nullable=False, default=False, comment="all evidence is planned"),
    Index("incidents_by_stream", "stream_id"),
    Index(
        "incidents_unplanned",
        "stream_id",
        sqlite_where=text("planned = 0"),
        postgresql_where=text("NOT planned"),
    ),
    Index("incidents_by_detection", "detection", "shadow", "opened_at"),
)

incident_revisions = Table(
    "incident_revisions",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="opened, extended or closed"),
    Column("shadow", Boolean, nullable=False),
    Column("body", Text, nullable=False, comment="JSON of the incident at this revision"),
    Column("generation", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("published", Boolean, nullable=False, comment="numbered for readers of events"),
    Index(
        "incident_revisions_unpublished",
        "created_at",
        sqlite_where=text("published = 0"),
        postgresql_where=text("NOT published"),
    ),
)

published = Table(
    "published",
    metadata,
    Column("number", Integer, primary_key=True, comment="assigned by the one delivery process"),
    Column("shard", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="type of the event, such as incident.opened"),
    Column("body", Text, nullable=False, comment="JSON"),
    Column("created_at", Float, nullable=False),
)

evidence = Table(
    "evidence",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("piece", Text, primary_key=True, comment="clip-1, poster-1, sheet or sheet-blurred"),
    Column("shard", Integer, nullable=False),
    Column("status", Text, nullable=False, comment="due, cut, failed, deleting or deleted"),
    Column("due", Text, nullable=False, comment="JSON of what is to be cut"),
    Column("result", Text, comment="JSON of what was cut"),
    Column("object", Text),
    Column("reason", Text, comment="why it failed, or what the latest try met"),
    Column("tries", Integer, nullable=False, comment="written before each try"),
    Column("next_at", Float, nullable=False, comment="when it may be tried next"),
    Column("seconds", Float, nullable=False, comment="time that its tries took"),
    Column("updated_at", Float, nullable=False),
    Index("evidence_by_status", "status", "updated_at"),
)

effects = Table(
    "effects",
    metadata,
    Column("incident_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("sink", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="of the revision: opened, extended or closed"),
    Column("status", Text, nullable=False, comment="pending, delivered, skipped, dead or held"),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("receipt", Text, comment="JSON: what the receiver answered, and when"),
    Column("error", Text, comment="of the latest attempt, or which quota holds it"),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("admitted_at", Float, comment="when the quota let it pass; 0 if a person did"),
    Index(
        "effects_admitted",
        "sink",
        "admitted_at",
        sqlite_where=text("admitted_at > 0"),
        postgresql_where=text("admitted_at > 0"),
    ),
    Index(
        "effects_pending",
        "sink",
        "next_at",
        sqlite_where=text("status = 'pending'"),
        postgresql_where=text("status = 'pending'"),
    ),
)

sinks = Table(
    "sinks",
    metadata,
    Column("sink", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("settings", Text, nullable=False, comment="digest of the settings it was used with"),
    Column("disabled_at", Float, comment="when its receiver asked for no more"),
    Column("failing_since", Float, comment="first of the failures without a success between"),
    Column("failures", Integer, nullable=False, comment="how many those are"),
    Column("next_at", Float, nullable=False, comment="when it may be tried next"),
    Column("error", Text, comment="of the latest failure"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("subject", Text, primary_key=True, comment="stream, sink or part of the service"),
    Column("since", Float, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("until", Float, comment="NULL while it lasts"),
    Column("body", Text, nullable=False, comment="JSON"),
    Column("published", Integer, nullable=False, default=0, comment="events: begun, ended"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("label", Text, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("value", Float, nullable=False),
    comment="Totals since the database was created, committed with what they count.",
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("body", Text, nullable=False, comment="JSON: what the process reports of itself"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="SHA-256 of the secret, which is random"),
    Column("verbs", Text, nullable=False, comment="JSON list: ingest, read, decide"),
    Column("channels", Text, comment="JSON list of channels; NULL for all"),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)


@lru_cache(maxsize=4096)
def shard_of(stream_id: str, count: int = SHARDS) -> int:
    """Return the shard of a stream, in [0, count); the same on every machine.

    >>> shard_of("stream-1") == shard_of("stream-1")
    True
    """
    digest = hashlib.sha256(stream_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count

"""The tables of publishing points: what encoders pushed, and what became of it.

ingest_points  1 -- n  ingest_objects, channel_changes
ingest_objects         in the order in which they became durable; the driver folds them
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, text

from scanner.store.schema import metadata

__all__ = [
    "channel_changes",
    "ingest_objects",
    "ingest_points",
    "ingest_uploads",
    "metadata",
    "sources",
]

ingest_points = Table(
    "ingest_points",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("folded", Integer, nullable=False, comment="number of the latest object in the state"),
    Column("phase", Text, nullable=False),
    Column("stream_id", Text, comment="stream of the latest publication"),
    Column("state", Text, nullable=False, comment="JSON of PublishingPoint"),
    Column("unselected", Text, nullable=False, comment="JSON: series of paths not to be kept"),
    Column("updated_at", Float, nullable=False),
    Index("ingest_points_by_phase", "phase"),
    comment="Publishing points of encoders, one a channel.",
)

ingest_objects = Table(
    "ingest_objects",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("number", Integer, primary_key=True, comment="counts the objects of a channel from 1"),
    Column("shard", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="segment, init or playlist"),
    Column("path", Text, nullable=False),
    Column("key_id", Text, comment="API key that pushed it"),
    Column("object", Text, comment="its bytes, while they are its own: not yet, or no segment's"),
    Column("bytes", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("facts", Text, nullable=False, comment="JSON: what was read of it, as kind needs it"),
    Column("after", Integer, nullable=False, comment="latest number when its request began"),
    Column("at", Float, nullable=False, comment="when it was acknowledged"),
    Column("folded", Boolean, nullable=False),
    Column("outcome", Text, comment="segment, or why it is none; NULL until that is decided"),
    Column("stream_id", Text),
    Column("sequence", Integer),
    Index("ingest_objects_by_path", "channel", "path", "number"),
    Index(
        "ingest_objects_unfolded",
        "channel",
        "number",
        sqlite_where=text("folded = 0"),
        postgresql_where=text("NOT folded"),
    ),
    comment="What encoders pushed, in the order in which it became durable.",
)

ingest_uploads = Table(
    "ingest_uploads",
    metadata,
    Column("process", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("body", Text, nullable=False, comment="JSON: paths of open uploads by channel"),
)

sources = Table(
    "sources",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("location", Text, nullable=False, comment="URL, or absolute path of a folder or file"),
    Column("addresses", Text, nullable=False, comment="where connections may go: public or any"),
    Column("key_id", Text, comment="API key that added it; NULL for the operator"),
    Column("created_at", Float, nullable=False),
    Column("removed_at", Float),
    Column("state", Text, nullable=False, comment="waiting, running, failed or ended"),
    Column("detail", Text, comment="why it failed"),
    Column("updated_at", Float, nullable=False),
    comment="Streams that the service gets by itself, each in a process.",
)

channel_changes = Table(
    "channel_changes",
    metadata,
    Column("change", Integer, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("state", Text, nullable=False, comment="live, stalled or ended"),
    Column("at", Float, nullable=False),
    Column("published", Boolean, nullable=False, comment="numbered for readers of events"),
    Index(
        "channel_changes_unpublished",
        "change",
        sqlite_where=text("published = 0"),
        postgresql_where=text("NOT published"),
    ),
)

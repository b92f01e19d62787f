"""The tables of the review console, part of the journal.

reviews     one item for each incident of a live policy and each flagged picture
decisions   append-only: what people and other systems decided, and what was undone
decision_effects   decisions on their way to receivers
mutes       labels whose incidents on a stream or channel are recorded and not queued

state of an item     waiting -> second_look -> decided, escalated from each of them, muted
a claim is a lease   ``claimed_until`` in the past is no claim, so that nothing has to end it
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, Table, Text, text

from scanner.store.schema import metadata

__all__ = ["PENDING_STATES", "QUOTA", "decision_effects", "decisions", "mutes", "reviews"]

QUOTA: Final = "quota: "
"""Beginning of ``returned`` of an item that was not sent, or whose decision was not, because of a
quota."""
PENDING_STATES: Final = ("waiting", "second_look", "escalated")
"""States in which somebody has to decide."""

reviews = Table(
    "reviews",
    metadata,
    Column("item_id", Text, primary_key=True, comment="id of the incident, or of the picture"),
    Column("shard", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="incident or image"),
    Column("stream_id", Text, nullable=False),
    Column("channel", Text),
    Column("label", Text, nullable=False, comment="the leading label"),
    Column("labels", Text, nullable=False, comment="JSON list"),
    Column("category", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("risk", Float, nullable=False, comment="highest so far; of a picture its score"),
    Column("rank", Float, nullable=False, comment="-(severity + risk); lower is more urgent"),
    Column("state", Text, nullable=False, comment="see above"),
    Column("flagged_at", Float, nullable=False, comment="when it was queued first"),
    Column("waiting_since", Float, nullable=False, comment="when it came into its state"),
    Column("updated_at", Float, nullable=False),
    Column("assigned_to", Text, comment="person who is to decide"),
    Column("claimed_by", Text, comment="person who looks at it"),
    Column("claimed_until", Float, nullable=False, comment="end of the lease"),
    Column("returned", Text, comment="why it came back: grew, undone, undelivered or quota"),
    Column("verdict", Text, comment="of the decision in force: violation or no_violation"),
    Column("decided_severity", Integer, comment="severity when it was decided"),
    Index("reviews_by_rank", "state", "rank", "waiting_since", "item_id"),
    Index(  # all that the totals of the queue are made of, so that no row is read for them
        "reviews_totals",
        "state",
        "category",
        "severity",
        "channel",
        "flagged_at",
        "waiting_since",
        "claimed_until",
        "updated_at",
    ),
    Index("reviews_by_stream", "stream_id"),
    Index("reviews_by_channel", "channel", "flagged_at"),
    Index("reviews_by_time", "flagged_at"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("number", Integer, primary_key=True, comment="rises in the order of the commits"),
    Column("decision_id", Text, nullable=False, unique=True),
    Column("item_id", Text, nullable=False),
    Column("shard", Integer, nullable=False),
    Column("kind", Text, nullable=False, comment="made, or undone for one that ends another"),
    Column("undoes", Integer, comment="number of the decision that this one ends"),
    Column("verdict", Text, nullable=False, comment="violation, no_violation, escalate, ..."),
    Column("reason", Text, comment="label of the taxonomy that is violated"),
    Column("note", Text, nullable=False),
    Column("by", Text, nullable=False, comment="human or machine"),
    Column("reviewer", Text, nullable=False, comment="opaque id, as receivers get it"),
    Column("person", Text, comment="user, or key of the machine; never leaves the service"),
    Column("final", Boolean, nullable=False, comment="whether it ended the item's review"),
    Column("state_before", Text, nullable=False, comment="of the item, to undo it"),
    Column("revision", Integer, nullable=False, comment="of the incident when it was decided"),
    Column("mute_id", Text, comment="mute that came with it"),
    Column("created_at", Float, nullable=False),
    Index("decisions_by_item", "item_id", "number"),
    Index("decisions_by_undone", "undoes"),
    Index("decisions_by_time", "created_at"),
)

decision_effects = Table(
    "decision_effects",
    metadata,
    Column("number", Integer, primary_key=True, comment="of the decision"),
    Column("sink", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("status", Text, nullable=False, comment="pending, delivered, dead or held"),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Float, nullable=False),
    Column("receipt", Text, comment="JSON: what the receiver answered, and when"),
    Column("error", Text, comment="of the latest attempt"),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("admitted_at", Float, comment="when the quota let it pass; 0 if a person did"),
    Index(
        "decision_effects_admitted",
        "sink",
        "admitted_at",
        sqlite_where=text("admitted_at > 0"),
        postgresql_where=text("admitted_at > 0"),
    ),
    Index(
        "decision_effects_pending",
        "sink",
        "next_at",
        sqlite_where=text("status = 'pending'"),
        postgresql_where=text("status = 'pending'"),
    ),
    Index("decision_effects_by_item", "item_id"),
)

mutes = Table(
    "mutes",
    metadata,
    Column("mute_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("label", Text, nullable=False),
    Column("scope", Text, nullable=False, comment="stream or channel"),
    Column("subject", Text, nullable=False, comment="name of the stream or channel"),
    Column("until", Float, nullable=False, comment="when it ends, or ended"),
    Column("person", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("mutes_by_subject", "scope", "subject", "until"),
)

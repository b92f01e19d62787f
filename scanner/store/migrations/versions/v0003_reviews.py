"""The tables of the review console; incidents that are there already are queued."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    _create_tables()
    op.execute(
        sa.text(
            """
            INSERT INTO reviews (item_id, shard, kind, stream_id, channel, label, labels, category,
                severity, risk, rank, state, flagged_at, waiting_since, updated_at, claimed_until)
            SELECT incident_id, shard, 'incident', stream_id, channel, label,
                '["' || label || '"]', category, severity, peak,
                -(severity + CASE WHEN peak > 0.9999 THEN 0.9999 ELSE peak END),
                'waiting', opened_at, opened_at, updated_at, 0
            FROM incidents WHERE NOT shadow
            """
        )
    )


def _create_tables() -> None:
    op.create_table(
        "reviews",
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("severity", sa.Integer(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("rank", sa.Float(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("flagged_at", sa.Float(), nullable=False),
        sa.Column("waiting_since", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.Column("assigned_to", sa.Text(), nullable=True),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.Column("claimed_until", sa.Float(), nullable=False),
        sa.Column("returned", sa.Text(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("decided_severity", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("item_id"),
    )
    op.create_index("reviews_by_channel", "reviews", ["channel", "flagged_at"])
    op.create_index("reviews_by_rank", "reviews", ["state", "rank", "waiting_since", "item_id"])
    op.create_index("reviews_by_stream", "reviews", ["stream_id"])
    op.create_index("reviews_by_time", "reviews", ["flagged_at"])
    op.create_index("reviews_by_wait", "reviews", ["state", "waiting_since"])
    op.create_table(
        "decisions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reviewer", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=True),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("state_before", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("mute_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("decision_id"),
    )
    op.create_index("decisions_by_item", "decisions", ["item_id", "number"])
    op.create_index("decisions_by_time", "decisions", ["created_at"])
    op.create_index("decisions_by_undone", "decisions", ["undoes"])
    op.create_table(
        "decision_effects",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("number", "sink"),
    )
    op.create_index("decision_effects_by_item", "decision_effects", ["item_id"])
    op.create_index(
        "decision_effects_pending",
        "decision_effects",
        ["sink", "next_at"],
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "mutes",
        sa.Column("mute_id", sa.Text(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("mute_id"),
    )
    op.create_index("mutes_by_subject", "mutes", ["scope", "subject", "until"])

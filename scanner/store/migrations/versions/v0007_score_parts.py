"""Files of compacted scores, and the streams that each has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "streams", sa.Column("compacted", sa.Integer(), nullable=False, server_default="0")
    )
    op.create_index(
        "streams_uncompacted",
        "streams",
        ["stream_id"],
        unique=False,
        sqlite_where=sa.text("compacted < turn"),
        postgresql_where=sa.text("compacted < turn"),
    )
    op.create_table(
        "score_parts",
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("scores", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("part"),
    )
    op.create_index("score_parts_by_hour", "score_parts", ["hour"], unique=False)
    op.create_table(
        "score_part_streams",
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("turns", sa.Integer(), nullable=False),
        sa.Column("after_turn", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream_id", "part"),
    )
    op.create_index("score_part_streams_by_part", "score_part_streams", ["part"], unique=False)
    op.create_index(
        "score_part_streams_deleting",
        "score_part_streams",
        ["part"],
        unique=False,
        sqlite_where=sa.text("stage = 'deleting'"),
        postgresql_where=sa.text("stage = 'deleting'"),
    )

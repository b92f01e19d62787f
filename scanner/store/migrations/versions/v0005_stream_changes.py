"""Changes of streams that readers of events are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "stream_changes",
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("change"),
    )
    op.create_index(
        "stream_changes_unpublished",
        "stream_changes",
        ["change"],
        unique=False,
        sqlite_where=sa.text("published = 0"),
        postgresql_where=sa.text("NOT published"),
    )

"""When the quota of a receiver let an effect pass."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for table in ("effects", "decision_effects"):
        op.add_column(table, sa.Column("admitted_at", sa.Float(), nullable=True))
        op.create_index(
            f"{table}_admitted",
            table,
            ["sink", "admitted_at"],
            unique=False,
            sqlite_where=sa.text("admitted_at > 0"),
            postgresql_where=sa.text("admitted_at > 0"),
        )

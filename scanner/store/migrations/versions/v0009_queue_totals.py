"""An index that the totals of the queue are read from, in place of one of the waiting time."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNS = [
    "state",
    "category",
    "severity",
    "channel",
    "flagged_at",
    "waiting_since",
    "claimed_until",
    "updated_at",
]


def upgrade() -> None:
    op.create_index("reviews_totals", "reviews", COLUMNS, unique=False)
    op.drop_index("reviews_by_wait", "reviews")

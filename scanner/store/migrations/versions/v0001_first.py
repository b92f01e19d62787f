"""The tables of the first release with a service."""

from __future__ import annotations

from alembic import op
from sqlalchemy import insert

from scanner.store.schema import SHARDS, journal_facts, metadata, shards

revision = "0001"
down_revision = None


def upgrade() -> None:
    connection = op.get_bind()
    metadata.create_all(connection)
    connection.execute(insert(journal_facts), [{"name": "shards", "value": str(SHARDS)}])
    rows = [{"shard": shard, "generation": 0} for shard in range(SHARDS)]
    connection.execute(insert(shards), rows)

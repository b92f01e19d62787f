"""Entry point of alembic: runs the migrations on the connection that it is given."""

from __future__ import annotations

from alembic import context

import scanner.store.people_schema
import scanner.store.review_schema
import scanner.store.score_parts  # noqa: F401 - adds its tables
from scanner.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    transactional_ddl=True,
)
context.run_migrations()

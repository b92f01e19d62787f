"""Scripts of alembic; ``scanner.store.migrate`` runs them."""

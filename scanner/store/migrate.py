"""Migrations of the journal, by alembic."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Engine, inspect, text

from scanner.errors import SetupError

__all__ = ["HEAD", "check_version", "upgrade"]

HEAD: Final = "0009"
"""The revision that this release reads and writes."""


def upgrade(engine: Engine) -> None:
    """Apply all migrations that the database lacks; a new one gets all tables."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def check_version(engine: Engine) -> None:
    """Check that the database has this release's tables.

    Raises:
        SetupError: it has another version, or none.
    """
    with engine.connect() as connection:
        found = None
        if inspect(connection).has_table("alembic_version"):
            found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found != HEAD:
        raise SetupError(
            f"journal: version {found or 'none'}, this release reads {HEAD};"
            " start `streamwarden serve` of this release once to upgrade it"
        )

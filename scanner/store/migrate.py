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
    """Apply all migrations that the database lacks; a new one gets all tables.

    Raises:
        SetupError: it is of a newer release.
    """
    _refuse_newer(engine, _version(engine))
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
    found = _version(engine)
    _refuse_newer(engine, found)
    if found != HEAD:
        raise SetupError(
            f"{_place(engine)}: version {found or 'none'}, this release reads {HEAD};"
            " start `streamwarden serve` of this release once to upgrade it"
        )


def _version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(
            text("SELECT version_num FROM alembic_version")
        ).scalar()
    return found


def _refuse_newer(engine: Engine, found: str | None) -> None:
    """Refuse a database of a later release: migrations are numbered, and none goes back."""
    if found is not None and found > HEAD:
        raise SetupError(
            f"{_place(engine)}: version {found} is of a newer release, this one reads up to"
            f" {HEAD}; install the newer release again, or restore the backup that was made before"
            " the upgrade"
        )


def _place(engine: Engine) -> str:
    return engine.url.database or "journal"

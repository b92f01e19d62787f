"""A database that was migrated has the tables that this release reads and writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

import scanner.store.review_schema
import scanner.store.score_parts  # noqa: F401 - adds its tables
from scanner.errors import SetupError
from scanner.store.database import open_journal
from scanner.store.stream_changes import stream_changes


def test_the_migrations_make_the_tables_of_the_schema(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, create=True)
    with journal.engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection), stream_changes.metadata
        )
    journal.close()
    assert differences == []


def test_a_database_that_is_there_already_is_kept(tmp_path: Path) -> None:
    open_journal(tmp_path, create=True).close()
    journal = open_journal(tmp_path, create=True)
    assert journal.shard_count == 64
    journal.close()


@pytest.mark.parametrize("create", [False, True])
def test_a_database_of_a_newer_release_is_refused_with_what_to_do(
    tmp_path: Path, *, create: bool
) -> None:
    journal = open_journal(tmp_path, create=True)
    with journal.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    journal.close()
    with pytest.raises(
        SetupError, match=r"version 9999 is of a newer release.* restore the backup"
    ):
        open_journal(tmp_path, create=create)


def test_a_database_of_an_earlier_release_is_refused_until_the_service_upgrades_it(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path, create=True)
    with journal.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    journal.close()
    with pytest.raises(SetupError, match=r"version 0001.* start `streamwarden serve`"):
        open_journal(tmp_path)


def test_a_folder_without_a_journal_is_refused_unless_it_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="streamwarden serve"):
        open_journal(tmp_path)

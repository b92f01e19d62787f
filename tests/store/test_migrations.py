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


def test_a_database_of_another_release_is_refused(tmp_path: Path) -> None:
    journal = open_journal(tmp_path, create=True)
    with journal.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    journal.close()
    with pytest.raises(SetupError, match="version 9999"):
        open_journal(tmp_path)


def test_a_folder_without_a_journal_is_refused_unless_it_is_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="streamwarden serve"):
        open_journal(tmp_path)

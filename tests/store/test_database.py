"""Errors of the database are told apart by what a caller can do, and changes are seen."""

from __future__ import annotations

from contextlib import closing
from errno import EACCES
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from scanner.errors import SetupError
from scanner.store import database
from scanner.store.database import (
    Journal,
    JournalBusyError,
    JournalChanges,
    JournalFullError,
    open_journal,
)
from scanner.store.writes import beat


def write(journal: Journal) -> None:
    with journal.write() as connection:
        beat(connection, "test", 1, {}, now=0.0)


def test_a_commit_of_any_connection_is_seen_once(journal: Journal) -> None:
    with closing(JournalChanges(journal)) as changes:
        changes.seen()
        assert not changes.seen()
        write(journal)
        assert changes.seen()
        assert not changes.seen()


def test_a_lock_that_is_held_is_an_error_that_passes(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MILLISECONDS", 0)
    with (
        closing(open_journal(tmp_path / "data")) as impatient,
        journal.write(),
        pytest.raises(JournalBusyError),
    ):
        write(impatient)


def test_a_full_disk_is_an_error_that_passes_and_leaves_nothing(journal: Journal) -> None:
    def fill() -> None:
        with journal.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
            beat(connection, "test", 1, {"large": "x" * 1_000_000}, now=0.0)

    with pytest.raises(JournalFullError):
        fill()
    with journal.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1073741823")
    write(journal)


def test_a_mistake_stays_the_database_s_own_error(journal: Journal) -> None:
    with pytest.raises(DBAPIError), journal.write() as connection:
        connection.exec_driver_sql("SELECT nothing")


def test_a_folder_of_another_user_is_told_with_its_owner(tmp_path: Path) -> None:
    lock = tmp_path / "data" / "lock"
    message = f"{lock}: permission denied; run this as the user of the service, {tmp_path.owner()}"
    with pytest.raises(SetupError, match=message), database._explained_permissions(lock.parent):
        raise PermissionError(EACCES, "Permission denied", str(lock))


def test_transactions_share_a_connection_until_one_fails_and_close_ends_it(
    tmp_path: Path,
) -> None:
    journal = open_journal(tmp_path, create=True)
    used: list[object] = []
    for _ in range(2):
        with journal.write() as connection:
            used.append(connection)
    with pytest.raises(LookupError), journal.write():
        raise LookupError
    with journal.write() as connection:
        used.append(connection)

    assert used[0] is used[1] is not used[2]
    journal.close()
    assert connection.closed

"""Opening the journal's database.

SQLite is the default: one file, write-ahead log, ``synchronous=FULL``. Versions below 3.51.3 can
corrupt a database that two processes write to, and are refused. Another address, such as one of
PostgreSQL, is opened as it is.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import DBAPIError, OperationalError

from scanner.errors import SetupError, TransientError
from scanner.private import private_opener
from scanner.store.prepared import run_on_driver
from scanner.store.schema import journal_facts
from scanner.store.sqlite import OLDEST_SQLITE

__all__ = [
    "FILE_NAME",
    "LOCK_NAME",
    "Journal",
    "JournalBusyError",
    "JournalChanges",
    "JournalFullError",
    "lock_folder",
    "lock_holder",
    "open_journal",
]

BUSY_MILLISECONDS: Final = 30_000
"""Longest wait for the write transaction of another process."""
FILE_NAME: Final = "journal.sqlite3"
"""Name of the database in the data folder of the service."""
LOCK_NAME: Final = "lock"


class JournalBusyError(TransientError):
    """Another process holds the journal's lock for too long; nothing was written."""


class JournalFullError(TransientError):
    """The disk of the journal is full; nothing was written."""


class Journal:
    """A pool of connections to the journal; safe to use from several threads."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self._writer = engine.execution_options(write=True)
        self._idle_writers: list[Connection] = []
        self._joined = threading.local()
        self.now = clock
        """Returns the wall-clock time, in seconds since the epoch."""

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a write transaction, which commits unless an exception leaves the block; within
        ``transaction`` it is part of that one.

        Only one exists at a time on SQLite: others wait for it.

        Raises:
            JournalBusyError, JournalFullError: nothing was written.
        """
        if (joined := self._current()) is not None:
            yield joined
            return
        connection = self._take_writer()
        try:
            with connection.begin():
                yield connection
        except BaseException as error:
            connection.close()
            if isinstance(error, DBAPIError):
                _raise_transient(error)
            raise
        self._keep_writer(connection)

    def _take_writer(self) -> Connection:
        """Return the connection that wrote before, if it is free: it still has the pages that it
        read and wrote, and opening one costs as much as a short transaction."""
        try:
            return self._idle_writers.pop()
        except IndexError:
            with _passing_failures():
                return self._writer.connect()

    def _keep_writer(self, connection: Connection) -> None:
        if self._idle_writers:
            connection.close()
        else:
            self._idle_writers.append(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a write transaction that all reads and writes of this thread are part of until its
        end, so that several calls are one commit.

        Raises:
            JournalBusyError, JournalFullError: nothing was written.
        """
        with self.write() as connection, self._join(connection):
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads of this thread see one state, over one connection, until its end.

        Raises:
            JournalBusyError, JournalFullError: the journal cannot be read at present.
        """
        with self.read() as connection, self._join(connection):
            yield

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a read transaction, which sees one consistent state; within ``transaction`` it sees
        what that one wrote.

        Raises:
            JournalBusyError, JournalFullError: the journal cannot be read at present.
        """
        if (joined := self._current()) is not None:
            yield joined
            return
        with _passing_failures(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _join(self, connection: Connection) -> Iterator[None]:
        """Make what this thread reads and writes a part of a transaction."""
        before, self._joined.connection = self._current(), connection
        try:
            yield
        finally:
            self._joined.connection = before

    def _current(self) -> Connection | None:
        """Return the connection of the transaction that this thread is in, if any."""
        found: Connection | None = getattr(self._joined, "connection", None)
        return found

    @property
    def shard_count(self) -> int:
        """The number of shards, fixed when the database was created."""
        with self.read() as connection:
            row = select(journal_facts.c.value).where(journal_facts.c.name == "shards")
            return int(connection.execute(row).scalar_one())

    def close(self) -> None:
        """Close all connections that are not in use."""
        while self._idle_writers:
            self._idle_writers.pop().close()
        self.engine.dispose()


class JournalChanges:
    """Tells cheaply whether another connection has committed, over a connection of its own; belongs
    to one thread."""

    def __init__(self, journal: Journal) -> None:
        self._connection = journal.engine.raw_connection()
        self._is_sqlite = journal.engine.dialect.name == "sqlite"
        self._version: int | None = None

    def seen(self) -> bool:
        """Return whether something may have changed since the last call."""
        if not self._is_sqlite:
            return True
        with _passing_failures(), closing(self._connection.cursor()) as cursor:
            cursor.execute("PRAGMA data_version")
            (version,) = cursor.fetchone() or (None,)
        before, self._version = self._version, version
        return version != before

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


@contextmanager
def _passing_failures() -> Iterator[None]:
    """Raise those of the database's errors that time resolves as ours."""
    try:
        yield
    except DBAPIError as error:
        _raise_transient(error)
        raise


def _raise_transient(error: DBAPIError) -> None:
    """Raise an error of the database as ours, if time resolves it."""
    name = getattr(error.orig, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        raise JournalBusyError(f"journal: {error.orig}") from error
    if name == "SQLITE_FULL":
        raise JournalFullError(f"journal: {error.orig}") from error


@contextmanager
def lock_folder(data: Path) -> Iterator[None]:
    """Hold the lock of a data folder, which the service and those who replace it take.

    Raises:
        SetupError: another process holds it, or the folder belongs to another user.
    """
    with _explained_permissions(data), open(data / LOCK_NAME, "a+", opener=private_opener) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SetupError(
                f"{data}: another `streamwarden serve` uses this folder;"
                " stop it, or name another folder with --data"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def lock_holder(data: Path) -> int | None:
    """Return the process that holds the lock of a data folder; None if none does.

    Raises:
        SetupError: the folder belongs to another user.
    """
    try:
        with _explained_permissions(data), (data / LOCK_NAME).open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    except (FileNotFoundError, ValueError):
        pass
    return None


def open_journal(
    place: Path | str, *, create: bool = False, clock: Callable[[], float] = time.time
) -> Journal:
    """Open the journal in a data folder, or at the address of a database.

    ``create`` makes a missing database and applies the migrations that are due; without it the
    database must have this release's version.

    Raises:
        SetupError: there is no database, it cannot be opened, or it has another version.
    """
    engine = _sqlite(place, create=create) if isinstance(place, Path) else _engine_at(place)
    from scanner.store.migrate import check_version, upgrade

    try:
        if create:
            upgrade(engine)
        check_version(engine)
    except OperationalError as error:
        engine.dispose()
        raise SetupError(f"journal {place}: cannot be opened: {error.orig}") from error
    return Journal(engine, clock=clock)


def _sqlite(folder: Path, *, create: bool) -> Engine:
    from pysqlite3 import dbapi2

    if dbapi2.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise SetupError(
            f"SQLite {dbapi2.sqlite_version} can corrupt the journal, {wanted} or newer is wanted;"
            " upgrade the package pysqlite3"
        )
    file = folder / FILE_NAME
    with _explained_permissions(folder):
        if not create and not file.exists():
            raise SetupError(
                f"{folder}: no {FILE_NAME}; name the settings of the service with --config, or"
                " start `streamwarden serve`, which makes it"
            )
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(private_opener(str(file), os.O_RDWR | os.O_CREAT))  # SQLite's own follow it
    engine = create_engine(
        URL.create("sqlite", database=str(file)),
        module=dbapi2,
        pool_size=8,
        max_overflow=8,
        pool_use_lifo=True,  # the latest has the most pages in memory
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def _explained_permissions(folder: Path) -> Iterator[None]:
    """Raise an error that names the owner where a folder or its files are not this user's."""
    try:
        yield
    except PermissionError as error:
        place = Path(error.filename or folder)
        raise SetupError(
            f"{place}: permission denied; run this as the user of the service,"
            f" {_owner(place)} (`sudo -u`), or let the folder belong to this user"
        ) from error


def _owner(place: Path) -> str:
    """Return the name of the user to whom a file, or the first folder above it that can be looked
    at, belongs."""
    for path in (place, *place.parents):
        with suppress(OSError, KeyError):
            return path.owner()
    return "root"


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin in _begin_sqlite
    for pragma in (
        f"busy_timeout={BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "mmap_size=0",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin a transaction; one that writes takes the lock at its start, so that it never fails
    halfway because another one was faster."""
    write = connection.get_execution_options().get("write", False)
    run_on_driver(connection, "BEGIN IMMEDIATE" if write else "BEGIN")


def _engine_at(address: str) -> Engine:
    return create_engine(make_url(address), pool_size=8, max_overflow=8)

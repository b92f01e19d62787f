"""The SQLite that the journal uses, which is not that of Python's standard library."""

from __future__ import annotations

from typing import Final

__all__ = ["OLDEST_SQLITE", "sqlite_version"]

OLDEST_SQLITE: Final = (3, 51, 3)
"""Older versions can corrupt a database in WAL mode to which several processes write
(https://www.sqlite.org/wal.html, "The WAL-reset bug")."""


def sqlite_version() -> tuple[int, ...] | None:
    """Return the version of the installed package's SQLite; None if there is none."""
    try:
        from pysqlite3 import dbapi2
    except ImportError:
        return None
    version: tuple[int, ...] = dbapi2.sqlite_version_info
    return version

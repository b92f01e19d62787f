"""The folder of a report and its evidence: one scan at a time, and nothing is overwritten.

the folder                       what is done
is new, or has other files       used
has an earlier report            the report, its clips and sheets are moved to ``earlier-1``,
                                 ``earlier-2``, ... in the folder
is locked by a running scan      refused
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from scanner.errors import SetupError
from scanner.private import make_folder

__all__ = ["open_folder"]

DOCUMENT: Final = "report.json"
LEFT: Final = (DOCUMENT, "report.html", "clips", "sheets")
"""Names of the files and folders that a scan leaves in its folder."""
MARK: Final = '"schema": "streamwarden-report/'
MARKED: Final = 200
"""Characters at the beginning of a report in which its schema is named."""


@contextmanager
def open_folder(folder: Path) -> Iterator[Path | None]:
    """Make the folder, lock it until the block ends, and yield where an earlier report was moved
    to; None if there was none.

    Raises:
        SetupError: the folder cannot be made or written to, or another scan is writing to it.
    """
    with _writable(folder) as descriptor:
        _lock(folder, descriptor)
        try:
            earlier = _move_report(folder)
        except OSError as error:
            raise _not_writable(folder, error) from error
        yield earlier


@contextmanager
def _writable(folder: Path) -> Iterator[int]:
    try:
        make_folder(folder)
        with TemporaryFile(dir=folder):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _not_writable(folder, error) from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _not_writable(folder: Path, error: OSError) -> SetupError:
    return SetupError(f"{folder}: cannot be written to: {error.strerror}; name another folder")


def _lock(folder: Path, descriptor: int) -> None:
    """Lock the folder itself, so that no file is left behind; a file system without locks of
    folders is used without one."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise SetupError(
                f"{folder}: another scan is writing to this folder; name another one, or wait"
            ) from error


def _move_report(folder: Path) -> Path | None:
    if not _is_report(folder / DOCUMENT):
        return None
    target = next(
        path for number in count(1) if not (path := folder / f"earlier-{number}").exists()
    )
    make_folder(target)
    for path in (folder / name for name in LEFT):
        if path.exists():
            path.rename(target / path.name)
    return target


def _is_report(path: Path) -> bool:
    """Return whether a file is a report of ours, and not another file of the same name."""
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return MARK in file.read(MARKED)

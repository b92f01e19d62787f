"""The traces of a cluster, a folder and processes, and how they are removed, if need be by whoever
comes next."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["MARK", "end_marked", "private_folder", "sweep"]

MARK = "STREAMWARDEN_CLUSTER"
"""In the environment of every process that a cluster of ours started, and of theirs: the folder of
that cluster."""

PREFIX, LOCK = "sw-", "lock"
"""Of our folders' names, and the file in each that its process holds."""

LONGEST_FOLDER = 16
"""Characters, of the folder in which ours is made; Ray puts sockets some 75 characters deeper, and
a socket's path ends at 107."""

GONE_SECONDS = 5.0
"""How long processes that were ended may take to vanish."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for us alone (0700), locked while we live and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_home()))
    with open(folder / f"{LOCK}.new", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (folder / f"{LOCK}.new").rename(folder / LOCK)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """End what is left of clusters whose own process was killed and could not do it: agents of Ray,
    and folders."""
    for lock in _home().glob(f"{PREFIX}*/{LOCK}"):
        folder = lock.parent
        if folder.lstat().st_uid == os.getuid() and _abandoned(lock):
            end_marked(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _abandoned(lock: Path) -> bool:
    """Nobody holds it: the kernel lets it go with the process that did."""
    try:
        with open(lock) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def end_marked(folder: Path) -> None:
    """End whatever a cluster left behind: its agents, workers, and their children."""
    deadline = time.monotonic() + GONE_SECONDS
    while (left := _marked(folder)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _marked(folder: Path) -> list[int]:
    entry = f"{MARK}={folder}".encode()
    return [pid for pid in _processes() if entry in _environ(pid).split(b"\0")]


def _processes() -> list[int]:
    proc = Path("/proc")
    return (
        [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
        if proc.is_dir()
        else []
    )


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # gone, or another user's
        return b""


def _home() -> Path:
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= LONGEST_FOLDER else "/tmp")

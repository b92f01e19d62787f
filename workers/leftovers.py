"""The folder and the processes of a cluster, and their removal: at its end, or at the start of the
next cluster if its own process was killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

__all__ = [
    "CLUSTER_VARIABLE",
    "end_processes",
    "private_folder",
    "processes_named",
    "remove_leftovers",
]

CLUSTER_VARIABLE = "STREAMWARDEN_CLUSTER"
"""Environment variable of all processes of a cluster, with the cluster's folder."""

PREFIX = "sw-"
"""Prefix of the names of clusters' folders."""
LOCK = "lock"
"""File in each folder on which the cluster's own process has a lock."""

LONGEST_FOLDER = 16
"""Most characters of the folder that contains a cluster's folder: Ray adds about 75 characters to
the path of a socket, which may have 107."""

_MARK_BYTES = 4096

END_SECONDS = 5.0
"""Seconds that processes may take to end after SIGKILL."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new private folder (0700), locked by this process and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent_folder()))
    with open(folder / f"{LOCK}.new", "wb") as file:
        file.write(_mark(folder))
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        (folder / f"{LOCK}.new").rename(folder / LOCK)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers() -> None:
    """Remove processes and folders of clusters whose own process was killed.

    Only what is provably ours is touched: a folder of this user with a lock that we wrote, which no
    process holds. The folder is locked while it is removed, and may vanish at any time.
    """
    for lock in _parent_folder().glob(f"{PREFIX}*/{LOCK}"):
        with _lock_abandoned(lock) as folder:
            if folder is not None:
                end_processes(folder)
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock_abandoned(lock: Path) -> Iterator[Path | None]:
    """Lock a folder that no process has locked, for the block; give None for any other.

    The kernel releases a lock when its process ends.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:  # it has vanished, or is not ours
        yield None
        return
    with open(descriptor, "rb") as file:
        yield lock.parent if _is_ours(lock, file) and _try_lock(file) else None


def _is_ours(lock: Path, file: BinaryIO) -> bool:
    """Return whether the folder is a private one of this user, with a lock that names it."""
    try:
        folder, held = lock.parent.lstat(), os.fstat(file.fileno())
        is_private = stat.S_ISDIR(folder.st_mode) and not folder.st_mode & 0o077
        owners = {folder.st_uid, held.st_uid}
        is_mark = stat.S_ISREG(held.st_mode) and file.read(_MARK_BYTES) == _mark(lock.parent)
    except OSError:
        return False
    return is_private and is_mark and owners == {os.getuid()}


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _mark(folder: Path) -> bytes:
    """Return the content of the lock of a folder."""
    return f"streamwarden cluster in {folder}\n".encode()


def end_processes(folder: Path) -> None:
    """End all processes of the cluster with this folder: agents, workers and their children.

    A process that is just starting its program has no environment yet, so a second look must find
    nothing either.
    """
    deadline = time.monotonic() + END_SECONDS
    empty_looks = 0
    while empty_looks < 2 and time.monotonic() < deadline:
        left = _processes_of(folder)
        empty_looks = 0 if left else empty_looks + 1
        for pid in left:
            with suppress(OSError):
                _kill(pid, folder)
        time.sleep(0.02)


def _kill(pid: int, folder: Path) -> None:
    """Kill a process, and no other that has got its number meanwhile."""
    if not hasattr(os, "pidfd_open"):
        os.kill(pid, signal.SIGKILL)
        return
    descriptor = os.pidfd_open(pid)
    try:
        if _is_of(pid, folder):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)


def processes_named(folder: Path, names: Collection[str]) -> dict[int, str]:
    """Return the processes of the cluster with this folder that have one of these names, by id."""
    found = ((pid, _name(pid)) for pid in _processes_of(folder))
    return {pid: name for pid, name in found if name in names}


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _processes_of(folder: Path) -> list[int]:
    return [pid for pid in _all_processes() if _is_of(pid, folder)]


def _is_of(pid: int, folder: Path) -> bool:
    """Return whether a process of this user was started for the cluster with this folder."""
    entry = f"{CLUSTER_VARIABLE}={folder}".encode()
    try:
        process = Path(f"/proc/{pid}")
        is_own = process.stat().st_uid == os.getuid()
        return is_own and entry in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # ended, or of another user
        return False


def _all_processes() -> list[int]:
    proc = Path("/proc")
    return (
        [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
        if proc.is_dir()
        else []
    )


def _parent_folder() -> Path:
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= LONGEST_FOLDER else "/tmp")

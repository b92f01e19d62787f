"""The folder and the processes of a cluster, and their removal: at its end, or at the start of the
next cluster if its own process was killed."""

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

__all__ = ["CLUSTER_VARIABLE", "end_processes", "private_folder", "remove_leftovers"]

CLUSTER_VARIABLE = "STREAMWARDEN_CLUSTER"
"""Environment variable of all processes of a cluster, with the cluster's folder."""

PREFIX = "sw-"
"""Prefix of the names of clusters' folders."""
LOCK = "lock"
"""File in each folder on which the cluster's own process has a lock."""

LONGEST_FOLDER = 16
"""Most characters of the folder that contains a cluster's folder: Ray adds about 75 characters to
the path of a socket, which may have 107."""

END_SECONDS = 5.0
"""Seconds that processes may take to end after SIGKILL."""


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a new private folder (0700), locked by this process and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_parent_folder()))
    with open(folder / f"{LOCK}.new", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (folder / f"{LOCK}.new").rename(folder / LOCK)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers() -> None:
    """Remove processes and folders of clusters whose own process was killed."""
    for lock in _parent_folder().glob(f"{PREFIX}*/{LOCK}"):
        folder = lock.parent
        if folder.lstat().st_uid == os.getuid() and _is_abandoned(lock):
            end_processes(folder)
            shutil.rmtree(folder, ignore_errors=True)


def _is_abandoned(lock: Path) -> bool:
    """Return whether no process has the lock: the kernel releases it when its process ends."""
    try:
        with open(lock) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def end_processes(folder: Path) -> None:
    """End all processes of the cluster with this folder: agents, workers and their children."""
    deadline = time.monotonic() + END_SECONDS
    while (left := _processes_of(folder)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _processes_of(folder: Path) -> list[int]:
    entry = f"{CLUSTER_VARIABLE}={folder}".encode()
    return [pid for pid in _all_processes() if entry in _environ(pid).split(b"\0")]


def _all_processes() -> list[int]:
    proc = Path("/proc")
    return (
        [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]
        if proc.is_dir()
        else []
    )


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # ended, or of another user
        return b""


def _parent_folder() -> Path:
    usual = tempfile.gettempdir()
    return Path(usual if len(usual) <= LONGEST_FOLDER else "/tmp")

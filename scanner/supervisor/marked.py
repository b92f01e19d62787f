"""Processes that carry a mark in their environment, which all of their descendants inherit.

A mark finds what a killed process left behind, wherever it was moved to in the process tree.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["end_marked", "marked_processes"]

END_SECONDS: Final = 5.0
"""Seconds that processes may take to end after SIGKILL."""


def marked_processes(name: str, value: str) -> list[int]:
    """Return the ids of the processes of this machine whose environment began with this variable;
    this process is never among them."""
    entry = f"{name}={value}".encode()
    return [
        pid
        for pid in _all_processes()
        if pid != os.getpid() and entry in _environ(pid).split(b"\0")
    ]


def end_marked(name: str, value: str) -> int:
    """Kill all processes with this mark; return how many there were at first."""
    deadline = time.monotonic() + END_SECONDS
    left = found = marked_processes(name, value)
    while left and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
        left = [pid for pid in marked_processes(name, value) if not _is_zombie(pid)]
    return len(found)


def _all_processes() -> list[int]:
    proc = Path("/proc")
    if not proc.is_dir():
        return []
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # ended, or of another user
        return b""


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True

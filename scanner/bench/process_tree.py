"""Processor time of this process and all its descendants, as the kernel accounts for it.

Living processes (sandboxed children, workers, daemons) count directly, ended ones through their
parent.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from scanner.sandbox.watch import process_seconds

__all__ = ["children_seconds", "cpu_seconds", "descendants"]

_PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PARENT, _REAPED = 1, slice(13, 15)
"""Fields of ``/proc/PID/stat``, counted from the state on: the parent's id, and the time of ended
children (``proc(5)``)."""


def cpu_seconds(processes: Iterator[int] | None = None) -> float:
    """Return the user and system time so far of this process and of ``processes``, by default all
    its descendants.

    Use differences of two calls: processes that existed before count with all their time.
    """
    return children_seconds(processes) + time.process_time()


def children_seconds(processes: Iterator[int] | None = None) -> float:
    """Return the same without this process, which looking through all processes takes some ms
    of."""
    living = sum(
        _process_seconds(pid) for pid in (descendants() if processes is None else processes)
    )
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    return living + reaped.ru_utime + reaped.ru_stime


def descendants(root: int | None = None) -> Iterator[int]:
    """Return the ids of all descendants of this process, or of ``root``, parents first."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat_fields(int(entry.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    found = [os.getpid() if root is None else root]
    for pid in found:
        found += children.get(pid, ())
    yield from found[1:]


def _process_seconds(pid: int) -> float:
    own = process_seconds(pid)
    if own is None:  # it ended just now
        return 0.0
    return own + sum(int(ticks) for ticks in _stat_fields(pid)[_REAPED]) * _TICK


def _stat_fields(pid: int) -> list[str]:
    """Return the fields after the name, which may contain any character; empty for a process that
    has ended."""
    try:
        return (
            (_PROC / str(pid) / "stat")
            .read_text("utf-8", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return []

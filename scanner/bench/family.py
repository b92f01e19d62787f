"""Processor time of this process and all below it, from the kernel's own books.

What a sandboxed child, a worker or a daemon used counts while it lives, and with its parent once it
ended.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cpu_seconds", "descendants"]

_PROC = Path("/proc")
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_PARENT, _REAPED = 1, slice(13, 15)
"""Places in ``/proc/PID/stat``, counted from the state on: the parent's id, and what ended children
used (``proc(5)``)."""
_CPUCLOCK_SCHED = 2
"""The kind of clock that counts what a process and its threads used, to the nanosecond (Linux,
``posix-timers_types.h``)."""


def cpu_seconds(processes: Iterator[int] | None = None) -> float:
    """User and system time so far of this process and of ``processes``, which are all below it
    where they are not given.

    A clock to take differences of: processes that were there before count in full.
    """
    others = sum(_used(pid) for pid in (descendants() if processes is None else processes))
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    return others + reaped.ru_utime + reaped.ru_stime + time.process_time()


def descendants(of: int | None = None) -> Iterator[int]:
    """The ids of all processes below this one, or below another, parents first."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[_PARENT]), []).append(int(entry.name))
    found = [os.getpid() if of is None else of]
    for pid in found:
        found += children.get(pid, ())
    yield from found[1:]


def _used(pid: int) -> float:
    try:
        own = time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:  # it ended just now
        return 0.0
    return own + sum(int(ticks) for ticks in _stat(pid)[_REAPED]) * _TICK


def _stat(pid: int) -> list[str]:
    """Fields after the name, which may hold anything; empty for a process that is gone."""
    try:
        return (
            (_PROC / str(pid) / "stat")
            .read_text("utf-8", errors="replace")
            .rpartition(")")[2]
            .split()
        )
    except OSError:
        return []

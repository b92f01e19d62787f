"""Processes that tests start and look for: they may end at any moment while they are looked at."""

from __future__ import annotations

import psutil


def processes_below(pid: int | None = None) -> dict[psutil.Process, list[str]]:
    """Return the processes below ``pid``, this one by default, with the arguments of each.

    A process that ended meanwhile, a zombie too, and a kernel thread are left out.
    """
    found = {}
    for process in psutil.Process(pid).children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.NoSuchProcess:  # a zombie too: psutil derives that error from this one
            continue
        if command:
            found[process] = command
    return found


def parent_of(process: psutil.Process) -> int | None:
    """Return the parent of a process, ``None`` of one that has ended."""
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None

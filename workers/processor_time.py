"""Processor time of a process and of everything below it, by kind, as the kernel counts it."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["processor_seconds"]

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


def processor_seconds(pid: int) -> dict[str, float]:
    """Return the seconds that living processes have used: ``driver`` is ``pid`` itself,
    ``workers`` are Ray actors, ``decoders`` are sandboxed processes, ``ray`` is the rest.

    Processes that ended do not count any more, so the figures may fall.
    """
    parents: dict[int, list[int]] = defaultdict(list)
    used: dict[int, float] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                # The name, in brackets, may have any characters
                fields = (entry / "stat").read_text("ascii", "replace").rpartition(")")[2].split()
                parents[int(fields[1])].append(int(entry.name))
                used[int(entry.name)] = (int(fields[11]) + int(fields[12])) / _TICKS
    totals = {"driver": used.get(pid, 0.0)}
    below = [*parents[pid]]
    while below:
        one = below.pop()
        below += parents[one]
        kind = _kind_of(one)
        totals[kind] = totals.get(kind, 0.0) + used.get(one, 0.0)
    return totals


def _kind_of(pid: int) -> str:
    with suppress(OSError):
        command = (_PROC / str(pid) / "cmdline").read_bytes()
        if command.startswith(b"ray::"):
            return "workers"
        if b"scanner.sandbox" in command:
            return "decoders"
    return "ray"

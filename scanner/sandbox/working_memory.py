"""What all children of this process hold while they work, whichever sandbox they belong to.

A scan and its evidence have a child at work each, in threads of their own. Each is limited by
itself; both together would take twice the memory. So the evidence gives way (``GiveWay``): it ends
its own task while another child needs much, and does it again later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from scanner.sandbox.watch import process_bytes

__all__ = ["WORKING_MEMORY", "GiveWay", "WorkingMemory"]

MOST_TOGETHER: Final = 128 << 20
"""Bytes of several children at work together; one alone may take what its own limit allows."""
MOST_BESIDE: Final = 60 << 20
"""Bytes of the others at most when a task begins that gives way."""


class WorkingMemory:
    """The children at work. Any thread may use it."""

    def __init__(self, measure: Callable[[int], int] = process_bytes) -> None:
        self._measure = measure
        self._before: dict[int, int] = {}
        """Bytes of each child before its first task, which it shares with its zygote."""

    @contextmanager
    def working(self, pid: int, *, before: int) -> Iterator[None]:
        """Count a child until the block ends; ``before`` are its bytes before its first task."""
        self._before[pid] = before
        try:
            yield
        finally:
            del self._before[pid]

    @property
    def has_room(self) -> bool:
        """Whether a task may begin that gives way to those at work."""
        return self._bytes() <= MOST_BESIDE

    @property
    def is_crowded(self) -> bool:
        """Whether several children at work hold too much together."""
        return len(self._before) > 1 and self._bytes() > MOST_TOGETHER

    def _bytes(self) -> int:
        children = list(self._before.items())
        return sum(max(0, self._measure(pid) - before) for pid, before in children)


class GiveWay:
    """Tells a task that gives way to end, and remembers that it did."""

    def __init__(self, memory: WorkingMemory) -> None:
        self._memory = memory
        self.happened = False

    def __call__(self) -> bool:
        """Return whether the task is to end."""
        self.happened = self.happened or self._memory.is_crowded
        return self.happened


WORKING_MEMORY: Final = WorkingMemory()
"""That of this process."""

"""What all children of this process hold while they work, whichever sandbox they belong to.

A scan and its evidence have a child at work each, in threads of their own. Each is limited by
itself; both together would take twice the memory. So the evidence gives way (``GiveWay``): it ends
its own task while another child needs much, and does it again later. A child asks before it
decodes large pictures (``scanner.media.large``), because memory grows faster than it is measured.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from scanner.sandbox.watch import process_bytes

__all__ = ["WORKING_MEMORY", "GiveWay", "WorkingMemory"]

MOST_TOGETHER: Final = 128 << 20
"""Bytes of several children at work together; one alone may take what its own limit allows."""
MOST_BESIDE: Final = 60 << 20
"""Bytes of the others at most when a task begins that gives way."""

CLAIM_SECONDS: Final = 2.0
"""Longest wait for children that give way; they look every few milliseconds."""


class WorkingMemory:
    """The children at work. Any thread may use it."""

    def __init__(
        self,
        measure: Callable[[int], int] = process_bytes,
        *,
        claim_seconds: float = CLAIM_SECONDS,
    ) -> None:
        self._measure = measure
        self._claim_seconds = claim_seconds
        self._changed = threading.Condition()
        self._before: dict[int, int] = {}
        """Bytes of each child before its first task, which it shares with its zygote."""
        self._giving_way: set[int] = set()
        self._large: set[int] = set()
        """Children that decode large pictures and do not give way."""

    @contextmanager
    def working(self, pid: int, *, before: int, gives_way: bool = False) -> Iterator[None]:
        """Count a child until the block ends; ``before`` are its bytes before its first task."""
        with self._changed:
            self._before[pid] = before
            if gives_way:
                self._giving_way.add(pid)
        try:
            yield
        finally:
            with self._changed:
                del self._before[pid]
                self._giving_way.discard(pid)
                self._large.discard(pid)
                self._changed.notify_all()

    def claim(self, pid: int) -> None:
        """Announce that a child at work takes much memory from now on, and wait until those that
        give way have done so; only for a while, because one of them may hang."""
        with self._changed:
            if pid in self._giving_way:
                return
            self._large.add(pid)
            self._changed.wait_for(lambda: not self._giving_way, timeout=self._claim_seconds)
        release_memory()

    @property
    def has_room(self) -> bool:
        """Whether a task may begin that gives way to those at work."""
        return not self._large and self._bytes() <= MOST_BESIDE

    @property
    def is_crowded(self) -> bool:
        """Whether several children at work hold, or are about to hold, too much together."""
        if len(self._before) < 2:
            return False
        return bool(self._large) or self._bytes() > MOST_TOGETHER

    def _bytes(self) -> int:
        with self._changed:
            children = list(self._before.items())
        return sum(max(0, self._measure(pid) - before) for pid, before in children)


def release_memory() -> None:
    """Give back to the system what this process has freed: glibc would keep it."""
    with suppress(AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)


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

"""The limits that a parent enforces while it waits for its child, which may have switched off its
own."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scanner.errors import DecoderDiedError, LimitError
from scanner.sandbox.channel import LOOK_SECONDS
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.protocol import TaskCall

__all__ = ["CallWatch", "SourceBudget", "process_bytes", "process_seconds"]

_GRACE: Final = 1.0
"""Seconds of processor time in which the child's own timer may end it first."""
_MAX_ANSWER_BYTES: Final = 256 << 20
"""Bytes of all answers about one source, without images. A sample takes some 50 of them."""
_PAGE: Final = resource.getpagesize()
_CPUCLOCK_SCHED: Final = 2
"""The clock that counts the processor time of a process and its threads in nanoseconds (Linux,
``posix-timers_types.h``)."""


def process_seconds(pid: int) -> float | None:
    """Return the user and system time of a living process so far; None if it has ended."""
    try:
        return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return None


def process_bytes(pid: int) -> int:
    """Return the memory of a living process that is not part of a file, in bytes, shared pages
    included; 0 if it has ended."""
    try:
        _, resident, of_files, *_ = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(of_files)) * _PAGE


class SourceBudget:
    """The time that is left for one source in all, however often it is tried, or for a task."""

    def __init__(
        self,
        seconds: float,
        limit: str | None = None,
        *,
        is_ended: Callable[[], bool] = lambda: False,
        look_seconds: float = LOOK_SECONDS,
        gives_way: bool = False,
    ) -> None:
        """Allow this many seconds; ``limit`` describes them in the error, and the budget is spent
        too once ``is_ended`` says so, which is asked every ``look_seconds`` while an answer is
        waited for. ``gives_way`` says that it does so where others need the memory."""
        self._limit = limit or f"{seconds:g} s for one source"
        self._is_ended = is_ended
        self.look_seconds = look_seconds
        self.gives_way = gives_way
        self._seconds = seconds
        self._bytes = _MAX_ANSWER_BYTES

    @property
    def seconds(self) -> float:
        """Seconds that may still be waited for answers."""
        return self._seconds

    def spend(self, name: str, *, seconds: float, size: int = 0) -> None:
        """Take off what an answer about the source ``name`` has cost.

        Raises:
            LimitError: ``limit_time`` or ``limit_bytes``: nothing is left.
        """
        self._seconds -= seconds
        self._bytes -= size
        if self._seconds <= 0:
            raise LimitError(f"{name}: decoding takes more than {self._limit}", kind="limit_time")
        if self._bytes <= 0:
            raise LimitError(
                f"{name}: more than {_MAX_ANSWER_BYTES} bytes of answers for one source",
                kind="limit_bytes",
            )

    def check(self, name: str) -> None:
        """Check that something is left, and that the budget was not ended from outside.

        Raises:
            LimitError: ``limit_time``.
        """
        if self._seconds <= 0 or self._is_ended():
            raise LimitError(f"{name}: decoding was ended", kind="limit_time")


class CallWatch:
    """Watches the time of one call: that of each answer, and that of its source in all."""

    def __init__(
        self, call: TaskCall, limits: SandboxLimits, budget: SourceBudget, pid: int
    ) -> None:
        self._call = call
        self._limits = limits
        self._budget = budget
        self._pid = pid
        self._begun = time.monotonic()
        self._used = process_seconds(pid) or 0.0

    @property
    def look_seconds(self) -> float:
        """Seconds between two checks while an answer is waited for."""
        return self._budget.look_seconds

    def start_waiting(self) -> float:
        """Begin to wait for an answer and return how long, in seconds."""
        self._begun = time.monotonic()
        return min(self.wall_seconds, self._budget.seconds)

    def check(self) -> None:
        """Check the budget, and the processor time since the last answer.

        Raises:
            LimitError: the budget was ended.
            DecoderDiedError: ``limit_cpu``.
        """
        self._budget.check(self._call.name)
        used = process_seconds(self._pid)
        if used is not None and used - self._used > self._cpu_seconds + _GRACE:
            raise self.processor_error()

    def stop_waiting(self, size: int = 0) -> None:
        """Take in that an answer of ``size`` bytes came, or none in time.

        Raises:
            LimitError: the budget of the source is spent.
        """
        self._used = process_seconds(self._pid) or 0.0
        waited = time.monotonic() - self._begun
        self._budget.spend(self._call.name, seconds=waited, size=size)

    def processor_error(self) -> DecoderDiedError:
        """Return the error for too much processor time."""
        subject = "file" if self._call.writes else "window"
        return DecoderDiedError(
            f"{self._call.name}: decoder used more than {self._cpu_seconds:g} s "
            f"of processor time for one {subject}",
            kind="limit_cpu",
        )

    def timeout_error(self) -> DecoderDiedError:
        """Return the error for an answer that did not come in time."""
        return DecoderDiedError(
            f"{self._call.name}: decoder sent nothing for {self.wall_seconds:g} s",
            kind="limit_time",
        )

    @property
    def wall_seconds(self) -> float:
        """Longest wait for one answer."""
        limits = self._limits
        return limits.write_wall_seconds if self._call.writes else limits.wall_seconds

    @property
    def _cpu_seconds(self) -> float:
        limits = self._limits
        return limits.write_cpu_seconds if self._call.writes else limits.cpu_seconds

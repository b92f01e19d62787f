"""Liveness reports: a process reports once a second that its loop makes progress.

The supervisor reads them from shared memory, so that neither a locked journal nor a full disk makes
a healthy process look as if it hung.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Final

from scanner.background import background_thread

__all__ = ["LivenessBoard", "LoopPulse", "inherited_descriptor", "reporting_liveness"]

VARIABLE: Final = "STREAMWARDEN_SERVICE_LIVENESS"
"""Environment variable with the descriptor of the memory of a process."""
REPORT_SECONDS: Final = 1.0
LOOP_SECONDS: Final = 60.0
"""Longest turn of a loop, which waits for the journal's lock for 30 s at most."""
BYTES: Final = 8


class LoopPulse:
    """When the loop of a process last made progress: without it nothing is reported, and the
    supervisor ends the process."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._at = monotonic()

    def beat(self) -> None:
        """Note that the loop turns."""
        self._at = self._monotonic()

    @property
    def is_fresh(self) -> bool:
        """Whether the loop turned lately."""
        return self._monotonic() - self._at < LOOP_SECONDS


class LivenessBoard:
    """The shared memory with the latest report of each process, as the supervisor reads it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._descriptors = {name: os.memfd_create(f"liveness-{name}") for name in names}

    def descriptor(self, name: str) -> int | None:
        """Return the descriptor to pass on to a process; None for one that reports nothing."""
        return self._descriptors.get(name)

    def latest(self) -> dict[str, int]:
        """Return the latest report of each process that ever made one: numbers that change."""
        found = {name: os.pread(number, BYTES, 0) for name, number in self._descriptors.items()}
        return {name: int.from_bytes(report) for name, report in found.items() if report}

    def close(self) -> None:
        """Free the memory."""
        for number in self._descriptors.values():
            os.close(number)


def inherited_descriptor(environ: MutableMapping[str, str]) -> int | None:
    """Return the descriptor that the supervisor passed on, and hide it from processes below; None
    if this process was started by something else."""
    value = environ.pop(VARIABLE, None)
    if value is None:
        return None
    os.set_inheritable(int(value), False)
    return int(value)


@contextmanager
def reporting_liveness(pulse: LoopPulse, descriptor: int | None) -> Iterator[None]:
    """Report liveness from a thread, while the loop makes progress and until the block ends."""

    def work(over: threading.Event) -> None:
        while not over.wait(REPORT_SECONDS):
            if pulse.is_fresh and descriptor is not None:
                os.pwrite(descriptor, time.monotonic_ns().to_bytes(BYTES), 0)

    with background_thread(work, name="streamwarden-liveness"):
        yield

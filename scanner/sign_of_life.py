"""Signs of life: a process shows once a second that its loop turns, and the supervisor sees it.

They go through memory that both processes have, so that neither a locked journal nor a full disk
makes a process that is well look as if it hung.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Final

__all__ = ["LoopPulse", "SignBoard", "inherited_sign", "showing_life"]

VARIABLE: Final = "STREAMWARDEN_SERVICE_SIGN"
"""Environment variable with the descriptor of the memory of a process."""
SIGN_SECONDS: Final = 1.0
LOOP_SECONDS: Final = 60.0
"""Longest turn of a loop, which waits for the journal's lock for 30 s at most."""
BYTES: Final = 8


class LoopPulse:
    """When the loop of a process last turned: while it does not, there is no sign of life, and the
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


class SignBoard:
    """The memory in which processes show signs of life, as the supervisor reads it."""

    def __init__(self, names: Sequence[str]) -> None:
        self._descriptors = {name: os.memfd_create(f"sign-{name}") for name in names}

    def descriptor(self, name: str) -> int | None:
        """Return the descriptor to pass on to a process; None for one that shows no signs."""
        return self._descriptors.get(name)

    def latest(self) -> dict[str, int]:
        """Return the latest sign of each process that ever showed one: numbers that change."""
        found = {name: os.pread(number, BYTES, 0) for name, number in self._descriptors.items()}
        return {name: int.from_bytes(sign) for name, sign in found.items() if sign}

    def close(self) -> None:
        """Free the memory."""
        for number in self._descriptors.values():
            os.close(number)


def inherited_sign(environ: MutableMapping[str, str]) -> int | None:
    """Return the descriptor that the supervisor passed on, and hide it from processes below; None
    if this process was started by something else."""
    value = environ.pop(VARIABLE, None)
    if value is None:
        return None
    os.set_inheritable(int(value), False)
    return int(value)


@contextmanager
def showing_life(pulse: LoopPulse, descriptor: int | None) -> Iterator[None]:
    """Show signs of life, in a thread, while the loop turns and until the block ends."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(SIGN_SECONDS):
            if pulse.is_fresh and descriptor is not None:
                os.pwrite(descriptor, time.monotonic_ns().to_bytes(BYTES), 0)

    thread = threading.Thread(target=work, name="streamwarden-sign", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()

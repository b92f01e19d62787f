"""Signals that end a command.

signal                 while nothing is deferred     while a step is deferred
the first              raised at once                raised at the end of the step
the second             raised at once                raised at once
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

__all__ = ["SIGNAL_BASE", "Interrupted", "Interruption"]

SIGNAL_BASE: Final = 128
"""The exit status of a command that a signal ended is this and the number of the signal."""
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(SystemExit):
    """A signal asks the command to end; ``with`` blocks are left, and child processes end."""

    def __init__(self, number: int) -> None:
        super().__init__(SIGNAL_BASE + number)
        self.signal = signal.Signals(number)


class Interruption:
    """Raises ``Interrupted`` for signals, in the main thread, while it is entered.

    Signals that were ignored when it was entered, as with nohup, stay ignored.
    """

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._is_deferring = False
        self._pending: int | None = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING:
                before = signal.getsignal(number)
                if before != signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @contextmanager
    def defer_signals(self) -> Iterator[None]:
        """Keep the first signal until the block is complete."""
        self._is_deferring = True
        try:
            yield
        finally:
            self._is_deferring = False
        pending, self._pending = self._pending, None
        if pending is not None:
            raise Interrupted(pending)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self._is_deferring and self._pending is None:
            self._pending = number
            return
        raise Interrupted(number)

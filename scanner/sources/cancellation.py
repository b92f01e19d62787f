"""Cancellation of reading from another thread: pauses end at once, connections are shut down."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Cancellation", "SourceCancelledError"]


class SourceCancelledError(Exception):
    """The reader is no longer wanted; its thread is to end without a word."""


class Cancellation:
    """A request to stop reading, which one thread makes and others observe.

    Callbacks interrupt what cannot observe it. They are called with the lock held, so that a
    callback that has been removed is not running any more; they must not block.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.RLock()  # garbage collection may cancel in the thread that holds it
        self._callbacks: list[Callable[[], None]] = []

    @property
    def is_cancelled(self) -> bool:
        """Whether reading is to stop."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Stop reading. May be called repeatedly; every call runs all callbacks."""
        self._event.set()
        with self._lock:
            for callback in self._callbacks:
                callback()

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            SourceCancelledError: reading is to stop, before the time is over or already.
        """
        if self._event.wait(seconds):
            raise SourceCancelledError

    def add_callback(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` at each cancellation from now on.

        Raises:
            SourceCancelledError: reading is to stop already.
        """
        with self._lock:
            if self._event.is_set():
                raise SourceCancelledError
            self._callbacks.append(callback)

    def remove_callback(self, callback: Callable[[], None]) -> None:
        """Do not call ``callback`` any more; no effect if it was not added."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

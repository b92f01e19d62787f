"""Watches the processes without which Ray cannot continue, and tells when they have.

Ray itself notices after a minute that its control process is gone, and then ends the process that
uses it. The kernel tells at once that a process has ended; one that hangs is found by a question
that it does not answer.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from scanner.errors import TransientError

__all__ = ["ClusterWatch", "OnFailure"]

BEAT_SECONDS: Final = 2.0
"""Time between two questions."""
ANSWER_SECONDS: Final = 30.0
"""Longest time for an answer; a busy machine needs less than a second."""

OnFailure = Callable[[TransientError], None]
"""Takes the error; called once, in the watch's thread."""

log = logging.getLogger(__name__)


class ClusterWatch:
    """Watches until it is closed, or until something has failed."""

    def __init__(
        self,
        processes: Mapping[int, str],
        ask: Callable[[], object],
        *,
        beat_seconds: float = BEAT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Watch processes, whose names are shown by their ids, and call ``ask`` again and again; it
        returns while the cluster answers."""
        self._ask = ask
        self._beat_seconds = beat_seconds
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._callbacks: list[OnFailure] = []
        self._failure: TransientError | None = None
        self._asked_since: float | None = None
        self._names = _open_processes(processes)
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._watch, name="streamwarden-ray", daemon=True)
        self._thread.start()

    def __enter__(self) -> ClusterWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def failure(self) -> TransientError | None:
        """Why the cluster cannot continue; None while it can."""
        with self._lock:
            return self._failure

    def add_callback(self, callback: OnFailure) -> None:
        """Call ``callback`` when the cluster fails, at once if it has."""
        with self._lock:
            failure = self._failure
            if failure is None:
                self._callbacks.append(callback)
        if failure is not None:
            callback(failure)

    def remove_callback(self, callback: OnFailure) -> None:
        """Do not call ``callback`` any more."""
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def close(self) -> None:
        """End the watch."""
        os.close(self._woken)
        self._thread.join()
        os.close(self._wake)
        for descriptor in self._names:
            os.close(descriptor)

    # In the thread

    def _watch(self) -> None:
        poll = select.poll()
        for descriptor in (self._wake, *self._names):
            poll.register(descriptor, select.POLLIN | select.POLLHUP)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll(self._beat_seconds * 1000)]
            if self._wake in ready:
                return
            for descriptor in ready:
                self._fail(f"its process {self._names[descriptor]} ended")
                return
            if not self._is_answering():
                self._fail(f"it does not answer for {self._answer_seconds:g} s")
                return

    def _is_answering(self) -> bool:
        """Ask in a thread, since the question may hang; False if the last one hangs too long."""
        asked = self._asked_since
        if asked is not None:
            return time.monotonic() - asked < self._answer_seconds
        self._asked_since = time.monotonic()
        threading.Thread(target=self._question, name="streamwarden-ray-ask", daemon=True).start()
        return True

    def _question(self) -> None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - Ray raises a dozen classes; it is asked again
            log.info("no answer of Ray", extra={"error": type(error).__name__})
        self._asked_since = None

    def _fail(self, reason: str) -> None:
        error = TransientError(f"Ray cannot continue: {reason}; start the command again")
        with self._lock:
            self._failure = error
            callbacks, self._callbacks = self._callbacks, []
        log.warning("Ray failed", extra={"reason": reason})
        for callback in reversed(callbacks):  # runs end before what they use
            callback(error)


def _open_processes(processes: Mapping[int, str]) -> dict[int, str]:
    """Return descriptors that become readable when their processes end; none where the system
    has no such descriptors."""
    if not hasattr(os, "pidfd_open"):
        return {}
    opened: dict[int, str] = {}
    for pid, name in processes.items():
        try:
            opened[os.pidfd_open(pid)] = name
        except OSError:
            log.info("a process of Ray cannot be watched", extra={"process": name})
    return opened

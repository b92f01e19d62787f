"""Threads that each repeat one kind of work, until one of them fails or all are to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from scanner.errors import TransientError
from scanner.liveness import LoopPulse

__all__ = ["RepeatedWork", "Step", "WorkProgress", "WorkThreads"]

log = structlog.get_logger(__name__)

POLL: Final = 0.05
"""Seconds between two questions whether the journal changed, which wakes the threads."""
PAUSE: Final = 1.0
"""Longest time between two queries for work, some of which becomes due without a change."""
HEARTBEAT: Final = 1.0
"""Seconds between two heartbeats."""

Step = Callable[[], bool]
"""Does one piece of work; returns False if there is none at present."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepeatedWork:
    """The work of one thread."""

    open_step: Callable[[ExitStack], Step]
    """Opens what the work needs; called in its thread, and closed there with the stack."""
    pause: float = PAUSE
    """Longest pause in seconds after a step without work."""
    wakes: bool = True
    """Whether a change ends the pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkProgress:
    """How one work does."""

    seconds: float
    """Time since one of its steps ended well, or since the start: it grows while steps fail, and
    while one hangs."""
    error: str | None = None
    """What its latest step met; None if that ended well."""


class WorkThreads:
    """Runs each work in a thread of its own; what is in hand is finished before ``run`` returns."""

    def __init__(
        self,
        works: Mapping[str, RepeatedWork],
        *,
        process: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._works = works
        self._process = process
        self._monotonic = monotonic
        self._well_at = dict.fromkeys(works, monotonic())
        self._errors: dict[str, str | None] = dict.fromkeys(works)
        self._condition = threading.Condition()
        self._changes = 0
        self._stopping = False
        self.pulse = LoopPulse()
        """Beats while ``run`` calls what it is given."""
        self._failure: BaseException | None = None

    def stop(self) -> None:
        """Ask all threads to end after what they have in hand; safe in a signal handler."""
        self._stopping = True  # without the lock: a signal may come while its thread has it
        threading.Thread(target=self._notify).start()

    def progress(self) -> dict[str, WorkProgress]:
        """Return how each work does; safe in any thread."""
        now = self._monotonic()
        return {
            name: WorkProgress(seconds=max(0.0, now - at), error=self._errors[name])
            for name, at in self._well_at.items()
        }

    def run(self, *, beat: Step, changed: Step) -> None:
        """Work until ``stop``; meanwhile call ``beat`` every second, and ``changed`` more often,
        which tells whether there may be new work.

        Raises:
            Exception: what a thread or one of the calls failed with.
        """
        threads = [
            threading.Thread(target=self._repeat, args=(name, work), name=name)
            for name, work in self._works.items()
        ]
        for thread in threads:
            thread.start()
        try:
            self._watch(beat, changed)
        finally:
            self.stop()
            for thread in threads:
                thread.join()
        if self._failure is not None:
            raise self._failure

    def _watch(self, beat: Step, changed: Step) -> None:
        beaten = 0.0
        while not self._stopping:
            self.pulse.beat()
            if time.monotonic() - beaten >= HEARTBEAT:
                beaten = time.monotonic()
                _attempt(beat)
            if _attempt(changed):
                self._notify()
            self._pause(POLL, None)

    def _repeat(self, name: str, work: RepeatedWork) -> None:
        structlog.contextvars.bind_contextvars(process=self._process, thread=name)
        try:
            with ExitStack() as stack:
                step = work.open_step(stack)
                while not self._stopping:
                    seen = self._changes if work.wakes else None
                    if not _attempt(partial(self._take_step, name, step)):
                        self._pause(work.pause, seen)
        except BaseException as error:  # noqa: BLE001 - raised by run, whatever it is
            log.error("thread failed", error=type(error).__name__, detail=str(error))
            self._failure = self._failure or error
            self.stop()

    def _take_step(self, name: str, step: Step) -> bool:
        try:
            more = step()
        except TransientError as error:
            self._errors[name] = str(error)
            raise
        self._well_at[name], self._errors[name] = self._monotonic(), None
        return more

    def _notify(self) -> None:
        with self._condition:
            self._changes += 1
            self._condition.notify_all()

    def _pause(self, seconds: float, seen: int | None) -> None:
        """Wait for a time, or for a change after the first ``seen``; None ignores changes."""
        with self._condition:
            self._condition.wait_for(
                lambda: self._stopping or (seen is not None and self._changes > seen), seconds
            )


def _attempt(step: Step) -> bool:
    """Do one piece of work; one that time will let succeed counts as none."""
    try:
        return step()
    except TransientError as error:
        log.warning("work postponed", error=type(error).__name__, detail=str(error))
        return False

"""Cutting and drawing in a thread of its own, so that no line of a scan waits for it.

    submit --> waiting, by stream --> the stream that has taken least time so far --> run
                  |   ^                                                              |   |
                  |   +--- the scan needs the memory: again from the start later ----+   |
                  |  too many, no memory, no time left                                   |  error
                  +------------------------------> fail, with the reason <---------------+

What a task may take is bounded for its incident, for its stream and, once the scan has ended, for
all that is left. A task that cannot be done leaves its reason; none is left out in silence.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from scanner.evidence.index import SourceSpan
from scanner.sandbox.sandbox import Sandbox
from scanner.sandbox.watch import SourceBudget
from scanner.sandbox.working_memory import WORKING_MEMORY, GiveWay, WorkingMemory
from scanner.settings.sections import EvidenceSettings
from scanner.types import HeldBytes, StreamId

__all__ = ["EvidenceQueue", "EvidenceTask"]

MOST_WAITING: Final = 1024
"""Tasks that may wait, over all streams."""
_RECHECK_SECONDS: Final = 0.05
LOOK_SECONDS: Final = 0.005
"""Between two looks at whether the scan needs the memory: a decoder may take a gigabyte a
second."""
_JOIN_SECONDS: Final = 10.0
"""Longest wait for a task that was told to end; it looks twenty times a second."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceTask:
    """One clip, contact sheet or picture to be made."""

    stream_id: StreamId
    incident_id: str
    """The incident, or another name of what its time is counted for."""
    sources: tuple[SourceSpan, ...]
    """The sources that it needs, which stay at hand while it waits."""
    run: Callable[[Sandbox, SourceBudget], None]
    """Makes it; called in the queue's thread."""
    fail: Callable[[str | Exception], None]
    """Takes the reason why it cannot be made; called in any thread."""

    @property
    def parts(self) -> Iterator[HeldBytes]:
        """The bytes that it holds."""
        for source in self.sources:
            for part in (source.source, source.init):
                if isinstance(part, HeldBytes):
                    yield part


class EvidenceQueue:
    """The tasks that wait and the thread that does one after the other."""

    def __init__(
        self,
        settings: EvidenceSettings,
        open_sandbox: Callable[[], AbstractContextManager[Sandbox]],
        *,
        now: Callable[[], float] = time.monotonic,
        memory: WorkingMemory = WORKING_MEMORY,
    ) -> None:
        """``open_sandbox`` is called in the queue's thread, to which the sandbox belongs; tasks
        give way to the other children in ``memory``."""
        self._settings = settings
        self._open_sandbox = open_sandbox
        self._now = now
        self._memory = memory
        self._changed = threading.Condition()
        self._waiting: dict[StreamId, deque[EvidenceTask]] = {}
        self._running: EvidenceTask | None = None
        self._stream_seconds: dict[StreamId, float] = defaultdict(float)
        self._incident_seconds: dict[str, float] = defaultdict(float)
        self._ended: str | None = None
        """Why no task is run any more; None while they are."""
        self._thread: threading.Thread | None = None

    def __enter__(self) -> EvidenceQueue:
        return self

    def __exit__(self, *_: object) -> None:
        self._end("the scan was ended")

    def submit(self, task: EvidenceTask) -> None:
        """Add a task; it fails at once if too many wait already."""
        with self._changed:
            refusal = self._ended
            if refusal is None and self._count() >= MOST_WAITING:
                refusal = f"cutting is behind: {MOST_WAITING} clips and sheets wait already"
            if refusal is None:
                self._waiting.setdefault(task.stream_id, deque()).append(task)
                self._start()
                self._changed.notify_all()
                return
        task.fail(refusal)

    def pending_parts(self) -> Iterator[HeldBytes]:
        """Yield the bytes that tasks hold; what they share comes several times."""
        with self._changed:
            tasks = [task for waiting in self._waiting.values() for task in waiting]
            if self._running is not None:
                tasks.append(self._running)
        for task in tasks:
            yield from task.parts

    def drop_one(self, reason: str) -> bool:
        """Let the oldest task of the stream that has most of them waiting fail, to free its memory;
        return False if none waits that holds any."""
        with self._changed:
            held = {
                stream_id: [task for task in waiting if any(True for _ in task.parts)]
                for stream_id, waiting in self._waiting.items()
            }
            stream_id = max(held, key=lambda one: len(held[one]), default=None)
            if stream_id is None or not held[stream_id]:
                return False
            task = held[stream_id][0]
            self._remove(task)
        task.fail(reason)
        return True

    def finish(self) -> None:
        """Wait until all tasks are done, at most ``finish_seconds``; what is left then fails."""
        seconds = self._settings.finish_seconds
        with self._changed:
            self._changed.wait_for(lambda: not self._count(), timeout=seconds)
        self._end(f"not made within {seconds:g} s after the scan (evidence.finish_seconds)")

    def _end(self, reason: str) -> None:
        self._fail_all(reason)
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def _fail_all(self, reason: str) -> None:
        """Let all tasks fail that wait or that are submitted from now on."""
        with self._changed:
            self._ended = self._ended or reason
            left = [task for waiting in self._waiting.values() for task in waiting]
            self._waiting.clear()
            self._changed.notify_all()
        for task in left:
            task.fail(reason)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="streamwarden-evidence", daemon=True
            )
            self._thread.start()

    def _count(self) -> int:
        return sum(map(len, self._waiting.values())) + (self._running is not None)

    def _remove(self, task: EvidenceTask) -> None:
        waiting = self._waiting[task.stream_id]
        waiting.remove(task)
        if not waiting:
            del self._waiting[task.stream_id]

    # In the thread

    def _work(self) -> None:
        try:
            with self._open_sandbox() as sandbox:
                while (task := self._next()) is not None:
                    self._run(task, sandbox)
        except Exception as error:
            log.exception("evidence cannot be made")
            self._fail_all(f"evidence cannot be made: {error}")

    def _next(self) -> EvidenceTask | None:
        """Return the oldest task of the stream that has taken least time; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended is not None)
            if not self._waiting:
                return None
            stream_id = min(self._waiting, key=lambda one: self._stream_seconds[one])
            self._running = self._waiting[stream_id][0]
            self._remove(self._running)
            return self._running

    def _run(self, task: EvidenceTask, sandbox: Sandbox) -> None:
        self._wait_for_room()
        began, (left, limit) = self._now(), self._time_left(task)
        give_way = GiveWay(self._memory)
        failure: str | Exception | None = None
        try:
            if self._ended is not None or left <= 0:
                failure = self._ended or f"the time for cutting is used up ({limit})"
                return
            budget = SourceBudget(
                left,
                limit,
                is_ended=lambda: self._is_ended() or give_way(),
                look_seconds=LOOK_SECONDS,
                gives_way=True,
            )
            task.run(sandbox, budget)
        except Exception as error:  # noqa: BLE001 - evidence of one stream ends no other
            failure = self._ended or error
        finally:
            if not give_way.happened:
                taken = self._now() - began
                self._stream_seconds[task.stream_id] += taken
                self._incident_seconds[task.incident_id] += taken
            self._settle(task, failure, again=give_way.happened)

    def _wait_for_room(self) -> None:
        """Wait until the scan's own child holds little, or the queue ends."""
        with self._changed:
            while self._ended is None and not self._memory.has_room:
                self._changed.wait(_RECHECK_SECONDS)

    def _settle(self, task: EvidenceTask, failure: str | Exception | None, *, again: bool) -> None:
        """Take in how a task ended: it fails, or is to be done again, or is done."""
        again = again and self._ended is None
        if failure is not None and not again:
            task.fail(failure)
        with self._changed:
            if again:
                self._waiting.setdefault(task.stream_id, deque()).appendleft(task)
            self._running = None
            self._changed.notify_all()

    def _time_left(self, task: EvidenceTask) -> tuple[float, str]:
        """Return the seconds that a task may take, and the setting that limits them."""
        settings = self._settings
        stream = settings.stream_seconds - self._stream_seconds[task.stream_id]
        incident = settings.incident_seconds - self._incident_seconds[task.incident_id]
        return min(
            (incident, f"evidence.incident_seconds {settings.incident_seconds:g}"),
            (stream, f"evidence.stream_seconds {settings.stream_seconds:g}"),
        )

    def _is_ended(self) -> bool:
        return self._ended is not None

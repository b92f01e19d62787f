"""A ``Runner`` of several workers: a thread for each and one that pulls turns, around ``Dispatch``.

A worker is in another process. Here it is anything that has ``work`` and ``end``; ``actors`` has
the one on Ray. Threads only wait and pass on: ``Dispatch`` makes all decisions, under one lock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from math import inf
from typing import Protocol

from scanner.errors import TransientError
from scanner.stream.inputs import SegmentTurn, Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import StreamId
from workers.dispatch import (
    Bounds,
    Dispatch,
    IsSuspect,
    Lease,
    LoadState,
    Quarantine,
    StreamWork,
    never_suspect,
)

__all__ = ["FailureWatch", "PoolRun", "PoolRunner", "WorkerDiedError", "WorkerHandle"]

log = logging.getLogger(__name__)

AGAIN_SECONDS = 0.1
LOOK_SECONDS = 1.0
"""Longest wait between two looks at what is ready."""
JOIN_SECONDS = 5.0
"""Longest wait for all threads at the end of a run; those of ended workers need milliseconds."""


class WorkerDiedError(TransientError):
    """The worker ended before its work did."""

    kind = "worker_died"


class WorkerHandle(Protocol):
    """A worker in another process, which starts at its first work, and again after a death."""

    @property
    def name(self) -> str:
        """Name of the worker, unique within its pool."""

    def work(self, work: Sequence[StreamWork]) -> Iterator[Sequence[StreamProgress]]:
        """Yield reports of the progress of each stream's turns, in order.

        Raises:
            WorkerDiedError: the worker ended, by itself or by ``end``; the next call starts it
                again.
            ScannerError: the worker cannot work, and a retry would not help.
        """

    def end(self) -> None:
        """End the worker at once, from any thread; ``work`` then raises."""


class FailureWatch(Protocol):
    """Tells that all workers have failed for a reason that they have in common."""

    def add_callback(self, callback: Callable[[TransientError], None]) -> None:
        """Call ``callback`` when that happens, from any thread."""

    def remove_callback(self, callback: Callable[[TransientError], None]) -> None:
        """Do not call ``callback`` any more."""


class PoolRunner:
    """Runs turns on several workers. Each stream's progress comes in the order of its turns."""

    def __init__(
        self,
        workers: Sequence[WorkerHandle],
        bounds: Bounds,
        quarantine: Quarantine,
        *,
        clock: Callable[[], float] = time.monotonic,
        watch: FailureWatch | None = None,
    ) -> None:
        """A run ends with the error that ``watch`` tells, if it tells one."""
        self._workers = tuple(workers)
        self._bounds = bounds
        self._quarantine = quarantine
        self._clock = clock
        self._watch = watch

    def run(self, turns: Iterable[Turn]) -> Iterator[StreamProgress]:
        """Yield each turn's progress once, whichever workers die.

        Raises:
            ScannerError: the turns could not be pulled, or no worker can work.
        """
        with self.open_run(turns) as run:
            for ready in run.results():
                yield from ready

    @contextmanager
    def open_run(
        self,
        turns: Iterable[Turn],
        load_state: LoadState = StreamState.new,
        is_suspect: IsSuspect = never_suspect,
        *,
        stuck_seconds: float = inf,
    ) -> Iterator[PoolRun]:
        """Open a run, whose streams begin with the states that ``load_state`` returns; suspects
        travel alone. It fails once workers show no progress for ``stuck_seconds``."""
        dispatch = Dispatch(self._bounds, self._quarantine, load_state, is_suspect)
        run = PoolRun(
            self._workers, dispatch, self._bounds, self._clock, stuck_seconds=stuck_seconds
        )
        try:
            run.start(turns)
            if self._watch is not None:
                self._watch.add_callback(run.fail)
            yield run
        finally:
            if self._watch is not None:
                self._watch.remove_callback(run.fail)
            run.end()


class PoolRun:
    """One run: its threads, and what they share."""

    def __init__(
        self,
        workers: Sequence[WorkerHandle],
        dispatch: Dispatch,
        bounds: Bounds,
        clock: Callable[[], float],
        *,
        stuck_seconds: float = inf,
    ) -> None:
        self._stuck_seconds = stuck_seconds
        self._waited = 0.0
        """Seconds of waiting for progress of workers since the latest one."""
        self._workers = {worker.name: worker for worker in workers}
        self._dispatch = dispatch
        self._bounds = bounds
        self._clock = clock
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._busy: set[str] = set()
        self._pulled_all = False
        self._over = False
        self._failure: BaseException | None = None

    def start(self, turns: Iterable[Turn]) -> None:
        self._start_thread("turns", partial(self._pull, turns))
        for worker in self._workers.values():
            self._start_thread(worker.name, partial(self._serve, worker))

    def results(self) -> Iterator[list[StreamProgress]]:
        """Yield what is ready, as long as the run lasts, and at least every second; a list may be
        empty."""
        while not self._over:
            with self._changed:
                since = self._clock()
                self._changed.wait_for(self._has_news, timeout=self._look_seconds)
                ready = list(self._dispatch.take_ready())
                self._watch_progress(self._clock() - since, has_progress=bool(ready))
                self._over = self._failure is not None or self._is_done()
                silent = () if ready else self._dispatch.overdue(self._clock())
                self._changed.notify_all()
            for lease in () if self._over else silent:
                log.warning(
                    "worker silent",
                    extra={"worker": lease.owner, "patience": self._bounds.patience},
                )
                self._workers[lease.owner].end()
            yield ready
        if self._failure is not None:
            raise self._failure

    @property
    def _look_seconds(self) -> float:
        return min(LOOK_SECONDS, self._bounds.patience, self._stuck_seconds)

    def _watch_progress(self, waited: float, *, has_progress: bool) -> None:
        """Count the time in which workers have leases and show no progress; the time in which
        nobody takes results does not count."""
        if has_progress or not self._dispatch.overdue(inf):
            self._waited = 0.0
            return
        self._waited += waited
        if self._waited > self._stuck_seconds:
            self._failure = self._failure or TransientError(
                f"no progress of any worker for {self._waited:.0f} s; start again"
            )

    def fail(self, error: BaseException) -> None:
        """End the run: ``results`` yields what is ready and raises the error."""
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def forget(self, stream_ids: Iterable[StreamId]) -> list[StreamId]:
        """Drop the states of streams of which nothing is in flight; return those of which none is
        left."""
        with self._changed:
            return [stream_id for stream_id in stream_ids if self._dispatch.forget(stream_id)]

    def lone_suspect(self) -> SegmentTurn | None:
        """Return the suspect of earlier runs that is all the work of a worker."""
        with self._changed:
            return self._dispatch.lone_suspect()

    @property
    def has_survivors(self) -> bool:
        """Whether workers finished anything."""
        with self._changed:
            return self._dispatch.has_survivors

    def end(self) -> None:
        """End the threads, and the workers that still have work."""
        with self._changed:
            self._over = True
            at_work = () if self._is_done() else tuple(self._busy)
            self._changed.notify_all()
        for name in at_work:
            self._workers[name].end()
        # The first thread may be blocked in the caller's iterator, which need not end.
        deadline = time.monotonic() + JOIN_SECONDS
        for name, thread in zip(self._workers, self._threads[1:], strict=True):
            self._join(thread, self._workers[name] if name in at_work else None, deadline)

    def _join(
        self, thread: threading.Thread, at_work: WorkerHandle | None, deadline: float
    ) -> None:
        """Wait for the thread of a worker; end the worker again, because it may have been about to
        start when it was ended."""
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(AGAIN_SECONDS)
            if thread.is_alive() and at_work is not None:
                at_work.end()

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=self._run_guarded, args=(work,), name=f"streamwarden-{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _run_guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised in the thread that reads the results
            self.fail(error)

    def _has_news(self) -> bool:
        return self._dispatch.ready() > 0 or self._is_done() or self._failure is not None

    def _is_done(self) -> bool:
        return self._pulled_all and self._dispatch.is_idle()

    # The thread that pulls turns

    def _pull(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            with self._changed:
                while not (self._over or self._dispatch.admits(turn)):
                    self._changed.wait()
                if self._over:
                    return
                self._dispatch.offer(turn)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._over or self._dispatch.has_capacity())
        with self._changed:
            self._pulled_all = True
            self._changed.notify_all()

    # The thread of one worker

    def _serve(self, worker: WorkerHandle) -> None:
        while (lease := self._next_lease(worker)) is not None:
            try:
                for progress in worker.work(lease.work):
                    self._receive(lease, progress)
                reason = "its work ended early"
            except WorkerDiedError as error:
                reason = str(error)
            self._lose(worker, lease, reason)

    def _next_lease(self, worker: WorkerHandle) -> Lease | None:
        with self._changed:
            while not self._over:
                lease = self._dispatch.take(worker.name, now=self._clock())
                if lease is not None:
                    self._busy.add(worker.name)
                    return lease
                self._changed.wait()
        return None

    def _receive(self, lease: Lease, progress: Sequence[StreamProgress]) -> None:
        with self._changed:
            self._dispatch.receive(lease, progress)
            self._changed.notify_all()
            self._dispatch.renew(lease, until=inf)
            self._changed.wait_for(lambda: self._over or not self._dispatch.is_crowded())
            self._dispatch.renew(lease, until=self._clock() + self._bounds.patience)

    def _lose(self, worker: WorkerHandle, lease: Lease, reason: str) -> None:
        with self._changed:
            self._busy.discard(worker.name)
            if not self._over:
                self._dispatch.lose(lease, reason)
            self._changed.notify_all()

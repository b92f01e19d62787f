"""A ``Runner`` of many hands: one thread for each worker, one that pulls jobs, and ``Dispatch``
between them.

A hand is a worker at arm's length. Here it is anything that has ``work`` and ``end``; ``actors``
makes it of Ray. Threads only wait and carry: all decisions are ``Dispatch``'s, under one lock.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import inf
from typing import Protocol

from scanner.errors import TransientError
from scanner.runner import Job, Outcome
from workers.dispatch import Bounds, Dispatch, News
from workers.leases import Lease, Leases, MemoryLeases, Work

__all__ = ["CrewRunner", "Hand", "HandDiedError"]

log = logging.getLogger(__name__)

JOIN_SECONDS = 5.0
"""How long the end of a run waits for its threads; those of ended workers need milliseconds."""


class HandDiedError(TransientError):
    """The worker ended before its work did."""

    kind = "worker_died"


class Hand(Protocol):
    """A worker in another process.

    It is started, and after a death started again, when there is work for it.
    """

    @property
    def name(self) -> str:
        """Unique within its crew."""

    def work(self, work: Sequence[Work]) -> Iterator[Sequence[News]]:
        """Outcomes of each piece in order, some at a time.

        Raises:
            HandDiedError: it ended, by itself or by ``end``. Ask again, and a new one works.
            ScannerError: it cannot work, and no retry will help.
        """

    def end(self) -> None:
        """End the worker at once, from any thread; ``work`` then raises."""


class CrewRunner:
    """Runs jobs on several hands. Outcomes of one stream come in the order of its jobs."""

    def __init__(
        self,
        hands: Sequence[Hand],
        bounds: Bounds,
        *,
        leases: Callable[[], Leases] = MemoryLeases,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``leases`` makes the store of one run; it decides what is urgent."""
        self._hands = tuple(hands)
        self._bounds = bounds
        self._leases = leases
        self._clock = clock

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Each outcome once, whoever dies.

        Raises:
            ScannerError: the jobs could not be pulled, or no worker can work.
        """
        shift = _Shift(
            self._hands, Dispatch(self._leases(), self._bounds), self._bounds, self._clock
        )
        try:
            shift.start(jobs)
            yield from shift.outcomes()
        finally:
            shift.end()


class _Shift:
    """One run: its threads and what they share."""

    def __init__(
        self, hands: Sequence[Hand], dispatch: Dispatch, bounds: Bounds, clock: Callable[[], float]
    ) -> None:
        self._hands = {hand.name: hand for hand in hands}
        self._dispatch = dispatch
        self._bounds = bounds
        self._clock = clock
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._busy: set[str] = set()
        self._pulled_all = False
        self._over = False
        self._failure: BaseException | None = None

    def start(self, jobs: Iterable[Job]) -> None:
        self._thread("jobs", partial(self._pull, jobs))
        for hand in self._hands.values():
            self._thread(hand.name, partial(self._serve, hand))

    def outcomes(self) -> Iterator[Outcome]:
        while not self._over:
            with self._changed:
                self._changed.wait_for(self._has_news, timeout=self._bounds.patience)
                ready = list(self._dispatch.take_ready())
                self._over = self._failure is not None or self._done()
                silent = () if ready else self._dispatch.overdue(self._clock())
                self._changed.notify_all()
            for lease in silent:
                log.warning(
                    "worker silent",
                    extra={"worker": lease.owner, "patience": self._bounds.patience},
                )
                self._hands[lease.owner].end()
            yield from ready
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """End the threads, and the workers that are still at work; after a run to its end none is."""
        with self._changed:
            self._over = True
            at_work = () if self._done() else tuple(self._busy)
            self._changed.notify_all()
        for name in at_work:
            self._hands[name].end()
        for thread in self._threads[
            1:
        ]:  # the first one may sit in the caller's iterator for as long as that likes
            thread.join(JOIN_SECONDS)

    def _thread(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(
            target=self._guarded, args=(work,), name=f"streamwarden-{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as why:  # noqa: BLE001 - carried to the thread that runs the run, and raised there
            with self._changed:
                self._failure = self._failure or why
                self._changed.notify_all()

    def _has_news(self) -> bool:
        return self._dispatch.ready() > 0 or self._done() or self._failure is not None

    def _done(self) -> bool:
        return self._pulled_all and self._dispatch.idle()

    # The thread that pulls jobs

    def _pull(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            with self._changed:
                while not (self._over or self._dispatch.admits(job)):
                    self._changed.wait()
                if self._over:
                    return
                self._dispatch.offer(job)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._over or self._dispatch.has_room())
        with self._changed:
            self._pulled_all = True
            self._changed.notify_all()

    # The thread of one hand

    def _serve(self, hand: Hand) -> None:
        while (lease := self._next_lease(hand)) is not None:
            try:
                for news in hand.work(lease.work):
                    self._hear(lease, news)
                why = "it left work undone"
            except HandDiedError as died:
                why = str(died)
            self._lose(hand, lease, why)

    def _next_lease(self, hand: Hand) -> Lease | None:
        with self._changed:
            while not self._over:
                lease = self._dispatch.take(hand.name, now=self._clock())
                if lease is not None:
                    self._busy.add(hand.name)
                    return lease
                self._changed.wait()
        return None

    def _hear(self, lease: Lease, news: Sequence[News]) -> None:
        with self._changed:
            self._dispatch.hear(lease, news)
            self._changed.notify_all()
            self._dispatch.renew(lease, until=inf)
            self._changed.wait_for(lambda: self._over or not self._dispatch.crowded())
            self._dispatch.renew(lease, until=self._clock() + self._bounds.patience)

    def _lose(self, hand: Hand, lease: Lease, why: str) -> None:
        with self._changed:
            self._busy.discard(hand.name)
            if not self._over:
                self._dispatch.lose(lease, why)
            self._changed.notify_all()

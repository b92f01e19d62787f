"""Facts that every request needs: keys, backlog and free disk, read twice a second.

The age of what waits is measured with the wall clock that stamped it. When the clock jumps, ages
mean nothing until what was stamped before has drained, and the age rules pause.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from scanner.intake.access import Access
from scanner.steady_clock import ClockWatch
from scanner.store.database import Journal
from scanner.store.keys import ApiKeys
from scanner.store.objects import ObjectStore
from scanner.store.operation_queries import Backlog, OperationQueries
from scanner.store.pushed import PushedQueries
from scanner.store.users import Users

__all__ = ["Observed", "Pace", "Watch"]

PERIOD: Final = 0.5
"""Seconds between two readings."""
SPAN: Final = 10.0
"""Least seconds between two readings that a pace is taken from."""
MEMORY: Final = 20.0
"""Seconds for which a pace counts: longer than a driver takes to start, so that a restart does not
look like a slow machine, and short enough to notice a machine that became slow."""

_log = structlog.get_logger(__name__)


class Pace:
    """The best pace of the last half minute, in segments a second.

    It is the best one because slower spans say little: less may have arrived, or a process was
    being started again.
    """

    def __init__(self) -> None:
        self._readings: deque[tuple[float, float]] = deque()
        self._paces: deque[tuple[float, float]] = deque()

    def observe(self, at: float, total: float) -> float | None:
        """Take a reading of the total at a monotonic time; return the pace, None if it is not
        known yet.

        >>> pace = Pace()
        >>> [pace.observe(at, total) for at, total in [(0.0, 100), (10.0, 150), (20.0, 160)]]
        [None, 5.0, 5.0]
        """
        self._readings.append((at, total))
        while len(self._readings) > 1 and self._readings[1][0] <= at - SPAN:
            self._readings.popleft()
        began, before = self._readings[0]
        if at - began >= SPAN:
            self._paces.append((at, (total - before) / (at - began)))
        while self._paces and self._paces[0][0] < at - MEMORY:
            self._paces.popleft()
        return max((pace for _, pace in self._paces), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """One reading of the service's state."""

    access: Access
    backlog: Backlog = field(default_factory=Backlog)
    ages: dict[str | None, float] = field(default_factory=dict)
    """Age in seconds of the oldest waiting segment of each key; empty while age rules pause."""
    pace: float | None = None
    """Segments that get verdicts in a second, at best; None while that is not known."""
    free_share: float = 1.0
    """Share of the disk that is free."""
    is_pushed: bool = False
    """Whether a channel of an encoder is live."""
    unselected: dict[str, frozenset[str]] = field(default_factory=dict)
    """Series of paths that are not scanned, by channel of an encoder."""

    @property
    def oldest_age(self) -> float:
        """Age in seconds of the oldest waiting segment; 0 if none waits."""
        return max(self.ages.values(), default=0.0)

    def expected_seconds(self, key_id: str | None) -> float:
        """Seconds until the waiting segments of a key are scored, if keys that have some get equal
        parts of the pace; 0 while the pace is not known."""
        shares = self.backlog.by_key
        if not self.pace or key_id not in shares:
            return 0.0
        return shares[key_id].count * len(shares) / self.pace


class Watch:
    """Reads the service in a thread of its own; ``close`` ends it."""

    def __init__(
        self,
        journal: Journal,
        objects: ObjectStore,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        period: float = PERIOD,
        is_open: bool = True,
    ) -> None:
        """``is_open``: while there is neither a key nor a user, this machine needs none."""
        self._journal = journal
        self._keys = ApiKeys(journal)
        self._users = Users(journal)
        self._is_open = is_open
        self._queries = OperationQueries(journal)
        self._pushed = PushedQueries(journal)
        self._objects = objects
        self._monotonic = monotonic
        self._pace = Pace()
        self._clock = ClockWatch(offset=journal.now() - monotonic())
        self._period = period
        self._stop = threading.Event()
        self.failed_since: float | None = None
        """Monotonic time since which the journal could not be read; None while it can."""
        self.now = self._read()
        """The latest reading."""
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread that reads."""
        self._stop.set()
        self._thread.join()

    def refresh(self) -> None:
        """Read the state at once."""
        self.now = self._read()

    def _run(self) -> None:
        while not self._stop.wait(self._period):
            try:
                self.refresh()
                self.failed_since = None
            except Exception as error:  # noqa: BLE001 - the latest reading stays; readyz tells
                if self.failed_since is None:
                    self.failed_since = self._monotonic()
                    _log.error("the journal cannot be read", error=str(error))

    def _read(self) -> Observed:
        with self._journal.snapshot():
            backlog = self._queries.backlog()
            return Observed(
                access=Access(
                    self._keys.list_valid(), is_open=self._is_open and not self._users.any_lasting()
                ),
                backlog=backlog,
                ages=self._ages(backlog),
                pace=self._pace.observe(self._monotonic(), self._queries.verdict_count()),
                free_share=self._objects.free_bytes() / max(1, self._objects.total_bytes()),
                is_pushed=self._pushed.is_any_live(),
                unselected=self._pushed.unselected(),
            )

    def _ages(self, backlog: Backlog) -> dict[str | None, float]:
        now = self._journal.now()
        was_steady = self._clock.is_steady
        self._clock = self._clock.observe(now, self._monotonic())
        if not self._clock.is_steady:
            if was_steady:
                _log.warning("the wall clock jumped, age rules pause")
            return {}
        return {key: max(0.0, now - one.oldest_at) for key, one in backlog.by_key.items()}

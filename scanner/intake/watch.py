"""Facts that every request needs: keys, backlog and free disk, read twice a second.

The age of what waits is measured with the wall clock that stamped it. When the clock jumps, ages
mean nothing until what was stamped before has drained, and the age rules pause.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from scanner.intake.access import Access
from scanner.intake.pace import Pace
from scanner.steady_clock import ClockWatch
from scanner.store.database import Journal
from scanner.store.keys import ApiKeys
from scanner.store.objects import ObjectStore
from scanner.store.operation_queries import Backlog, OperationQueries
from scanner.store.pushed import PushedQueries
from scanner.store.users import Users

__all__ = ["Observed", "Watch"]

PERIOD: Final = 0.5
"""Seconds between two readings."""

_log = structlog.get_logger(__name__)


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

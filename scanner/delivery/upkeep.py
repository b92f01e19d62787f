"""Deletes what was requested, and what is old: decisions, sessions, audit entries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from scanner.errors import SetupError, TransientError
from scanner.steady_clock import ClockWatch
from scanner.store.audit import AuditLog
from scanner.store.database import Journal
from scanner.store.old_records import OldRecords
from scanner.store.removals import Removals
from scanner.store.sessions import LoginLinks, Sessions
from scanner.store.throttle import SignInThrottle

__all__ = ["Upkeep"]

DAY: Final = 86_400.0
CLEAN_EVERY: Final = 3600.0
"""Seconds from one removal of what is old to the next."""

_log = structlog.get_logger(__name__)


class Upkeep:
    """Works step by step; belongs to one thread."""

    def __init__(
        self,
        journal: Journal,
        log: AuditLog,
        sessions: Sessions,
        *,
        decision_days: float,
        audit_days: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._clock = ClockWatch(offset=journal.now() - monotonic())
        self._journal = journal
        self._removals = Removals(journal)
        self._records = OldRecords(journal)
        self._log = log
        self._sessions = sessions
        self._decision_days = decision_days
        self._audit_days = audit_days
        self._cleaned_at = 0.0

    def step(self) -> bool:
        """Advance requested deletions, and now and then remove what is old; return whether more
        may follow at once. Ages do not count while the wall clock cannot be trusted.

        Raises:
            TransientError: old entries of the audit log cannot be removed; tried again at the next
                step.
        """
        now = self._journal.now()
        self._clock = self._clock.observe(now, self._monotonic())
        removed = self._removals.step(clock_is_steady=self._clock.is_steady)
        if not self._clock.is_steady or 0 <= now - self._cleaned_at < CLEAN_EVERY:
            return removed
        self._sessions.remove_expired()
        LoginLinks(self._journal).remove_expired()
        SignInThrottle(self._journal).remove_old()
        while self._records.delete_decisions(before=now - self._decision_days * DAY):
            pass
        self._remove_entries(now - self._audit_days * DAY)
        self._cleaned_at = now
        return removed

    def _remove_entries(self, before: float) -> None:
        try:
            count = self._log.remove_before(before)
        except (OSError, SetupError) as error:  # the entries stay until the place can be written
            raise TransientError(f"old audit entries stay: {error}") from error
        if count:
            _log.info("old audit entries removed", entries=count)

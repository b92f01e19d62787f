"""Writes the audit log from one event loop: what several requests record becomes durable at once.

A request awaits its entry before it sends a byte of what it shows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from scanner.settings.service import ServiceSettings
from scanner.store.audit import AuditEntry, AuditLog
from scanner.store.checkpoints import open_audit_log
from scanner.store.database import Journal

__all__ = ["AuditWriter", "audit_log_of"]

REPEAT_SECONDS: Final = 60.0
"""Time within which further requests for the same piece of media are the same view."""

_Waiting = tuple[AuditEntry, "asyncio.Future[None]"]


def audit_log_of(journal: Journal, settings: ServiceSettings) -> AuditLog:
    """Return the audit log of a service, with its checkpoints."""
    return open_audit_log(journal, settings.data, settings.audit.folder)


class AuditWriter:
    """Appends entries in groups, in a thread; ``close`` ends it."""

    def __init__(self, log: AuditLog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._recent: dict[tuple[str, str, str, str], float] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")

    async def append(self, entry: AuditEntry) -> None:
        """Append an entry; it is durable when this returns.

        Raises:
            TransientError: the journal is locked or full; nothing was written.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        await done

    async def append_view(
        self, entry: AuditEntry, piece: str, *, seconds: float = REPEAT_SECONDS
    ) -> None:
        """Append an entry about a piece of media, or of a page, unless the same is less than a
        minute old, or ``seconds``: a player requests one file in many parts.

        Raises:
            TransientError: the journal is locked or full; nothing was written.
        """
        key, now = (entry.actor, entry.action, entry.subject, piece), self._clock()
        if now < self._recent.get(key, now):
            return
        await self.append(entry)
        self._recent[key] = now + seconds
        if len(self._recent) > 4096:
            self._recent = {one: until for one, until in self._recent.items() if now < until}

    def close(self) -> None:
        """End the thread, after what it writes."""
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            entries = [entry for entry, _ in group]
            try:
                await loop.run_in_executor(self._thread, self._log.append, entries)
            except Exception as error:  # noqa: BLE001 - each request answers it
                for _, done in group:
                    if not done.done():
                        done.set_exception(error)
            else:
                for _, done in group:
                    if not done.done():
                        done.set_result(None)

"""Uploads that are open: the driver waits for segments that are still being received.

There is a report once a second, of the uploads that are older than that, while there are such ones
or an encoder is live. Without a report the driver knows that nothing can arrive, and does not take
the silence for the encoder's.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from scanner.errors import TransientError

__all__ = ["OpenUploads"]

REPORT_SECONDS: Final = 1.0
"""Seconds from one report to the next, and age of the uploads that are reported."""

_log = structlog.get_logger(__name__)

Report = dict[str, list[str]]
"""Paths by channel."""


class OpenUploads:
    """The uploads of one event loop."""

    def __init__(
        self,
        report: Callable[[Report], Awaitable[None]],
        is_wanted: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``report`` makes a report known to the driver, ``is_wanted`` says whether an encoder is
        live. Made within the event loop."""
        self._report = report
        self._is_wanted = is_wanted
        self._clock = clock
        self._numbers = itertools.count()
        self._open: dict[int, tuple[str, str, float]] = {}
        self._task = asyncio.create_task(self._run())

    @contextmanager
    def receiving(self, channel: str, path: str) -> Iterator[None]:
        """Count an upload as open until the block ends."""
        number = next(self._numbers)
        self._open[number] = (channel, path, self._clock())
        try:
            yield
        finally:
            del self._open[number]

    def close(self) -> None:
        """End the reports."""
        self._task.cancel()

    def older(self) -> Report:
        """Return the uploads that are old enough to be reported."""
        limit = self._clock() - REPORT_SECONDS
        found: Report = {}
        for channel, path, since in self._open.values():
            if since <= limit:
                found.setdefault(channel, []).append(path)
        return found

    async def _run(self) -> None:
        told: Report = {}
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            found = self.older()
            if found or told or self._is_wanted():
                try:
                    await self._report(found)
                except TransientError as error:
                    _log.warning("open uploads are not reported", error=str(error))
            told = found

"""The processes of the sources that are followed, as the journal lists them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from scanner.store.database import Journal, open_journal
from scanner.store.sources import Sources
from scanner.supervisor.process import ServiceProcess

__all__ = ["FollowedSources"]

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks at the list."""


class FollowedSources:
    """Reads which sources are wanted; a journal that cannot be read changes nothing."""

    def __init__(
        self,
        data: Path,
        arguments: tuple[str, ...],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``arguments`` are those of every process of the service."""
        self._data = data
        self._arguments = arguments
        self._clock = clock
        self._journal: Journal | None = None
        self._looked = -LOOK_SECONDS
        self._wanted: tuple[ServiceProcess, ...] = ()

    def wanted(self) -> tuple[ServiceProcess, ...]:
        """Return the processes of the sources that were neither removed nor have ended."""
        now = self._clock()
        if now - self._looked < LOOK_SECONDS:
            return self._wanted
        self._looked = now
        try:
            if self._journal is None:
                self._journal = open_journal(self._data)
            found = Sources(self._journal).list_lasting()
        except Exception as error:  # noqa: BLE001 - what runs goes on running
            log.warning("sources cannot be read", error=str(error))
            return self._wanted
        self._wanted = tuple(
            ServiceProcess(
                name=f"source-{one.source_id}",
                module="scanner.follow.server",
                arguments=("--source", one.source_id, *self._arguments),
                is_watched=False,
            )
            for one in found
            if one.state != "ended"
        )
        return self._wanted

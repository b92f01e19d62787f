"""Requests that wait until a stream is finished, until something new happened, or until the queue
of the review console changed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

__all__ = ["FinishedStreams", "LatestEvent", "QueueVersions"]

K = TypeVar("K", bound=Hashable)

VERDICT_SECONDS: Final = 0.05
"""Seconds between two looks for verdicts."""
EVENT_SECONDS: Final = 0.25
"""Seconds between two looks for events."""
QUEUE_SECONDS: Final = 1.0
"""Seconds between two looks at the queue."""


class FinishedStreams:
    """Wakes requests that wait for the end of a stream; one query looks for all of them."""

    def __init__(self, find: Callable[[list[str]], Awaitable[set[str]]]) -> None:
        """``find`` returns which of some streams are finished."""
        self._find = find
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None

    async def wait(self, stream_id: str, seconds: float) -> None:
        """Return once a stream is finished, or after this many seconds."""
        event = asyncio.Event()
        self._waiting.setdefault(stream_id, set()).add(event)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            events = self._waiting[stream_id]
            events.discard(event)
            if not events:
                del self._waiting[stream_id]

    async def _look(self) -> None:
        while self._waiting:
            for stream_id in await self._find(list(self._waiting)):
                for event in self._waiting.get(stream_id, ()):
                    event.set()
            await asyncio.sleep(VERDICT_SECONDS)


class LatestEvent:
    """Wakes readers of events when there are new ones; one query looks for all of them."""

    def __init__(self, find: Callable[[], Awaitable[int]]) -> None:
        """``find`` returns the number of the latest event."""
        self._find = find
        self._waiting = 0
        self._changed = asyncio.Event()
        self._number = 0
        self._task: asyncio.Task[None] | None = None

    async def wait_beyond(self, number: int, seconds: float) -> None:
        """Return once there is an event after ``number``, or after this many seconds."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                while self._number <= number:
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1

    async def _look(self) -> None:
        await asyncio.sleep(0)
        while self._waiting:
            number = await self._find()
            if number != self._number:
                self._number = number
                self._changed.set()
                self._changed = asyncio.Event()
            await asyncio.sleep(EVENT_SECONDS)


class QueueVersions(Generic[K]):
    """Wakes pages that follow the queue when what they may show changed; one query looks for all
    that may show the same."""

    def __init__(self, find: Callable[[K], Awaitable[str]]) -> None:
        """``find`` returns a text that differs whenever the queue does for those who may see what
        ``K`` says."""
        self._find = find
        self._waiting: Counter[K] = Counter()
        self._versions: dict[K, str] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def wait_other(self, sight: K, version: str, seconds: float) -> str:
        """Return the version of the queue once it is not this one, or after this many seconds."""
        self._waiting[sight] += 1
        self._versions.setdefault(sight, version)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(seconds):
                while self._versions[sight] == version:
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            latest = self._versions[sight]
            self._waiting[sight] -= 1
            if not self._waiting[sight]:
                del self._waiting[sight], self._versions[sight]
        return latest

    async def _look(self) -> None:
        await asyncio.sleep(0)
        while self._waiting:
            for sight in list(self._waiting):
                version = await self._find(sight)
                if sight in self._waiting and version != self._versions[sight]:
                    self._versions[sight] = version
                    self._changed.set()
                    self._changed = asyncio.Event()
            await asyncio.sleep(QUEUE_SECONDS)

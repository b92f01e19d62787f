"""The parts that all requests share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from scanner.intake.committer import Committer
from scanner.intake.receiving import Receiver
from scanner.settings.service import ServiceSettings
from scanner.sources.limits import FetchLimits
from scanner.store.database import Journal
from scanner.store.objects import ObjectStore
from scanner.store.queries import Queries

__all__ = ["WebContext", "context_of"]

T = TypeVar("T")


class WebContext:
    """The open parts of one web process; made within its event loop, and closed at its end."""

    def __init__(
        self,
        *,
        settings: ServiceSettings,
        limits: FetchLimits,
        journal: Journal,
        objects: ObjectStore,
    ) -> None:
        self.settings = settings
        self.limits = limits
        self.journal = journal
        self.queries = Queries(journal)
        self.receiver = Receiver(objects)
        self.committer = Committer(journal, objects)
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="reader")

    async def read(self, query: Callable[..., T], *arguments: object) -> T:
        """Run a query in one of a few threads, each of which has a connection while it reads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, query, *arguments)

    def close(self) -> None:
        """Commit what was received, and end all threads."""
        self.receiver.close()
        self.committer.close()
        self._readers.shutdown()


def context_of(request: Request) -> WebContext:
    """Return what the requests of the application share."""
    context: WebContext = request.app.state.context
    return context

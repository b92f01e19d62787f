"""Segments that senders name by URL: fetched before they are acknowledged, a few at once.

A sender chooses the URL, so connections go to public addresses only unless the operator allows
others (``service.fetch_addresses``). The HTTP client is imported with the first URL: most services
never fetch one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from typing import Any, Final

from scanner.errors import LimitError, RefusedError, ScannerError
from scanner.intake.problems import Problem
from scanner.intake.receiving import Accepts, check_container
from scanner.media.sniff import HEAD_BYTES
from scanner.sources.addresses import AddressPolicy
from scanner.sources.limits import FetchLimits
from scanner.store.objects import IncomingObject, ObjectStore

__all__ = ["Fetcher"]

REDIRECTS: Final = 3


class Fetcher:
    """Fetches URLs into an object store, in threads; further ones wait for a free thread."""

    def __init__(
        self, objects: ObjectStore, *, limits: FetchLimits, addresses: AddressPolicy, threads: int
    ) -> None:
        self._objects = objects
        self.limits = limits
        """Limits on what is read, of playlists too."""
        self._addresses = addresses
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="fetcher")

    async def fetch(self, url: str, *, limit: int, accepts: Accepts) -> IncomingObject:
        """Return the body of a response in a temporary file, which the caller puts or discards.

        Raises:
            Problem: ``url_refused``, ``url_failed``, ``too_large`` or ``unsupported_media``.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._fetch, url, limit, accepts)

    def close(self) -> None:
        """End the threads, after what they are fetching."""
        self._pool.shutdown(cancel_futures=True)

    def _fetch(self, url: str, limit: int, accepts: Accepts) -> IncomingObject:
        incoming = self._objects.receive()
        try:
            with self._open(url) as response:
                _store(response.iter_raw(), incoming, limit=limit, accepts=accepts)
        except BaseException as error:
            incoming.discard()
            if isinstance(error, ScannerError):
                raise _problem(error) from error
            raise
        return incoming

    @contextmanager
    def _open(self, url: str) -> Iterator[Any]:
        """Give the last response of a chain of redirects; each connection is checked.

        Raises:
            ScannerError: the URL is not allowed, or the server does not answer with a body.
        """
        import httpx

        from scanner.sources.http import HttpClient, check_status, parse_url, redact_url

        client = HttpClient(idle_seconds=self.limits.idle_seconds, addresses=self._addresses)
        target = _check_scheme(parse_url(url, name_in="url"))
        shown = redact_url(str(target))
        with closing(client), client.within(self.limits.request_seconds):
            try:
                with _follow(client, target) as response:
                    check_status(response, shown)
                    yield response
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                reason = str(error) or type(error).__name__
                raise Problem("url_failed", f"{shown}: {reason}", retry_after=1) from error


@contextmanager
def _follow(client: Any, url: Any) -> Iterator[Any]:
    from scanner.sources.http import REDIRECTS as STATUSES
    from scanner.sources.http import parse_url, redact_url

    for _ in range(REDIRECTS + 1):
        found: AbstractContextManager[Any] = client.get(url)
        with found as response:
            if response.status_code not in STATUSES:
                yield response
                return
            location = response.headers.get("Location", "")
        url = _check_scheme(parse_url(location, name_in=redact_url(str(url)), base=url))
    raise RefusedError(f"{redact_url(str(url))}: over {REDIRECTS} redirects")


def _check_scheme(url: Any) -> Any:
    if url.scheme in ("http", "https") and url.host:
        return url
    raise RefusedError(f"{url.scheme or 'no scheme'}: only http and https are fetched")


def _store(
    parts: Iterator[bytes], incoming: IncomingObject, *, limit: int, accepts: Accepts
) -> None:
    """Write a body to a file, within a limit, if it is of an accepted format."""
    head, sniffed = b"", False
    for part in parts:
        if incoming.size + len(part) > limit:
            raise LimitError(f"over {limit} bytes", kind="limit_bytes")
        incoming.write(part)
        if not sniffed:
            head += part[:HEAD_BYTES]
            if len(head) >= HEAD_BYTES:
                check_container(head[:HEAD_BYTES], accepts)
                sniffed = True
    if not sniffed:
        check_container(head[:HEAD_BYTES], accepts)


def _problem(error: ScannerError) -> Problem:
    """Return the error that a failed fetch is answered with."""
    if isinstance(error, LimitError):
        return Problem("too_large", str(error))
    if isinstance(error, RefusedError):
        return Problem("url_refused", str(error))
    return Problem("url_failed", str(error), retry_after=1)

"""One attempt to deliver a webhook: a signed POST, and what the receiver answered.

2xx                       delivered
410                       gone: the receiver wants no more
3xx, other, no answer     failed: tried again; redirects are not followed
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final

import httpcore
import httpx
from standardwebhooks import Webhook

from scanner.delivery.receiver import Answer, Result
from scanner.settings.service import WebhookSettings
from scanner.sources.addresses import is_public_address

__all__ = ["WebhookClient", "judge_status"]

MOST_ANSWER_BYTES: Final = 16_384
"""Bytes of an answer that are read before the connection is closed."""
LAST_PORT: Final = 65_535
LONGEST_WAIT: Final = 3600.0
"""Longest ``Retry-After`` in seconds that a receiver is granted."""


def judge_status(status: int) -> Result:
    """Return what an HTTP status means for a delivery.

    >>> judge_status(204), judge_status(302), judge_status(410), judge_status(503)
    ('delivered', 'failed', 'gone', 'failed')
    """
    if 200 <= status < 300:
        return "delivered"
    return "gone" if status == httpx.codes.GONE else "failed"


class WebhookClient:
    """Posts to one receiver over connections that stay open; belongs to one event loop."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._webhook = Webhook(settings.secret)
        self._settings = settings
        self._client = httpx.AsyncClient(
            transport=_transport(settings),
            trust_env=False,
            follow_redirects=False,
            timeout=settings.timeout_seconds,
            # one with other letters than ASCII could not be sent back, nor any message with it
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": "streamwarden", "Accept-Encoding": "identity"},
        )

    async def post_all(
        self, messages: Sequence[tuple[str, str]], *, now: Callable[[], float]
    ) -> list[Answer]:
        """Send messages, given as id and body, side by side."""
        posts = (self.post(name, body, now=now()) for name, body in messages)
        return list(await asyncio.gather(*posts))

    async def post(self, message_id: str, body: str, *, now: float) -> Answer:
        """Sign and send one message; never raises for what the receiver or the network does."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                status, retry_after = await self._exchange(message_id, body, now)
        except (TimeoutError, httpx.TimeoutException):
            error = f"no answer within {self._settings.timeout_seconds:g} s"
            return Answer(result="failed", seconds=time.monotonic() - began, error=error)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"[:500]
            return Answer(result="failed", seconds=time.monotonic() - began, error=error)
        result = judge_status(status)
        return Answer(
            result=result,
            seconds=time.monotonic() - began,
            status=status,
            error=None if result == "delivered" else f"the receiver answers {status}",
            retry_after=retry_after,
        )

    async def _exchange(self, message_id: str, body: str, now: float) -> tuple[int, float | None]:
        at = datetime.fromtimestamp(int(now), UTC)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": self._webhook.sign(message_id, at, body),
        }
        async with self._client.stream(
            "POST", self._settings.url, content=body.encode(), headers=headers
        ) as response:
            received = 0
            async for chunk in response.aiter_raw():
                received += len(chunk)
                if received > MOST_ANSWER_BYTES:
                    break
            return response.status_code, _retry_after(response, now)

    async def close(self) -> None:
        """Close the connections to all receivers."""
        await self._client.aclose()


def _retry_after(response: httpx.Response, now: float) -> float | None:
    """Return the seconds that a receiver asks for, as a number or as a date; None for neither."""
    value = response.headers.get("Retry-After", "")
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT)
    try:
        wait = parsedate_to_datetime(value).timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):  # whatever a receiver may write
        return None
    return min(max(wait, 0.0), LONGEST_WAIT)


# Connections


def _transport(settings: WebhookSettings) -> httpx.AsyncHTTPTransport:
    context = httpx.create_ssl_context(trust_env=False)
    transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
    # AsyncHTTPTransport has no argument for a network backend, which its pool does have
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=context,
        network_backend=_GuardedBackend(public_only=settings.addresses == "public"),
    )
    return transport


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were checked, so that a name cannot change in between."""

    def __init__(self, *, public_only: bool) -> None:
        self._public_only = public_only
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of the host that accepts.

        Raises:
            httpcore.ConnectError: one of its addresses is not allowed, or none accepts.
        """
        if port > LAST_PORT:  # an address that anyio raises a group of errors for
            raise httpcore.ConnectError(f"there is no port {port}")
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if self._public_only and not all(map(is_public_address, addresses)):
            raise httpcore.ConnectError("the receiver has an address that is not public")
        failure = httpcore.ConnectError("the receiver has no address")
        for address in addresses:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except httpcore.ConnectError as error:
                failure = error
        raise failure

"""The parts that all requests share: validated URLs, a client that ignores the environment,
statuses as errors, and time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Final

import httpx

from scanner.errors import InputError, RefusedError, TransientError
from scanner.sources.addresses import AddressPolicy
from scanner.sources.cancellation import Cancellation
from scanner.sources.connections import BoundedTransport
from scanner.sources.exchange import Exchange
from scanner.sources.resolving import Hosts

__all__ = [
    "PORTS",
    "REDIRECTS",
    "AbsentError",
    "HttpClient",
    "check_status",
    "describe_failure",
    "origin_of",
    "parse_url",
    "peer_of",
    "redact_url",
]

PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_ERROR_NUMBER = re.compile(r"^\[Errno -?\d+\] ")
_RETRIABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABSENT: Final = frozenset({403, 404, 410})


class AbsentError(InputError):
    """The server has nothing at this URL."""


class HttpClient:
    """GET requests over persistent connections, one at a time, each exchange within bounds.

    Redirects are not followed. Proxies, cookies and passwords of the environment are not used.
    """

    def __init__(
        self,
        *,
        idle_seconds: float,
        addresses: AddressPolicy = "any",
        cancellation: Cancellation | None = None,
        now: Callable[[], float] = time.monotonic,
        hosts: Hosts | None = None,
    ) -> None:
        """``idle_seconds`` bounds each wait for the server; ``cancellation`` shuts connections
        down."""
        self._exchange = Exchange(addresses, now=now)
        transport = BoundedTransport(
            self._exchange, cancellation or Cancellation(), hosts or Hosts()
        )
        self._client = httpx.Client(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=idle_seconds,
            headers={"Accept-Encoding": "identity", "User-Agent": "streamwarden"},
        )

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound the wall-clock time of everything in the block: look-ups of names, connections,
        redirects and bodies."""
        return self._exchange.within(seconds)

    def get(
        self, url: httpx.URL, headers: Mapping[str, str] | None = None
    ) -> AbstractContextManager[httpx.Response]:
        """Give the response of a URL, whose body is not read yet, until the block ends.

        Raises:
            httpx.HTTPError: the server cannot be reached, violates HTTP or takes too long.
            RefusedError: its address is not allowed.
        """
        return self._client.stream("GET", url, headers=headers)

    def stay_public(self) -> None:
        """Allow only public addresses until the block of ``within`` ends."""
        self._exchange.addresses = "public"

    def close(self) -> None:
        """Close the client's connections."""
        self._client.close()


def peer_of(response: httpx.Response) -> str:
    """Return the IP address that a response came from."""
    address = response.extensions["network_stream"].get_extra_info("server_addr")
    return str(address[0])


def check_status(response: httpx.Response, shown: str) -> None:
    """Accept a response that has the requested body.

    Raises:
        TransientError: it may be there later.
        AbsentError: it is not there.
        InputError: any other status.
    """
    status = response.status_code
    if status in _RETRIABLE:
        raise TransientError(f"{shown}: the server answers {status}")
    if status in _ABSENT:
        raise AbsentError(f"{shown}: the server answers {status}", kind="missing")
    if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise InputError(f"{shown}: the server answers {status}")


def describe_failure(error: Exception) -> str:
    """Return why a request failed, without the number that Python puts before it.

    >>> describe_failure(httpx.ConnectError("[Errno 111] Connection refused"))
    'Connection refused'
    """
    return _ERROR_NUMBER.sub("", str(error)) or type(error).__name__


def parse_url(name: str, *, name_in: str, base: httpx.URL | None = None) -> httpx.URL:
    """Parse a URL and resolve it against ``base``.

    Raises:
        RefusedError: it is not a URL; the message begins with ``name_in``.
    """
    try:
        url = httpx.URL(name)
        return url if base is None else base.join(url)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise RefusedError(f"{name_in}: {name[:200]!r} is not a URL: {error}") from error


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Return scheme, host and port."""
    return url.scheme, url.host, url.port or PORTS.get(url.scheme)


def redact_url(location: str) -> str:
    """Return a URL as messages may show it: without password and query.

    >>> redact_url("https://user:secret@cdn.example/a.onnx?token=1")
    'https://cdn.example/a.onnx'
    """
    try:
        url = httpx.URL(location)
        bare = url.copy_with(username=None, password=None, query=None, fragment=None)
    except (httpx.InvalidURL, ValueError):
        return location.partition("?")[0].rpartition("@")[2]
    return str(bare) if url.host else location

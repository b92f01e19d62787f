"""What all requests share: validated URLs, a client that ignores the environment, statuses as
errors, and time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httpx

from scanner.errors import InputError, RefusedError, TransientError
from scanner.sources.cancellation import Cancellation
from scanner.sources.connections import CancellableTransport

__all__ = [
    "PORTS",
    "REDIRECTS",
    "AbsentError",
    "WallClock",
    "check_status",
    "open_client",
    "origin_of",
    "parse_url",
    "redact_url",
]

PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_RETRIABLE: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABSENT: Final = frozenset({403, 404, 410})


class AbsentError(InputError):
    """The server has nothing at this URL."""


@dataclass(frozen=True, slots=True)
class WallClock:
    """Time as two functions, so that a test can run hours in no time."""

    now: Callable[[], float] = time.monotonic
    """Returns seconds since any fixed moment."""
    sleep: Callable[[float], None] = time.sleep


def open_client(idle_seconds: float, cancellation: Cancellation | None = None) -> httpx.Client:
    """Open a client that does not follow redirects and does not use proxies, cookies or passwords
    from the environment; ``cancellation`` shuts its connections down."""
    return httpx.Client(
        transport=CancellableTransport(cancellation or Cancellation()),
        trust_env=False,
        follow_redirects=False,
        timeout=idle_seconds,
        headers={"Accept-Encoding": "identity", "User-Agent": "streamwarden"},
    )


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
    url = httpx.URL(location)
    return (
        str(url.copy_with(username=None, password=None, query=None, fragment=None))
        if url.host
        else location
    )

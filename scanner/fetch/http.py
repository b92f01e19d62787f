"""What every request has in common: addresses that are checked, a client that takes nothing from
the environment, statuses by blame."""

from __future__ import annotations

from typing import Final

import httpx

from scanner.errors import InputError, RefusedError, TransientError

__all__ = [
    "PORTS",
    "REDIRECTS",
    "AbsentError",
    "check_status",
    "open_client",
    "origin_of",
    "parsed",
    "without_secrets",
]

PORTS: Final = {"http": 80, "https": 443}
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_TRY_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ABSENT: Final = frozenset({403, 404, 410})


class AbsentError(InputError):
    """The server has nothing there."""


def open_client(idle_seconds: float) -> httpx.Client:
    """One that follows no redirect by itself, and uses no proxies, cookies or passwords of the
    environment."""
    return httpx.Client(
        trust_env=False,
        follow_redirects=False,
        timeout=idle_seconds,
        headers={"Accept-Encoding": "identity", "User-Agent": "streamwarden"},
    )


def check_status(answer: httpx.Response, shown: str) -> None:
    """Let through what has a body that was asked for.

    Raises:
        TransientError: it may be there later.
        AbsentError: it is not there.
        InputError: any other answer.
    """
    status = answer.status_code
    if status in _TRY_AGAIN:
        raise TransientError(f"{shown}: the server answers {status}")
    if status in _ABSENT:
        raise AbsentError(f"{shown}: the server answers {status}", kind="missing")
    if status not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        raise InputError(f"{shown}: the server answers {status}")


def parsed(name: str, *, name_in: str, base: httpx.URL | None = None) -> httpx.URL:
    """The address that a name means, seen from ``base``.

    Raises:
        RefusedError: it is none.
    """
    try:
        url = httpx.URL(name)
        return url if base is None else base.join(url)
    except (httpx.InvalidURL, ValueError, TypeError) as why:
        raise RefusedError(f"{name_in}: {name[:200]!r} is no address: {why}") from why


def origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port."""
    return url.scheme, url.host, url.port or PORTS.get(url.scheme)


def without_secrets(location: str) -> str:
    """An address as messages may show it: without password and query.

    >>> without_secrets("https://user:secret@cdn.example/a.onnx?token=1")
    'https://cdn.example/a.onnx'
    """
    url = httpx.URL(location)
    return (
        str(url.copy_with(username=None, password=None, query=None, fragment=None))
        if url.host
        else location
    )

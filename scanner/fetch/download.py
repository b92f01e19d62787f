"""One file from an address that the operator named, in memory: only over https, but for a server on
this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Final

import httpx

from scanner.errors import LimitError, RefusedError, TransientError
from scanner.fetch.addresses import Resolve, is_public, resolved
from scanner.fetch.http import (
    REDIRECTS,
    check_status,
    open_client,
    origin_of,
    parsed,
    without_secrets,
)
from scanner.fetch.limits import FetchLimits
from scanner.fetch.pace import Pace

__all__ = ["download"]

MOST_REDIRECTS: Final = 5
"""File hosts send to a mirror, and that to a store."""
MOST_SECONDS: Final = 3600.0


def download(
    url: str,
    *,
    most: int,
    limits: FetchLimits | None = None,
    pace: Pace | None = None,
    resolve: Resolve = resolved,
) -> bytes:
    """The whole file, tried once. Whoever takes it must hold it to a checksum: nothing is said here
    of what it is.

    Raises:
        RefusedError: an address, or one that it leads to, that is not https (http is for this
            machine's own loopback), or a public address that leads into a private network.
        LimitError: over ``most`` bytes.
        InputError: the server has no such file.
        TransientError: the server cannot be reached now, or takes too long.
    """
    limits, pace = limits or FetchLimits(), pace or Pace()
    start = parsed(url, name_in="address")
    shown, deadline = without_secrets(str(start)), pace.now() + MOST_SECONDS
    if not (start.scheme == "https" or (start.scheme == "http" and _is_loopback(start.host))):
        raise RefusedError(f"{shown}: only https is read (http from this machine alone)")
    try:
        with open_client(limits.idle_seconds) as client, _answer(client, start, resolve) as answer:
            check_status(answer, shown)
            return _body(answer, shown, most, pace, deadline)
    except httpx.HTTPError as why:
        raise TransientError(f"{shown}: {str(why) or type(why).__name__}") from why


@contextmanager
def _answer(client: httpx.Client, start: httpx.URL, resolve: Resolve) -> Iterator[httpx.Response]:
    """The last answer of a chain of redirects, each of which stays at its origin or leads to https,
    and never inwards.

    A server's word must not send us where its sender cannot reach. That a name is resolved again
    for the request opens no way around: the certificate must be of that name.
    """
    url = start
    for _ in range(MOST_REDIRECTS + 1):
        with client.stream("GET", url) as answer:
            if answer.status_code not in REDIRECTS:
                yield answer
                return
            shown = without_secrets(str(url))
            following = parsed(answer.headers.get("Location", ""), name_in=shown, base=url)
        if following.scheme != "https" and origin_of(following) != origin_of(url):
            raise RefusedError(
                f"{shown}: leads to {without_secrets(str(following))!r}, which is another origin and not https"
            )
        if (
            origin_of(following) != origin_of(url)
            and not is_public(following.host, resolve)
            and is_public(url.host, resolve)
        ):
            raise RefusedError(
                f"{shown}: leads to {without_secrets(str(following))!r}, which is in a private network"
            )
        url = following
    raise RefusedError(f"{without_secrets(str(start))}: over {MOST_REDIRECTS} redirects")


def _body(answer: httpx.Response, shown: str, most: int, pace: Pace, deadline: float) -> bytes:
    body = bytearray()
    for part in answer.iter_raw():
        body += part
        if len(body) > most:
            raise LimitError(f"{shown}: over {most} bytes", kind="limit_bytes")
        if pace.now() > deadline:
            raise TransientError(f"{shown}: not here after {MOST_SECONDS:g} s")
    return bytes(body)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Download of one file from a URL that the operator named, into memory: over https only, except
from a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_address
from typing import Final

import httpx

from scanner.errors import LimitError, RefusedError, TransientError
from scanner.sources.http import (
    REDIRECTS,
    HttpClient,
    check_status,
    describe_failure,
    origin_of,
    parse_url,
    peer_of,
    redact_url,
)
from scanner.sources.limits import FetchLimits
from scanner.sources.resolving import Hosts
from scanner.sources.wall_clock import WallClock

__all__ = ["download"]

MAX_REDIRECTS: Final = 5
"""File hosts redirect to a mirror, and mirrors to a store."""
MAX_SECONDS: Final = 3600.0


def download(
    url: str,
    *,
    most: int,
    limits: FetchLimits | None = None,
    clock: WallClock | None = None,
    hosts: Hosts | None = None,
    seconds: float = MAX_SECONDS,
) -> bytes:
    """Return the whole file, at most ``most`` bytes, in one attempt of at most ``seconds``.

    The content is not checked here; the caller must compare it with a checksum.

    Raises:
        RefusedError: the URL, or one that it redirects to, is not https (http is for this
            machine's own loopback), or a public server redirects into a private network.
        LimitError: the file is longer than ``most`` bytes.
        InputError: the server has no such file.
        TransientError: the server cannot be reached now, or takes too long.
    """
    limits, clock = limits or FetchLimits(), clock or WallClock()
    start = _check_scheme(parse_url(url, name_in="address"))
    shown = redact_url(str(start))
    hosts = hosts or Hosts()
    client = HttpClient(
        idle_seconds=limits.idle_seconds,
        addresses=limits.addresses,
        now=clock.now,
        hosts=hosts,
    )
    try:
        with (
            closing(client),
            client.within(seconds),
            _request(client, start, hosts) as response,
        ):
            check_status(response, shown)
            return _read_body(response, shown, most)
    except httpx.HTTPError as error:
        raise TransientError(f"{shown}: {describe_failure(error)}") from error


def _check_scheme(url: httpx.URL) -> httpx.URL:
    if url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host)):
        return url
    raise RefusedError(f"{redact_url(str(url))}: only https is read (http from this machine alone)")


@contextmanager
def _request(client: HttpClient, start: httpx.URL, hosts: Hosts) -> Iterator[httpx.Response]:
    """Give the last response of a chain of redirects.

    Each redirect stays at its origin or leads to https, and never from a public server into a
    private network: a server must not make us read what its own owner cannot reach.
    """
    url = start
    for _ in range(MAX_REDIRECTS + 1):
        with client.get(url) as response:
            if response.status_code not in REDIRECTS:
                yield response
                return
            shown = redact_url(str(url))
            target = parse_url(response.headers.get("Location", ""), name_in=shown, base=url)
            if hosts.is_public(peer_of(response)):
                client.stay_public()
        if target.scheme != "https" and origin_of(target) != origin_of(url):
            raise RefusedError(
                f"{shown}: redirects to {redact_url(str(target))!r}, "
                "which is another origin and not https"
            )
        url = target
    raise RefusedError(f"{redact_url(str(start))}: over {MAX_REDIRECTS} redirects")


def _read_body(response: httpx.Response, shown: str, most: int) -> bytes:
    body = bytearray()
    for part in response.iter_raw():
        body += part
        if len(body) > most:
            raise LimitError(f"{shown}: over {most} bytes", kind="limit_bytes")
    return bytes(body)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

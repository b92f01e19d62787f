"""Download of one file from a URL that the operator named, into memory: over https only, except
from a server on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

import httpx

from scanner.errors import LimitError, RefusedError, TransientError
from scanner.sources.http import (
    REDIRECTS,
    WallClock,
    check_status,
    open_client,
    origin_of,
    parse_url,
    redact_url,
)
from scanner.sources.limits import FetchLimits

__all__ = ["ResolveHost", "download", "is_public", "resolve_host"]

MAX_REDIRECTS: Final = 5
"""File hosts redirect to a mirror, and mirrors to a store."""
MAX_SECONDS: Final = 3600.0

_TRANSLATED: Final = (
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
)
"""NAT64, 6to4 and Teredo: the IPv4 address inside may be private, and Python calls some of these
global."""

ResolveHost = Callable[[str], Sequence[str]]
"""Returns a host's addresses; none if the host is unknown."""


def resolve_host(host: str) -> Sequence[str]:
    """Return a host's addresses as this machine resolves them."""
    try:
        return [
            str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        ]
    except OSError:
        return ()


def download(
    url: str,
    *,
    most: int,
    limits: FetchLimits | None = None,
    clock: WallClock | None = None,
    resolve: ResolveHost = resolve_host,
) -> bytes:
    """Return the whole file, at most ``most`` bytes, in one attempt.

    The content is not checked here; the caller must compare it with a checksum.

    Raises:
        RefusedError: the URL, or one that it redirects to, is not https (http is for this
            machine's own loopback), or a public server redirects into a private network.
        LimitError: the file is longer than ``most`` bytes.
        InputError: the server has no such file.
        TransientError: the server cannot be reached now, or takes too long.
    """
    limits, clock = limits or FetchLimits(), clock or WallClock()
    start = parse_url(url, name_in="address")
    shown, deadline = redact_url(str(start)), clock.now() + MAX_SECONDS
    if not (start.scheme == "https" or (start.scheme == "http" and _is_loopback(start.host))):
        raise RefusedError(f"{shown}: only https is read (http from this machine alone)")
    try:
        with (
            open_client(limits.idle_seconds) as client,
            _request(client, start, resolve) as response,
        ):
            check_status(response, shown)
            return _read_body(response, shown, most, clock, deadline)
    except httpx.HTTPError as error:
        raise TransientError(f"{shown}: {str(error) or type(error).__name__}") from error


def is_public(host: str, resolve: ResolveHost = resolve_host) -> bool:
    """Return whether every address of a host is reachable from the public Internet.

    >>> hosts = ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "2002:a00:1::", "8.8.8.8")
    >>> [is_public(host) for host in hosts]
    [False, False, False, False, True]
    """
    try:
        addresses: Sequence[str] = [str(ip_address(host))]
    except ValueError:
        addresses = resolve(host)
    return bool(addresses) and all(_is_public_address(address) for address in addresses)


@contextmanager
def _request(
    client: httpx.Client, start: httpx.URL, resolve: ResolveHost
) -> Iterator[httpx.Response]:
    """Give the last response of a chain of redirects.

    Each redirect stays at its origin or leads to https, and never from a public server into a
    private network: a server must not make us read what its own owner cannot reach. That the name
    is resolved again for the request is no loophole, because the certificate must be for that name.
    """
    url = start
    for _ in range(MAX_REDIRECTS + 1):
        with client.stream("GET", url) as response:
            if response.status_code not in REDIRECTS:
                yield response
                return
            shown = redact_url(str(url))
            target = parse_url(response.headers.get("Location", ""), name_in=shown, base=url)
        shown_target = redact_url(str(target))
        if target.scheme != "https" and origin_of(target) != origin_of(url):
            raise RefusedError(
                f"{shown}: redirects to {shown_target!r}, which is another origin and not https"
            )
        if (
            origin_of(target) != origin_of(url)
            and not is_public(target.host, resolve)
            and is_public(url.host, resolve)
        ):
            raise RefusedError(
                f"{shown}: redirects to {shown_target!r}, which is in a private network"
            )
        url = target
    raise RefusedError(f"{redact_url(str(start))}: over {MAX_REDIRECTS} redirects")


def _read_body(
    response: httpx.Response, shown: str, most: int, clock: WallClock, deadline: float
) -> bytes:
    body = bytearray()
    for part in response.iter_raw():
        body += part
        if len(body) > most:
            raise LimitError(f"{shown}: over {most} bytes", kind="limit_bytes")
        if clock.now() > deadline:
            raise TransientError(f"{shown}: not complete after {MAX_SECONDS:g} s")
    return bytes(body)


def _is_public_address(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return (
        ip.is_global and not ip.is_multicast and not any(ip in network for network in _TRANSLATED)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Which hosts are out in the open, and which only this machine or its network can reach."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

__all__ = ["Resolve", "is_public", "resolved"]

Resolve = Callable[[str], Sequence[str]]
"""A host's addresses; empty where nobody knows it."""

_TRANSLATED: Final = (
    ip_network("64:ff9b::/96"),
    ip_network("64:ff9b:1::/48"),
    ip_network("2002::/16"),
    ip_network("2001::/32"),
)
"""NAT64, 6to4 and Teredo: the IPv4 address inside may be anybody's, and Python calls some of them
global."""


def resolved(host: str) -> Sequence[str]:
    """As this machine resolves it."""
    try:
        return [
            str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        ]
    except OSError:
        return ()


def is_public(host: str, resolve: Resolve = resolved) -> bool:
    """Whether each address of a host is one that anybody can reach.

    >>> [is_public(host) for host in ("10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "2002:a00:1::", "8.8.8.8")]
    [False, False, False, False, True]
    """
    try:
        addresses: Sequence[str] = [str(ip_address(host))]
    except ValueError:
        addresses = resolve(host)
    return bool(addresses) and all(_is_public(address) for address in addresses)


def _is_public(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return (
        ip.is_global and not ip.is_multicast and not any(ip in network for network in _TRANSLATED)
    )

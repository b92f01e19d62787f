"""Which IP addresses a request that someone else chose may go to: an own table.

``ipaddress.is_global`` is no check: it calls addresses global that lead inside by translation
(NAT64, 6to4, ISATAP), by multicast, or to the metadata service of a cloud.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Literal

__all__ = ["AddressPolicy", "is_public_address"]

AddressPolicy = Literal["any", "public"]
"""Where a connection may go: anywhere, for what an operator names; to public addresses only, for
what senders name."""

_NOT_PUBLIC_V4: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' NAT; the metadata service of a cloud
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host, reached from inside only
        "169.254.0.0/16",  # link-local; the metadata services of most clouds
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; the metadata service of a cloud
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT relays
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
    )
)
_GLOBAL_V6: Final = ip_network("2000::/3")
"""The only part of IPv6 that is assigned for global unicast."""
_NOT_PUBLIC_V6: Final = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID, AMT, AS112
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address is inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""The third quarter of an address in whose last quarter is an IPv4 address."""


def is_public_address(address: str | IPv4Address | IPv6Address) -> bool:
    """Return whether an address is one of a host on the public Internet.

    False for everything else: text that is no address, or one with a zone.

    >>> [is_public_address(one) for one in ("8.8.8.8", "10.0.0.1", "64:ff9b::808:808", "fe80::1%1")]
    [True, False, False, False]
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_V4)
    if ip.scope_id is not None or ip not in _GLOBAL_V6:
        return False
    if (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
        return False
    return not any(ip in network for network in _NOT_PUBLIC_V6)

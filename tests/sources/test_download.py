"""Download of one file from a URL that the operator named."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, repeat

import pytest

from scanner.errors import InputError, LimitError, RefusedError, TransientError
from scanner.sources.addresses import is_public_address
from scanner.sources.download import download
from scanner.sources.resolving import HostAddress, Hosts
from scanner.sources.wall_clock import WallClock
from tests.sources.loopback import Answer, Server

MOST = 1000


def redirect_to(location: str) -> Answer:
    return Answer(status=302, headers={"Location": location})


def test_a_file_is_read_whole(server: Server) -> None:
    server.pages["/a.onnx"] = Answer(b"a" * MOST)

    assert download(f"{server.origin}/a.onnx", most=MOST) == b"a" * MOST


@pytest.mark.parametrize(
    "url",
    [
        "http://models.example/a",
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "http://user:secret@10.0.0.1/a",
    ],
)
def test_other_schemes_than_https_are_refused_except_on_loopback(url: str) -> None:
    with pytest.raises(RefusedError, match="only https is read") as caught:
        download(url, most=MOST)

    assert "secret" not in str(caught.value)


def test_redirects_at_its_origin_are_followed(server: Server) -> None:
    server.pages |= {
        "/a": redirect_to("/b"),
        "/b": redirect_to(f"{server.origin}/c"),
        "/c": Answer(b"c"),
    }

    assert download(f"{server.origin}/a", most=MOST) == b"c"


def test_a_redirect_to_another_origin_is_refused_unless_it_is_https(
    server: Server, make_server: Callable[[], Server]
) -> None:
    other = make_server()
    server.pages |= {
        "/plain": redirect_to(f"{other.origin}/a"),
        "/https": redirect_to(f"{other.origin}/a".replace("http:", "https:")),
    }

    with pytest.raises(RefusedError, match="another origin and not https"):
        download(f"{server.origin}/plain", most=MOST)
    with pytest.raises(TransientError):  # it was requested: that server does not speak TLS
        download(f"{server.origin}/https", most=MOST)

    assert other.requests == []


def hosts_with(**addresses: str) -> Hosts:
    """Return hosts with these addresses in place of dots in their names, of which the server's own
    counts as public."""

    def resolve(host: str, port: int) -> list[HostAddress]:
        address = addresses[host.partition(".")[0]]
        return [(socket.AF_INET6 if ":" in address else socket.AF_INET, (address, port))]

    return Hosts(resolve, lambda address: address == "127.0.0.1" or is_public_address(address))


@pytest.mark.parametrize(
    "inside", ["10.0.0.7", "169.254.169.254", "127.0.0.2", "fd00::1", "64:ff9b::a00:1", "224.0.0.1"]
)
def test_a_public_server_may_not_redirect_into_a_private_network(
    inside: str, server: Server
) -> None:
    server.pages["/a"] = redirect_to("https://inner.example/a")

    with pytest.raises(RefusedError, match=r"inner\.example: is in a private network"):
        download(f"{server.origin}/a", most=MOST, hosts=hosts_with(inner=inside))


def test_a_private_server_may_redirect_into_its_network(server: Server) -> None:
    server.pages["/a"] = redirect_to("https://inner.example/a")
    hosts = replace(hosts_with(inner="127.0.0.2"), is_public=is_public_address)

    with pytest.raises(TransientError):  # it was asked: nothing answers there
        download(f"{server.origin}/a", most=MOST, hosts=hosts)


def test_the_number_of_redirects_is_limited(server: Server) -> None:
    server.pages["/a"] = redirect_to("/a")

    with pytest.raises(RefusedError, match="over 5 redirects"):
        download(f"{server.origin}/a", most=MOST)


def test_a_file_over_the_limit_is_refused(server: Server) -> None:
    server.pages["/a"] = Answer(b"a" * (MOST + 1))

    with pytest.raises(LimitError, match="over 1000 bytes"):
        download(f"{server.origin}/a", most=MOST)


def test_a_server_that_takes_too_long_is_given_up(server: Server) -> None:
    server.pages["/a"] = Answer(b"a")
    clock = chain((0.0, 1.0), repeat(3601.0))

    with pytest.raises(TransientError, match="not complete after 3600 s"):
        download(f"{server.origin}/a", most=MOST, clock=WallClock(now=lambda: next(clock)))


def test_statuses_of_the_server_become_errors_by_blame(server: Server) -> None:
    server.pages |= {"/busy": Answer(status=503), "/short": Answer(b"a", promised=10)}

    with pytest.raises(InputError, match="the server answers 404"):
        download(f"{server.origin}/gone", most=MOST)
    with pytest.raises(TransientError, match="the server answers 503"):
        download(f"{server.origin}/busy", most=MOST)
    with pytest.raises(TransientError):
        download(f"{server.origin}/short", most=MOST)

"""Download of one file from a URL that the operator named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scanner.errors import InputError, LimitError, RefusedError, TransientError
from scanner.sources.download import download, is_public
from scanner.sources.http import WallClock
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


@pytest.mark.parametrize(
    "inside", ["10.0.0.7", "169.254.169.254", "127.0.0.1", "fd00::1", "64:ff9b::a00:1", "224.0.0.1"]
)
def test_a_public_server_may_not_redirect_into_a_private_network(
    inside: str, server: Server
) -> None:
    server.pages["/a"] = redirect_to("https://inner.example/a")
    public = server.origin.replace("127.0.0.1", "localhost")  # resolved as a public address below
    names = {"localhost": ["93.184.216.34"], "inner.example": [inside]}

    with pytest.raises(RefusedError, match="which is in a private network"):
        download(f"{public}/a", most=MOST, resolve=names.__getitem__)


def test_a_host_is_public_only_if_all_its_addresses_are(server: Server) -> None:
    assert not is_public("both.example", lambda _: ["93.184.216.34", "10.0.0.1"])
    assert not is_public("nowhere.example", lambda _: [])
    assert is_public("open.example", lambda _: ["93.184.216.34", "2606:2800:220:1::1"])


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
    clock = iter((0.0, 3601.0))

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

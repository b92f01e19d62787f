"""A server may do what it likes: a request ends in its time, and one address is another's never."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from scanner.errors import LimitError, RefusedError, TransientError
from scanner.sources import resolving
from scanner.sources.addresses import AddressPolicy
from scanner.sources.cancellation import Cancellation, SourceCancelledError
from scanner.sources.download import download
from scanner.sources.http import HttpClient, parse_url
from scanner.sources.limits import FetchLimits
from scanner.sources.origin import Origin
from scanner.sources.resolving import MAX_LOOKUPS, HostAddress, Hosts, resolve_within
from scanner.sources.wall_clock import WallClock
from tests.sources.loopback import Answer, Server
from tests.sources.raw_server import Connection, run_raw_server

SECONDS = 0.4
LIMITS = FetchLimits(idle_seconds=60, request_seconds=SECONDS, attempts=1)
TOO_SLOW = r"not complete after 0\.4 s"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


def drip_status(client: Connection) -> None:
    for byte in b"HTTP/1.1 200 O":
        client.send(bytes([byte]))
    client.wait()


def drip_headers(client: Connection) -> None:
    client.send(OK)
    client.drip(b"X: y\r\n")


def drip_one_header(client: Connection) -> None:
    client.send(OK + b"X: ")
    client.drip(b"y")


def drip_interim_responses(client: Connection) -> None:
    client.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


def drip_chunks(client: Connection) -> None:
    client.send(CHUNKED)
    client.drip(b"1\r\nx\r\n")


def drip_a_chunk_extension(client: Connection) -> None:
    client.send(CHUNKED + b"1;")
    client.drip(b"x")


def drip_trailers(client: Connection) -> None:
    client.send(CHUNKED + b"1\r\nx\r\n0\r\n")
    client.drip(b"X: y\r\n")


def drip_a_body_of_known_length(client: Connection) -> None:
    client.send(OK + b"Content-Length: 9999\r\n\r\n")
    client.drip(b"x")


def drip_a_body_until_the_end(client: Connection) -> None:
    client.send(OK + b"\r\n")
    client.drip(b"x")


def drip_gzip_of_nothing(client: Connection) -> None:
    packer = zlib.compressobj(wbits=31)
    client.send(OK + b"Content-Encoding: gzip\r\n\r\n" + packer.compress(b"x"))
    client.drip(packer.flush(zlib.Z_FULL_FLUSH))


def answer_nothing(client: Connection) -> None:
    client.wait()


def redirect_slowly(client: Connection) -> None:
    client.drip(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n", repeat=False)
    client.drip(b"X: y\r\n")


SLOW = [
    drip_status,
    drip_headers,
    drip_one_header,
    drip_interim_responses,
    drip_chunks,
    drip_a_chunk_extension,
    drip_trailers,
    drip_a_body_of_known_length,
    drip_a_body_until_the_end,
    drip_gzip_of_nothing,
    answer_nothing,
    redirect_slowly,
]


def after_a_request(script: Callable[[Connection], None]) -> Callable[[Connection], None]:
    def answer(client: Connection) -> None:
        client.read_request()
        script(client)

    return answer


def read_from(port: int, *, limits: FetchLimits = LIMITS, scheme: str = "http") -> bytes:
    url = f"{scheme}://127.0.0.1:{port}/index.m3u8"
    with Origin(url, limits, WallClock()) as origin:
        return origin.read_playlist(url)


@pytest.mark.parametrize("script", SLOW, ids=lambda script: script.__name__)
def test_a_slow_server_is_given_up_in_time(script: Callable[[Connection], None]) -> None:
    with (
        run_raw_server(after_a_request(script)) as port,
        pytest.raises(TransientError, match=TOO_SLOW),
    ):
        read_from(port)


@pytest.mark.parametrize("script", SLOW, ids=lambda script: script.__name__)
def test_a_slow_download_is_given_up_in_time(script: Callable[[Connection], None]) -> None:
    with run_raw_server(after_a_request(script)) as port:
        url = f"http://127.0.0.1:{port}/model.onnx"
        with pytest.raises(TransientError, match=TOO_SLOW):
            download(url, most=10_000, limits=LIMITS, seconds=SECONDS)


def drip_a_handshake(client: Connection) -> None:
    client.read_some()
    client.send(b"\x16\x03\x03\x40\x00\x02")
    client.drip(b"\x00")


@pytest.mark.parametrize("script", [answer_nothing, drip_a_handshake])
def test_a_slow_negotiation_of_tls_is_given_up_in_time(
    script: Callable[[Connection], None],
) -> None:
    with (
        run_raw_server(script) as port,
        pytest.raises(TransientError, match=TOO_SLOW),
    ):
        read_from(port, scheme="https")


def flood_interim_responses(client: Connection) -> None:
    client.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def flood_headers(client: Connection) -> None:
    client.send(OK)
    client.flood(b"X: y\r\n" * 100)


def flood_tiny_chunks(client: Connection) -> None:
    client.send(CHUNKED)
    client.flood(b"1\r\nx\r\n" * 1000)


def flood_chunk_extensions(client: Connection) -> None:
    client.send(CHUNKED)
    client.flood(b"1;" + b"x" * 10_000 + b"\r\nx\r\n")


def flood_gzip_of_nothing(client: Connection) -> None:
    packer = zlib.compressobj(wbits=31)
    client.send(OK + b"Content-Encoding: gzip\r\n\r\n" + packer.compress(b"x"))
    client.flood(packer.flush(zlib.Z_FULL_FLUSH) * 100)


@pytest.mark.parametrize(
    "script",
    [
        flood_interim_responses,
        flood_headers,
        flood_tiny_chunks,
        flood_chunk_extensions,
        flood_gzip_of_nothing,
    ],
    ids=lambda script: script.__name__,
)
def test_a_server_that_floods_is_given_up_before_its_time(
    script: Callable[[Connection], None],
) -> None:
    limits = replace(LIMITS, request_seconds=25, playlist_bytes=1 << 20)

    with (
        run_raw_server(after_a_request(script)) as port,
        pytest.raises((TransientError, LimitError)) as caught,
    ):
        read_from(port, limits=limits)

    assert "not complete" not in str(caught.value)


def test_a_body_that_unpacks_to_far_more_is_over_the_limit(server: Server) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    server.pages["/index.m3u8"] = Answer(bomb, headers={"Content-Encoding": "gzip"})
    limits = replace(LIMITS, request_seconds=25, playlist_bytes=1 << 20)

    with pytest.raises(LimitError, match="over 1048576 bytes"):
        read_from(int(server.origin.rpartition(":")[2]), limits=limits)


# Names of hosts


def fetch(
    url: str, hosts: Hosts, *, addresses: AddressPolicy = "any", seconds: float = SECONDS
) -> None:
    client = HttpClient(idle_seconds=60, addresses=addresses, hosts=hosts)
    target = parse_url(url, name_in="test")
    try:
        with client.within(seconds), client.get(target) as response:
            response.read()
    finally:
        client.close()


class HangingNames:
    """A name server that does not answer until the test ends."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self.released = threading.Event()

    def resolve(self, host: str, port: int) -> list[HostAddress]:
        self.asked.release()
        self.released.wait(30)
        return [(socket.AF_INET, ("127.0.0.1", port))]


def test_a_name_server_that_hangs_is_given_up_in_time() -> None:
    names = HangingNames()

    with pytest.raises(httpx.TimeoutException, match=TOO_SLOW):
        fetch("http://slow.example/", Hosts(names.resolve))

    names.released.set()


def wait_for_earlier_lookups() -> None:
    """Wait until no lookup of an earlier test is in progress: they end in threads of their own."""
    for _ in range(MAX_LOOKUPS):
        assert resolving._lookups.acquire(timeout=30)
    for _ in range(MAX_LOOKUPS):
        resolving._lookups.release()


def test_lookups_that_hang_are_bounded() -> None:
    wait_for_earlier_lookups()
    names = HangingNames()

    def look_up(host: str) -> None:
        resolve_within(host, 80, 30, cancellation=Cancellation(), resolve=names.resolve)

    threads = [threading.Thread(target=look_up, args=("a.example",)) for _ in range(MAX_LOOKUPS)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert names.asked.acquire(timeout=30)

    with pytest.raises(OSError, match="64 lookups of host names are in progress"):
        look_up("b.example")

    names.released.set()
    for thread in threads:
        thread.join()
    wait_for_earlier_lookups()
    look_up("b.example")


def test_a_lookup_that_hangs_is_cancelled() -> None:
    names, cancellation = HangingNames(), Cancellation()

    def cancel() -> None:
        assert names.asked.acquire(timeout=30)
        cancellation.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(SourceCancelledError):
        resolve_within("slow.example", 80, 60, cancellation=cancellation, resolve=names.resolve)

    canceller.join()
    names.released.set()


# Addresses


def hosts_at(*addresses: str) -> Hosts:
    """Return hosts that all have these addresses."""
    found = [(socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in addresses]
    return Hosts(lambda _, port: [(family, (one, port)) for family, one in found])


@pytest.mark.parametrize(
    "addresses",
    [("127.0.0.1",), ("93.184.216.34", "10.0.0.1"), ("::1",), ("64:ff9b::a9fe:a9fe",)],
)
def test_a_host_with_any_private_address_is_refused(
    addresses: tuple[str, ...], server: Server
) -> None:
    port = server.origin.rpartition(":")[2]

    with pytest.raises(RefusedError, match=r"inner\.example: is in a private network"):
        fetch(f"http://inner.example:{port}/", hosts_at(*addresses), addresses="public")

    assert server.requests == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "0x7f000001", "2130706433", "017700000001", "[::1]"]
)
def test_every_spelling_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(RefusedError, match="is in a private network"):
        fetch(f"http://{host}:8000/", Hosts(), addresses="public", seconds=20)


def test_a_name_is_connected_to_at_the_address_that_was_checked(server: Server) -> None:
    asked: list[str] = []
    port = int(server.origin.rpartition(":")[2])
    server.pages["/"] = Answer(b"x")

    def resolve(host: str, port: int) -> list[HostAddress]:
        asked.append(host)
        return [(socket.AF_INET, ("127.0.0.1" if len(asked) == 1 else "127.0.0.2", port))]

    hosts = Hosts(resolve, is_public=lambda address: address == "127.0.0.1")
    fetch(f"http://changing.example:{port}/", hosts, addresses="public", seconds=20)

    assert asked == ["changing.example"]
    assert [path for path, _ in server.requests] == ["/"]


def test_a_low_port_that_is_not_of_a_web_server_is_refused() -> None:
    with pytest.raises(RefusedError, match="port 25 is not that of a web server"):
        fetch("http://mail.example:25/", hosts_at("93.184.216.34"), addresses="public")


def test_a_playlist_that_others_chose_is_read_from_public_addresses_only(server: Server) -> None:
    limits = replace(LIMITS, addresses="public")

    with pytest.raises(RefusedError, match="is in a private network"):
        read_from(int(server.origin.rpartition(":")[2]), limits=limits)

    assert server.requests == []


def test_the_environment_names_no_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.pages["/index.m3u8"] = Answer(b"#EXTM3U")
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    limits = replace(LIMITS, request_seconds=25)

    assert read_from(int(server.origin.rpartition(":")[2]), limits=limits) == b"#EXTM3U"

"""Requests that hang are interrupted by a cancellation, wherever they hang."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import psutil
import pytest

from scanner.sources.cancellation import Cancellation, SourceCancelledError
from scanner.sources.hls import follow_playlist
from scanner.sources.limits import FetchLimits
from tests.sources.loopback import Answer, FakeClock, Server

PATIENCE_SECONDS = 30.0
LIMITS = FetchLimits(idle_seconds=600, request_seconds=600)
"""Far longer than a test may take: only the cancellation can end a request in time."""


class WatchedCancellation(Cancellation):
    """Tells when a connection is about to be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.connecting = threading.Event()

    def add_callback(self, callback: Callable[[], None]) -> None:
        super().add_callback(callback)
        self.connecting.set()


def follow_until_cancelled(url: str, *, hangs: Callable[[], None]) -> Exception | None:
    """Follow a playlist in a thread, cancel it when ``hangs`` returns, and return its error.

    None if it did not end.
    """
    cancellation, raised = WatchedCancellation(), list[Exception]()

    def follow() -> None:
        try:
            list(follow_playlist(url, LIMITS, cancellation=cancellation))
        except Exception as error:  # noqa: BLE001 - the test compares its type
            raised.append(error)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert cancellation.connecting.wait(PATIENCE_SECONDS)
    hangs()
    for _ in range(int(PATIENCE_SECONDS / 0.1)):
        cancellation.cancel()
        thread.join(0.1)
        if not thread.is_alive():
            return raised[0]
    return None


@pytest.fixture
def full_port() -> Iterator[int]:
    """A port whose queue of connections is full: further ones are neither accepted nor refused."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=0)) as listener:
        port: int = listener.getsockname()[1]
        with closing(socket.create_connection(("127.0.0.1", port))):
            yield port


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        listener.settimeout(PATIENCE_SECONDS)
        yield listener


def test_while_a_connection_is_opened(full_port: int) -> None:
    raised = follow_until_cancelled(f"http://127.0.0.1:{full_port}/a.m3u8", hangs=lambda: None)

    assert isinstance(raised, SourceCancelledError)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "sent",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n#"],
)
def test_while_a_response_is_awaited_or_read(
    sent: bytes, scheme: str, listener: socket.socket
) -> None:
    """By https, the negotiation of TLS hangs."""
    with ExitStack() as connections:

        def answer_half() -> None:
            connection = connections.enter_context(closing(listener.accept()[0]))
            assert connection.recv(1)
            if scheme == "http":
                connection.sendall(sent)

        port = listener.getsockname()[1]
        raised = follow_until_cancelled(f"{scheme}://127.0.0.1:{port}/a.m3u8", hangs=answer_half)

    assert isinstance(raised, SourceCancelledError)


def test_before_anything_is_requested(listener: socket.socket) -> None:
    cancellation = Cancellation()
    cancellation.cancel()

    with pytest.raises(SourceCancelledError):
        next(
            follow_playlist(
                f"http://127.0.0.1:{listener.getsockname()[1]}/a.m3u8", cancellation=cancellation
            )
        )


def test_connections_leave_no_descriptors_behind(server: Server) -> None:
    server.pages["/index.m3u8"] = [
        Answer(status=503, headers={"Connection": "close"}),
        Answer(b"#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n"),
    ]
    server.pages["/a.ts"] = Answer(b"a")
    clock = FakeClock()
    list(follow_playlist(f"{server.origin}/index.m3u8", clock=clock.wall_clock))
    before = psutil.Process().num_fds()

    for _ in range(5):
        list(follow_playlist(f"{server.origin}/index.m3u8", clock=clock.wall_clock))

    assert psutil.Process().num_fds() <= before


def test_a_connection_that_the_server_closed_is_opened_again(server: Server) -> None:
    server.pages["/index.m3u8"] = Answer(
        b"#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n", headers={"Connection": "close"}
    )
    server.pages["/a.ts"] = Answer(b"a")

    (segment,) = follow_playlist(f"{server.origin}/index.m3u8")

    assert segment.source == b"a"

"""A server on loopback that keeps no rule of HTTP: each connection runs a script of the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

__all__ = ["Connection", "run_raw_server"]

PATIENCE_SECONDS = 30.0
"""After which a script continues to its end; a client that still waits then has failed its test."""
PAUSE_SECONDS = 0.02


class Connection:
    """One connection of a client, as a script sees it."""

    def __init__(self, sock: socket.socket, ended: threading.Event) -> None:
        self._sock = sock
        self._ended = ended

    def read_request(self) -> bytes:
        """Return the head of a request."""
        head = b""
        while b"\r\n\r\n" not in head and (part := self._sock.recv(4096)):
            head += part
        return head

    def read_some(self) -> bytes:
        """Return what the client sends first."""
        return self._sock.recv(4096)

    def send(self, data: bytes) -> None:
        """Send bytes at once."""
        self._sock.sendall(data)

    def drip(self, data: bytes, *, repeat: bool = True) -> None:
        """Send bytes again and again, with pauses, for far longer than any client should wait."""
        for _ in range(int(PATIENCE_SECONDS / PAUSE_SECONDS)):
            self._sock.sendall(data)
            if not repeat or self._ended.wait(PAUSE_SECONDS):
                return

    def flood(self, data: bytes) -> None:
        """Send bytes again and again, as fast as the client takes them."""
        while not self._ended.is_set():
            self._sock.sendall(data)

    def wait(self) -> None:
        """Send nothing for far longer than any client should wait."""
        self._ended.wait(PATIENCE_SECONDS)


@contextmanager
def run_raw_server(script: Callable[[Connection], None]) -> Iterator[int]:
    """Run a script for each connection until the block ends; give the port."""
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def serve(sock: socket.socket) -> None:
        with closing(sock), suppress(OSError):
            script(Connection(sock, ended))

    def accept(listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                thread = threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True)
                threads.append(thread)
                thread.start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        acceptor = threading.Thread(target=accept, args=(listener,), daemon=True)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
            for thread in threads:
                thread.join(PATIENCE_SECONDS)

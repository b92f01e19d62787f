"""HTTP connections that another thread can shut down at any time: while they connect, negotiate
TLS, wait for a response or read one.

Closing a socket does not wake a thread that waits for it, but shutting it down does. TLS takes a
socket away from its first owner, so what is shut down is a duplicate of its descriptor.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import httpcore
import httpx

from scanner.sources.cancellation import Cancellation

__all__ = ["CancellableTransport"]

_KEEPALIVE_SECONDS = 5.0
"""httpx's own default."""


class CancellableTransport(httpx.HTTPTransport):
    """The transport of httpx over connections that a ``Cancellation`` shuts down."""

    def __init__(self, cancellation: Cancellation) -> None:
        context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=context, trust_env=False)
        # HTTPTransport has no argument for a network backend, which its pool does have
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=_CancellableBackend(cancellation),
        )


class _CancellableBackend(httpcore.NetworkBackend):
    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that accepts.

        The lookup of the host's addresses cannot be interrupted; the resolver's timeout ends it.
        """
        with _translate(httpcore.ConnectTimeout, httpcore.ConnectError):
            error: OSError = OSError(f"no address of {host}")
            for family, kind, protocol, _, address in socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM
            ):
                try:
                    return self._connect(socket.socket(family, kind, protocol), address, timeout)
                except OSError as failure:
                    error = failure
            raise error

    def _connect(
        self, sock: socket.socket, address: Any, timeout: float | None
    ) -> httpcore.NetworkStream:
        stream = _CancellableStream(sock, _Shutdown(sock, self._cancellation))
        try:
            sock.settimeout(timeout)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            stream.close()
            raise
        return stream


class _Shutdown:
    """Shuts a connection down when reading is cancelled, until it is closed."""

    def __init__(self, sock: socket.socket, cancellation: Cancellation) -> None:
        self._duplicate = sock.dup()
        self._cancellation = cancellation
        try:
            cancellation.add_callback(self._shut_down)
        except BaseException:
            self._duplicate.close()
            sock.close()
            raise

    def close(self) -> None:
        self._cancellation.remove_callback(self._shut_down)
        self._duplicate.close()

    def _shut_down(self) -> None:
        with contextlib.suppress(OSError):  # it is not connected yet, or no longer
            self._duplicate.shutdown(socket.SHUT_RDWR)


class _CancellableStream(httpcore.NetworkStream):
    """A connected socket; the same as httpcore's own, and closes its ``_Shutdown`` too."""

    def __init__(self, sock: socket.socket, shutdown: _Shutdown) -> None:
        self._sock = sock
        self._shutdown = shutdown

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translate(httpcore.ReadTimeout, httpcore.ReadError):
            self._sock.settimeout(timeout)
            return self._sock.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translate(httpcore.WriteTimeout, httpcore.WriteError):
            self._sock.settimeout(timeout)
            self._sock.sendall(buffer)

    def close(self) -> None:
        self._sock.close()
        self._shutdown.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        with _translate(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._sock.settimeout(timeout)
                sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
            except BaseException:
                self.close()
                raise
        return _CancellableStream(sock, self._shutdown)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "socket":
                return self._sock
            case "ssl_object":
                return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
            case "client_addr":
                return self._sock.getsockname()
            case "server_addr":
                return self._sock.getpeername()
            case "is_readable":
                return _is_readable(self._sock)
        return None


def _is_readable(sock: socket.socket) -> bool:
    """Return whether an idle connection has data or was closed by the server."""
    if sock.fileno() < 0:
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


@contextlib.contextmanager
def _translate(
    timeout_error: type[httpcore.TimeoutException], error_type: type[httpcore.NetworkError]
) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise timeout_error(error) from error
    except OSError as error:
        raise error_type(error) from error

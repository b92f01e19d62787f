"""HTTP connections that keep the bounds of their exchange, and that another thread can shut down at
any time: while they connect, negotiate TLS, wait for a response or read one.

Closing a socket does not wake a thread that waits for it, but shutting it down does. TLS takes a
socket away from its first owner, so what is shut down is a duplicate of its descriptor.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final

import httpcore
import httpx

from scanner.errors import RefusedError
from scanner.sources.cancellation import Cancellation
from scanner.sources.exchange import Exchange
from scanner.sources.resolving import HostAddress, Hosts, resolve_within

__all__ = ["BoundedTransport"]

_KEEPALIVE_SECONDS: Final = 5.0
"""httpx's own default."""
_LOW_PORTS: Final = frozenset({80, 443})
"""Ports below 1024 of public addresses that are connected to: the others are not of web servers."""


class BoundedTransport(httpx.BaseTransport):
    """HTTP/1.1 over connections that keep the bounds of an ``Exchange`` and that a
    ``Cancellation`` shuts down."""

    def __init__(self, exchange: Exchange, cancellation: Cancellation, hosts: Hosts) -> None:
        self._exchange = exchange
        self._pool = httpcore.ConnectionPool(
            ssl_context=_tls_context(),
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=_BoundedBackend(exchange, cancellation, hosts),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its response, whose body is not read yet.

        Raises:
            httpx.TransportError: the server cannot be reached or violates HTTP, or the exchange
                exceeds its bounds.
            RefusedError: the server's address is none that a connection may go to.
        """
        self._exchange.begin_head()
        with _as_httpx_errors():
            response = self._pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        self._exchange.begin_body()
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_BoundedBody(response, self._exchange),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """Close the connections of all pools."""
        self._pool.close()


@cache
def _tls_context() -> ssl.SSLContext:
    """Return the context of all connections: reading the certificates takes as long as a page."""
    return httpx.create_ssl_context(trust_env=False)


class _BoundedBody(httpx.SyncByteStream):
    """The body of a response as its parts arrive."""

    def __init__(self, response: httpcore.Response, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        length = 0
        with _as_httpx_errors():
            for part in self._response.iter_stream():
                length += len(part)
                self._exchange.check_body(length)
                yield part

    def close(self) -> None:
        self._response.close()


@contextlib.contextmanager
def _as_httpx_errors() -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise httpx.TimeoutException(str(error)) from error
    except httpcore.NetworkError as error:
        raise httpx.NetworkError(str(error)) from error
    except (httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
        raise httpx.ProtocolError(str(error)) from error
    except OSError as error:
        raise httpx.NetworkError(str(error)) from error


class _BoundedBackend(httpcore.NetworkBackend):
    def __init__(self, exchange: Exchange, cancellation: Cancellation, hosts: Hosts) -> None:
        self._exchange = exchange
        self._cancellation = cancellation
        self._hosts = hosts

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that accepts.

        All of its addresses are checked before, and the connection goes to one of those: a name
        cannot lead elsewhere in between.
        """
        with _translate(httpcore.ConnectTimeout, httpcore.ConnectError):
            with self._exchange.operation(timeout) as left:
                addresses = resolve_within(
                    host,
                    port,
                    left,
                    cancellation=self._cancellation,
                    resolve=self._hosts.resolve,
                )
            self._check(host, port, addresses)
            error: OSError = OSError(f"no address of {host}")
            for family, address in addresses:
                try:
                    return self._connect(family, address, timeout)
                except OSError as failure:
                    error = failure
            raise error

    def _check(self, host: str, port: int, addresses: Sequence[HostAddress]) -> None:
        if self._exchange.addresses == "any":
            return
        for _, address in addresses:
            if not self._hosts.is_public(str(address[0])):
                raise RefusedError(f"{host}: is in a private network")
        if port < 1024 and port not in _LOW_PORTS:
            raise RefusedError(f"{host}: port {port} is not that of a web server")

    def _connect(self, family: int, address: Any, timeout: float | None) -> httpcore.NetworkStream:
        sock = socket.socket(family, socket.SOCK_STREAM)
        shutdown = _Shutdown(sock, self._cancellation)
        stream = _BoundedStream(sock, shutdown, self._exchange, address)
        try:
            with self._exchange.operation(timeout) as left:
                sock.settimeout(left)
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


class _BoundedStream(httpcore.NetworkStream):
    """A connected socket whose operations keep the bounds of an exchange; closes its ``_Shutdown``
    too."""

    def __init__(
        self, sock: socket.socket, shutdown: _Shutdown, exchange: Exchange, peer: Any
    ) -> None:
        self._sock = sock
        self._shutdown = shutdown
        self._exchange = exchange
        self._peer = peer

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _translate(httpcore.ReadTimeout, httpcore.ReadError):
            with self._exchange.operation(timeout) as left:
                self._sock.settimeout(left)
                data = self._sock.recv(max_bytes)
            self._exchange.count(len(data))
            return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translate(httpcore.WriteTimeout, httpcore.WriteError):
            rest = memoryview(buffer)
            while rest:
                with self._exchange.operation(timeout) as left:
                    self._sock.settimeout(left)
                    rest = rest[self._sock.send(rest) :]

    def close(self) -> None:
        self._sock.close()
        self._shutdown.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Negotiate TLS; a socket's timeout is that of the whole negotiation."""
        with _translate(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                with self._exchange.operation(timeout) as left:
                    self._sock.settimeout(left)
                    sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
            except BaseException:
                self.close()
                raise
        return _BoundedStream(sock, self._shutdown, self._exchange, self._peer)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "socket":
                return self._sock
            case "ssl_object":
                return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
            case "client_addr":
                return self._sock.getsockname()
            case "server_addr":
                return self._peer
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

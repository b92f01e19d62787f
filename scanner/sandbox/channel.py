"""Messages and open descriptors between a parent and its child, over one stream socket.

Each message is preceded by its length. This module does not interpret messages.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence

__all__ = ["MAX_DESCRIPTORS", "Channel", "DisconnectedError"]

_LENGTH = struct.Struct("!I")
_MAX_MESSAGE_BYTES = 8 << 20
"""The times and reasons of a window take some hundred bytes a sample."""
MAX_DESCRIPTORS = 250
"""Limit for one message; the kernel's own is 253."""


class DisconnectedError(Exception):
    """The other side has closed the connection or ended."""


class Channel:
    """One end of the connection."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(
        self, body: bytes, descriptors: Sequence[int] = (), *, seconds: float | None = None
    ) -> None:
        """Send one message and copies of open descriptors; ``None`` waits without a limit.

        Raises:
            DisconnectedError: the other side is gone.
            TimeoutError: it does not read within ``seconds``.
        """
        self._set_timeout(seconds)
        with _raise_disconnected():
            if descriptors:
                socket.send_fds(self._end, [_LENGTH.pack(len(body))], list(descriptors))
                self._end.sendall(body)
            else:
                self._end.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self, *, seconds: float | None = None) -> bytes:
        """Return the next message; ``None`` waits without a limit.

        Raises:
            DisconnectedError: the other side is gone.
            TimeoutError: the whole message did not arrive within ``seconds``.
            ValueError: the message is longer than any correct one.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        (length,) = _LENGTH.unpack(self._receive_exactly(_LENGTH.size, deadline))
        return self._receive_body(length, deadline)

    @contextlib.contextmanager
    def receive_with_descriptors(self) -> Iterator[tuple[bytes, list[int]]]:
        """Wait for the next message and the descriptors that came with it, which are closed when
        the block ends."""
        with _raise_disconnected():
            header, descriptors, _, _ = socket.recv_fds(self._end, _LENGTH.size, MAX_DESCRIPTORS)
        try:
            header += self._receive_exactly(_LENGTH.size - len(header), None) if header else b""
            if not header:
                raise DisconnectedError
            yield self._receive_body(_LENGTH.unpack(header)[0], None), descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def close(self) -> None:
        """Close this end: the other side gets ``DisconnectedError``."""
        self._end.close()

    def _set_timeout(self, seconds: float | None) -> None:
        # a child has no timeout, and its restrictions forbid changing the settings of its socket
        if seconds is not None:
            self._end.settimeout(seconds)

    def _receive_body(self, length: int, deadline: float | None) -> bytes:
        if length > _MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {length} bytes, limit is {_MAX_MESSAGE_BYTES}")
        return self._receive_exactly(length, deadline)

    def _receive_exactly(self, count: int, deadline: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._set_timeout(None if deadline is None else max(deadline - time.monotonic(), 1e-6))
            with _raise_disconnected():
                part = self._end.recv(count - len(parts))
            if not part:
                raise DisconnectedError
            parts += part
        return bytes(parts)


@contextlib.contextmanager
def _raise_disconnected() -> Iterator[None]:
    try:
        yield
    except ConnectionError as error:
        raise DisconnectedError from error

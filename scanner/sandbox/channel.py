"""Whole messages and open descriptors between a parent and its child, over one stream socket."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Iterator, Sequence

__all__ = ["MOST_DESCRIPTORS", "Channel", "HangUpError"]

_LENGTH = struct.Struct("!I")
_LONGEST = 8 << 20
"""Bytes of a message; a window's times and reasons take some hundred bytes a sample."""
MOST_DESCRIPTORS = 250
"""With one message; the kernel takes 253."""


class HangUpError(Exception):
    """The other side is gone."""


class Channel:
    """One end of the connection. A message is bytes; what they mean is not known here."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def send(
        self, body: bytes, descriptors: Sequence[int] = (), *, seconds: float | None = None
    ) -> None:
        """Send one message and copies of open descriptors; ``None`` waits for ever.

        Raises:
            HangUpError: the other side is gone.
            TimeoutError: it does not read within ``seconds``.
        """
        self._wait_at_most(seconds)
        with _hanging_up():
            if descriptors:
                socket.send_fds(self._end, [_LENGTH.pack(len(body))], list(descriptors))
                self._end.sendall(body)
            else:
                self._end.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self, *, seconds: float | None = None) -> bytes:
        """The next message.

        Raises:
            HangUpError: the other side is gone.
            TimeoutError: it was not here within ``seconds``.
            ValueError: it is longer than any honest one.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline))
        return self._body(length, deadline)

    @contextlib.contextmanager
    def receive_open(self) -> Iterator[tuple[bytes, list[int]]]:
        """The next message and the descriptors that came with it, which are closed when the block
        ends. Waits for ever."""
        with _hanging_up():
            header, descriptors, _, _ = socket.recv_fds(self._end, _LENGTH.size, MOST_DESCRIPTORS)
        try:
            header += self._exactly(_LENGTH.size - len(header), None) if header else b""
            if not header:
                raise HangUpError
            yield self._body(_LENGTH.unpack(header)[0], None), descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def close(self) -> None:
        """Hang up: the other side gets ``HangUpError``."""
        self._end.close()

    def _wait_at_most(self, seconds: float | None) -> None:
        if seconds is not None:  # a child waits for ever, and may not touch its socket's settings
            self._end.settimeout(seconds)

    def _body(self, length: int, deadline: float | None) -> bytes:
        if length > _LONGEST:
            raise ValueError(f"a message of {length} bytes, limit is {_LONGEST}")
        return self._exactly(length, deadline)

    def _exactly(self, count: int, deadline: float | None) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            self._wait_at_most(None if deadline is None else max(deadline - time.monotonic(), 1e-6))
            with _hanging_up():
                part = self._end.recv(count - len(parts))
            if not part:
                raise HangUpError
            parts += part
        return bytes(parts)


@contextlib.contextmanager
def _hanging_up() -> Iterator[None]:
    try:
        yield
    except ConnectionError as why:
        raise HangUpError from why

"""Messages and open descriptors between a parent and its child, over one stream socket.

Each message is preceded by its length. This module does not interpret messages.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

__all__ = [
    "LOOK_SECONDS",
    "MAX_DESCRIPTORS",
    "Channel",
    "DisconnectedError",
    "IdleError",
    "connect",
    "to_parent",
]

_LENGTH = struct.Struct("!I")
_MAX_ANSWER_BYTES = 2 << 20
"""Limit for a message of a child: a window has some 60 bytes a sample and 80 an unseen span."""
_MAX_CALL_BYTES = 64 << 20
"""Limit for a message of the parent."""
LOOK_SECONDS: Final = 0.05
"""Time between two calls of the function that is called while nothing comes."""
MAX_DESCRIPTORS = 250
"""Limit for one message; the kernel's own is 253."""


class DisconnectedError(Exception):
    """The other side has closed the connection or ended."""


class IdleError(Exception):
    """No message came for longer than the connection's time limit."""


def connect(idle_seconds: float) -> tuple[Channel, socket.socket]:
    """Return the parent's end of a new connection, and the socket of the child's end.

    The child gets ``IdleError`` if it waits for a task for longer than ``idle_seconds``. The limit
    is the kernel's: a restricted child can neither wait with one of its own nor change this one.
    """
    parent_end, child_end = socket.socketpair()
    limit = struct.pack("@ll", int(idle_seconds) + 1, 0)
    child_end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    return Channel(parent_end), child_end


def to_parent() -> Channel:
    """Return the child's end of its connection, which is its standard input."""
    return Channel(socket.socket(fileno=0), max_bytes=_MAX_CALL_BYTES)


class Channel:
    """One end of the connection."""

    def __init__(self, end: socket.socket, *, max_bytes: int = _MAX_ANSWER_BYTES) -> None:
        """``max_bytes`` is the limit for a message that is received."""
        self._end = end
        self._max_bytes = max_bytes

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

    def receive(
        self,
        *,
        seconds: float | None = None,
        meanwhile: Callable[[], None] | None = None,
        look_seconds: float = LOOK_SECONDS,
    ) -> bytes:
        """Return the next message; ``None`` waits without a limit.

        ``meanwhile`` is called every ``look_seconds`` while nothing comes; what it raises ends the
        wait.

        Raises:
            DisconnectedError: the other side is gone.
            TimeoutError: the whole message did not arrive within ``seconds``.
            ValueError: the message is longer than any correct one.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        look = None if meanwhile is None else _Look(meanwhile, look_seconds)
        (length,) = _LENGTH.unpack(self._receive_exactly(_LENGTH.size, deadline, look))
        return self._receive_body(length, deadline, look)

    @contextlib.contextmanager
    def receive_with_descriptors(self) -> Iterator[tuple[bytes, list[int]]]:
        """Wait for the next message and the descriptors that came with it, which are closed when
        the block ends.

        Raises:
            DisconnectedError: the other side is gone.
            IdleError: nothing came within the time limit of the connection.
        """
        try:
            with _raise_disconnected():
                header, descriptors, *_ = socket.recv_fds(self._end, _LENGTH.size, MAX_DESCRIPTORS)
        except BlockingIOError as error:
            raise IdleError from error
        try:
            header += self._receive_exactly(_LENGTH.size - len(header)) if header else b""
            if not header:
                raise DisconnectedError
            yield self._receive_body(_LENGTH.unpack(header)[0]), descriptors
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    @property
    def is_quiet(self) -> bool:
        """Whether the other side is there and has sent nothing that was not received."""
        self._end.setblocking(False)
        try:
            self._end.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        return False

    def detach(self) -> None:
        """Forget the connection without closing it."""
        self._end.detach()

    def close(self) -> None:
        """Close this end: the other side gets ``DisconnectedError``."""
        self._end.close()

    def _set_timeout(self, seconds: float | None) -> None:
        # a child has no timeout, and its restrictions forbid changing the settings of its socket
        if seconds is not None:
            self._end.settimeout(seconds)

    def _receive_body(
        self,
        length: int,
        deadline: float | None = None,
        look: _Look | None = None,
    ) -> bytes:
        if length > self._max_bytes:
            raise ValueError(f"a message of {length} bytes, limit is {self._max_bytes}")
        return self._receive_exactly(length, deadline, look)

    def _receive_exactly(
        self,
        count: int,
        deadline: float | None = None,
        look: _Look | None = None,
    ) -> bytes:
        parts = bytearray()
        while len(parts) < count:
            try:
                self._set_timeout(_next_wait(deadline, look))
                with _raise_disconnected():
                    part = self._end.recv(count - len(parts))
            except TimeoutError:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                if look is not None:
                    look.call()
                continue
            except BlockingIOError:  # the time limit of a child's connection: only tasks have one
                continue
            if not part:
                raise DisconnectedError
            parts += part
        return bytes(parts)


class _Look(NamedTuple):
    """Something that is done now and then while a message is waited for."""

    call: Callable[[], None]
    seconds: float


def _next_wait(deadline: float | None, look: _Look | None) -> float | None:
    """Return the seconds to wait for a part of a message."""
    if deadline is None:
        return None
    left = max(deadline - time.monotonic(), 1e-6)
    return left if look is None else min(left, look.seconds)


@contextlib.contextmanager
def _raise_disconnected() -> Iterator[None]:
    try:
        yield
    except ConnectionError as error:
        raise DisconnectedError from error

"""The bounds of one exchange with a server: every operation at the socket keeps them.

    waiting for the head of a response          wall deadline, idle time, HEAD_BYTES
    reading its body                            wall deadline, idle time, what framing may add

A deadline that is checked between the parts of a body alone is none: a server can send its headers
byte by byte, send interim responses without end, or stop in the middle of TLS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from scanner.sources.addresses import AddressPolicy

__all__ = ["DeadlineError", "Exchange", "FloodError"]

HEAD_BYTES: Final = 256 << 10
"""Bytes before a body, interim responses included."""
FRAMING_BYTES: Final = 128 << 10
FRAMING_FACTOR: Final = 2
"""Bytes on the wire for each byte of a body, beyond ``FRAMING_BYTES``: chunks of one byte take six
and cost a thousand times the work."""


class DeadlineError(TimeoutError):
    """The exchange has taken as long as it may."""


class FloodError(OSError):
    """The server sends far more bytes than its messages need."""


class Exchange:
    """The exchange that is in progress on one client, which does one at a time."""

    def __init__(
        self, addresses: AddressPolicy = "any", *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.addresses = addresses
        """Where connections may go from now on."""
        self._default = addresses
        self._now = now
        self._deadline: float | None = None
        self._seconds = 0.0
        self._received = 0
        self._head = True

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give everything in the block, redirects included, this much time."""
        self._deadline, self._seconds = self._now() + seconds, seconds
        self.addresses = self._default
        try:
            yield
        finally:
            self._deadline = None

    def begin_head(self) -> None:
        """Count what is received now as the head of a response."""
        self._received, self._head = 0, True

    def begin_body(self) -> None:
        """Count what is received now as the body of a response."""
        self._received, self._head = 0, False

    @contextmanager
    def operation(self, most: float | None) -> Iterator[float | None]:
        """Give the seconds that the operation in the block may take, at most ``most``.

        Raises:
            DeadlineError: the exchange has no time left, before or after the operation timed out.
        """
        left = self._time_left(most)
        try:
            yield left
        except TimeoutError:
            self._time_left(most)
            raise

    def _time_left(self, most: float | None) -> float | None:
        if self._deadline is None:
            return most
        left = self._deadline - self._now()
        if left <= 0:
            raise DeadlineError(f"not complete after {self._seconds:g} s")
        return left if most is None else min(most, left)

    def count(self, received: int) -> None:
        """Count bytes that were received.

        Raises:
            FloodError: these are too many before a body.
        """
        self._received += received
        if self._head and self._received > HEAD_BYTES:
            raise FloodError(f"over {HEAD_BYTES} bytes before the body of its response")

    def check_body(self, length: int) -> None:
        """Check the bytes on the wire against the length of the body that they gave.

        Raises:
            FloodError: there are too many.
        """
        if self._received > FRAMING_FACTOR * length + FRAMING_BYTES:
            raise FloodError(f"{self._received} bytes received for {length} of its body")

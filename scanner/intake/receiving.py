"""Receiving a body, sniffed by its first bytes, within a limit.

Its last part stays in memory until a thread stores it, so that most bodies need one thread once.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Final

from starlette.requests import Request

from scanner.errors import InputError
from scanner.intake.admission import Flight
from scanner.intake.problems import Problem
from scanner.media.sniff import HEAD_BYTES, Container, sniff
from scanner.store.objects import IncomingObject, ObjectStore

__all__ = ["Accepts", "ReceivedBody", "Receiver", "check_container"]

CHUNK: Final = 1 << 20
"""Bytes that are hashed and written at once, in a thread."""

Accepts = Callable[[Container], str | None]
"""Returns why a container is not accepted, or None."""


class Receiver:
    """Receives bodies into an object store; the threads of ``pool`` write and hash them."""

    def __init__(self, objects: ObjectStore, pool: Executor) -> None:
        self._objects = objects
        self._pool = pool

    async def receive(
        self, request: Request, flight: Flight, *, limit: int, accepts: Accepts
    ) -> ReceivedBody:
        """Return the whole body, which the caller stores.

        Raises:
            Problem: ``too_large``, ``unsupported_media``, ``busy`` or ``disk_full``.
            ClientDisconnect: the sender went away.
        """
        _check_declared(request, limit)
        body = ReceivedBody(self._objects)
        sniffed = False
        with _discarded_on_error(body):
            async for chunk in request.stream():
                body.add(chunk)
                if body.size > limit:
                    detail = f"more than {limit} bytes, the limit of a body here"
                    raise Problem("too_large", detail)
                if not sniffed and body.size >= HEAD_BYTES:
                    check_container(body.head, accepts)
                    sniffed = True
                await self._store_much(body)
                flight.grow_to(body.size)
            if not sniffed:
                check_container(body.head, accepts)
        return body

    async def receive_all(self, request: Request, *, limit: int) -> IncomingObject | None:
        """Return the whole body in a temporary file, whatever it is; None for one over the limit,
        which is read to its end.

        Raises:
            Problem: ``disk_full``.
            ClientDisconnect: the sender went away.
        """
        body = ReceivedBody(self._objects)
        size = 0
        with _discarded_on_error(body):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    body.add(chunk)
                    await self._store_much(body)
            if size <= limit:
                return await asyncio.get_running_loop().run_in_executor(self._pool, body.store)
        body.discard()
        return None

    async def _store_much(self, body: ReceivedBody) -> None:
        """Store what is in memory, if that is much."""
        if body.buffered >= CHUNK:
            await asyncio.get_running_loop().run_in_executor(self._pool, body.store)


class ReceivedBody:
    """A body on its way in: first in memory, then in a temporary file."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._incoming: IncomingObject | None = None
        self._chunks: list[bytes] = []
        self.size = 0
        """Bytes so far."""
        self.buffered = 0
        """Bytes of them that are in memory."""

    @property
    def head(self) -> bytes:
        """The first bytes, while they are in memory: at least those that tell a container."""
        return b"".join(self._chunks)[:HEAD_BYTES]

    def add(self, chunk: bytes) -> None:
        """Append bytes in memory."""
        self._chunks.append(chunk)
        self.size += len(chunk)
        self.buffered += len(chunk)

    def store(self) -> IncomingObject:
        """Write and hash what is in memory; return the file, which the caller puts or discards.

        Raises:
            Problem: ``disk_full``; there is no file.
            OSError: the disk failed; there is no file.
        """
        chunks, self._chunks, self.buffered = self._chunks, [], 0
        try:
            if self._incoming is None:
                self._incoming = self._objects.receive()
            for chunk in chunks:
                self._incoming.write(chunk)
        except BaseException as error:
            self.discard()
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Problem("disk_full", "the disk is full", retry_after=10) from error
            raise
        return self._incoming

    def discard(self) -> None:
        """Remove the file, if there is one."""
        if self._incoming is not None:
            self._incoming.discard()


@contextmanager
def _discarded_on_error(body: ReceivedBody) -> Iterator[None]:
    try:
        yield
    except BaseException:
        body.discard()
        raise


def check_container(head: bytes, accepts: Accepts) -> None:
    """Check that a body begins as one that is accepted.

    Raises:
        Problem: ``unsupported_media``.
    """
    try:
        reason = accepts(sniff(head))
    except InputError as error:
        raise Problem("unsupported_media", str(error)) from error
    if reason is not None:
        raise Problem("unsupported_media", reason)


def _check_declared(request: Request, limit: int) -> None:
    """Refuse a body that declares itself too large, before any of it is read."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise Problem("too_large", f"{declared} bytes, the limit of a body here is {limit}")

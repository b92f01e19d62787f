"""Receiving a body: into a temporary file, sniffed by its first bytes, within a limit."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.requests import Request

from scanner.errors import InputError
from scanner.intake.admission import Flight
from scanner.intake.problems import Problem
from scanner.media.sniff import HEAD_BYTES, Container, sniff
from scanner.store.objects import IncomingObject, ObjectStore

__all__ = ["Accepts", "Receiver", "check_container"]

CHUNK: Final = 1 << 20
"""Bytes that are hashed and written at once, in a thread."""

Accepts = Callable[[Container], str | None]
"""Returns why a container is not accepted, or None."""


class Receiver:
    """Receives bodies into an object store; files are written and hashed by a few threads."""

    def __init__(self, objects: ObjectStore, *, threads: int = 4) -> None:
        self._objects = objects
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="receiver")

    async def receive(
        self, request: Request, flight: Flight, *, limit: int, accepts: Accepts
    ) -> IncomingObject:
        """Return the whole body in a temporary file, which the caller puts or discards.

        Raises:
            Problem: ``too_large``, ``unsupported_media``, ``busy`` or ``disk_full``.
            ClientDisconnect: the sender went away.
        """
        _check_declared(request, limit)
        body = _Body(self._objects, self._pool, limit=limit, accepts=accepts)
        try:
            async for chunk in request.stream():
                await body.add(chunk)
                flight.grow_to(body.size)
            return await body.finish()
        except OSError as error:
            body.discard()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Problem("disk_full", "the disk is full", retry_after=10) from error
            raise
        except BaseException:
            body.discard()
            raise

    async def receive_all(self, request: Request, *, limit: int) -> IncomingObject | None:
        """Return the whole body in a temporary file, whatever it is; None for one over the limit,
        which is read to its end.

        Raises:
            Problem: ``disk_full``.
            ClientDisconnect: the sender went away.
        """
        body = _Body(self._objects, self._pool, limit=limit, accepts=None)
        size = 0
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size <= limit:
                    await body.add(chunk)
            if size <= limit:
                return await body.finish()
        except OSError as error:
            body.discard()
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Problem("disk_full", "the disk is full", retry_after=10) from error
            raise
        except BaseException:
            body.discard()
            raise
        body.discard()
        return None

    def close(self) -> None:
        """End the threads, after what they are writing."""
        self._pool.shutdown()


class _Body:
    """One body on its way in."""

    def __init__(
        self, objects: ObjectStore, pool: ThreadPoolExecutor, *, limit: int, accepts: Accepts | None
    ) -> None:
        """``accepts`` is None for a body of any format."""
        self._objects = objects
        self._pool = pool
        self._limit = limit
        self._accepts = accepts
        self._incoming: IncomingObject | None = None
        self._chunks: list[bytes] = []
        self._buffered = 0
        self.size = 0
        self._sniffed = accepts is None

    async def add(self, chunk: bytes) -> None:
        """Take bytes, and write them once they are enough."""
        self.size += len(chunk)
        if self.size > self._limit:
            raise Problem("too_large", f"more than {self._limit} bytes, the limit of a body here")
        self._chunks.append(chunk)
        self._buffered += len(chunk)
        if not self._sniffed and self._buffered >= HEAD_BYTES:
            self._sniff()
        if self._buffered >= CHUNK:
            await self._flush()

    async def finish(self) -> IncomingObject:
        """Write the rest, and return the file."""
        if not self._sniffed:
            self._sniff()
        return await self._flush()

    def discard(self) -> None:
        """Remove the file, if there is one."""
        if self._incoming is not None:
            self._incoming.discard()

    def _sniff(self) -> None:
        if self._accepts is not None:
            check_container(b"".join(self._chunks)[:HEAD_BYTES], self._accepts)
        self._sniffed = True

    async def _flush(self) -> IncomingObject:
        """Write and hash what is buffered, in a thread; at first the file is made."""
        chunks, self._chunks, self._buffered = self._chunks, [], 0
        loop = asyncio.get_running_loop()
        self._incoming = await loop.run_in_executor(self._pool, self._write, chunks)
        return self._incoming

    def _write(self, chunks: Sequence[bytes]) -> IncomingObject:
        incoming = self._incoming or self._objects.receive()
        try:
            for chunk in chunks:
                incoming.write(chunk)
        except BaseException:
            incoming.discard()
            raise
        return incoming


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

"""Long media outside of this process's memory: in an unnamed temporary file.

parts --> Spool --> bytes            up to MOST_IN_MEMORY
                `-> SpooledBytes     more
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from hashlib import blake2b
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from scanner.errors import TransientError

__all__ = ["MOST_IN_MEMORY", "Spool", "SpooledBytes"]

MOST_IN_MEMORY: Final = 4 << 20
"""Bytes up to which a body stays in memory: the usual segment of a live stream."""
_CHUNK: Final = 1 << 20


class SpooledBytes:
    """Bytes in a file that has no name, and that nothing writes to any more; it is gone with this
    object.

    A copy that travels to another process is a file of that process.
    """

    __slots__ = ("__weakref__", "_descriptor", "_size")

    def __init__(self, file: BinaryIO) -> None:
        """``file`` is complete; the caller may close it."""
        file.flush()
        self._descriptor = os.dup(file.fileno())
        self._size = os.fstat(self._descriptor).st_size
        weakref.finalize(self, os.close, self._descriptor)

    def __len__(self) -> int:
        return self._size

    @contextlib.contextmanager
    def open_readonly(self) -> Iterator[int]:
        """Open a descriptor that can only be read, at the first byte."""
        flags = os.O_RDONLY | os.O_CLOEXEC
        descriptor = os.open(f"/proc/self/fd/{self._descriptor}", flags)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def read(self) -> bytes:
        """Return all bytes, in memory."""
        return b"".join(self._chunks())

    def digest(self, size: int) -> bytes:
        """Return a hash of the content of ``size`` bytes."""
        hashed = blake2b(digest_size=size)
        for chunk in self._chunks():
            hashed.update(chunk)
        return hashed.digest()

    def __reduce__(self) -> tuple[object, ...]:
        return _spool, (self.read(),)

    def _chunks(self) -> Iterator[bytes]:
        at = 0
        while chunk := os.pread(self._descriptor, _CHUNK, at):
            at += len(chunk)
            yield chunk


class Spool:
    """Takes in a body part by part."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, part: bytes) -> None:
        """Add a part at the end.

        Raises:
            TransientError: there is no space for temporary files.
        """
        try:
            if self._file is None and len(self._memory) + len(part) > MOST_IN_MEMORY:
                self._file = TemporaryFile(buffering=0)  # noqa: SIM115 - closed by __exit__
                _write_all(self._file, self._memory)
                self._memory = bytearray()
            if self._file is None:
                self._memory += part
            else:
                _write_all(self._file, part)
        except OSError as error:
            raise TransientError(
                f"no space for a temporary file: {error.strerror or error}"
            ) from error

    def take(self) -> bytes | SpooledBytes:
        """Return what was written."""
        return bytes(self._memory) if self._file is None else SpooledBytes(self._file)


def _write_all(file: BinaryIO, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _spool(data: bytes) -> SpooledBytes:
    with TemporaryFile() as file:
        file.write(data)
        return SpooledBytes(file)

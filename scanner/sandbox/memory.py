"""Memory and files as open descriptors, which a parent passes to a child that may open nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from scanner.sandbox.opening import open_readonly
from scanner.spooled import SpooledBytes
from scanner.types import Source

__all__ = ["SourceOpener", "create_shared_memory"]

_REUSED_FILES = 2
"""Sources whose memory is reused: a segment and its init."""
_MAX_REUSED_BYTES = 16 << 20
"""Longer sources are files in any sensible setting; their memory is not reused."""
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@contextlib.contextmanager
def create_shared_memory(size: int) -> Iterator[int]:
    """Open zeroed memory that two processes can map; pages are allocated at their first write.

    Its size is sealed: neither process can shrink it under the other, whose next access would be
    a SIGBUS.
    """
    descriptor = os.memfd_create("streamwarden", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE_SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


class SourceOpener:
    """Opens sources as descriptors that can only be read.

    A source given as bytes is written to a memory file that is reused for the next one: fresh
    pages for each segment would cost three times the copy.
    """

    def __init__(self) -> None:
        self._reused: list[int] = []

    @contextlib.contextmanager
    def open_sources(self, sources: Sequence[Source], *, name: str) -> Iterator[list[int]]:
        """Open a descriptor for each source, at its start, and close them when the block ends.

        Processes that got copies of the descriptors may still read then, but no longer after the
        next call, which may write other sources to the same memory.

        Raises:
            InputError, RefusedError: as ``open_readonly``.
        """
        with contextlib.ExitStack() as files:
            yield [
                files.enter_context(self._open(index, source, name))
                for index, source in enumerate(sources)
            ]

    def _open(self, index: int, source: Source, name: str) -> AbstractContextManager[int]:
        if isinstance(source, bytes):
            return self._open_bytes(index, source)
        if isinstance(source, SpooledBytes):
            return source.open_readonly()
        return open_readonly(source, name=name)

    def trim(self) -> None:
        """Free the memory that would be reused; processes that got copies of the descriptors can
        read nothing more."""
        for memory in self._reused:
            os.ftruncate(memory, 0)

    @property
    def memory_bytes(self) -> int:
        """Bytes that are kept to be reused."""
        return sum(os.fstat(memory).st_size for memory in self._reused)

    def close(self) -> None:
        """Free the shared memory."""
        while self._reused:
            os.close(self._reused.pop())

    @contextlib.contextmanager
    def _open_bytes(self, index: int, data: bytes) -> Iterator[int]:
        with self._memory_file(index, len(data)) as memory:
            os.ftruncate(memory, len(data))
            _write(memory, data)
            reader = os.open(f"/proc/self/fd/{memory}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield reader
        finally:
            os.close(reader)

    @contextlib.contextmanager
    def _memory_file(self, index: int, size: int) -> Iterator[int]:
        """Open memory for one source: a reused file for the first few, which are segments and
        their init, otherwise a new one."""
        if index < _REUSED_FILES and size <= _MAX_REUSED_BYTES:
            while len(self._reused) <= index:
                self._reused.append(os.memfd_create("streamwarden", os.MFD_CLOEXEC))
            yield self._reused[index]
            return
        memory = os.memfd_create("streamwarden", os.MFD_CLOEXEC)
        try:
            yield memory
        finally:
            os.close(memory)


def _write(memory: int, data: bytes) -> None:
    rest, at = memoryview(data), 0
    while at < len(data):
        at += os.pwrite(memory, rest[at:], at)

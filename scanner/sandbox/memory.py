"""Memory and files as open descriptors: what a parent hands to a child that may open nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from scanner.errors import InputError, RefusedError
from scanner.types import Source

__all__ = ["Lender", "opened", "shared_memory"]

_KEPT = 2
"""Sources whose memory is kept: a segment and its init."""
_KEPT_BYTES = 16 << 20
"""Longer sources are files in any sensible setting; their memory is not kept."""
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@contextlib.contextmanager
def shared_memory(size: int) -> Iterator[int]:
    """Zeroed memory that two processes can map; pages are taken when they are first written.

    Its size is sealed: one process cannot shrink it under the other, whose next look would be a
    SIGBUS.
    """
    descriptor = os.memfd_create("streamwarden", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE_SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


class Lender:
    """Makes sources into descriptors that whoever gets them can only read.

    Bytes are written to memory that is kept and written again: fresh pages for each segment would
    cost three times the copy.
    """

    def __init__(self) -> None:
        self._kept: list[int] = []

    @contextlib.contextmanager
    def lend(self, sources: Sequence[Source], *, name: str) -> Iterator[list[int]]:
        """A descriptor for each source, at its start; closed at the end, when those who got copies
        may still read.

        What was lent before must be read no more: its memory may be the same.

        Raises:
            InputError, RefusedError: as ``opened``.
        """
        with contextlib.ExitStack() as files:
            yield [
                files.enter_context(
                    self._written(place, source)
                    if isinstance(source, bytes)
                    else opened(source, name=name)
                )
                for place, source in enumerate(sources)
            ]

    def close(self) -> None:
        """Give the memory back."""
        while self._kept:
            os.close(self._kept.pop())

    @contextlib.contextmanager
    def _written(self, place: int, data: bytes) -> Iterator[int]:
        with self._memory(place, len(data)) as memory:
            os.ftruncate(memory, len(data))
            _write(memory, data)
            reader = os.open(f"/proc/self/fd/{memory}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield reader
        finally:
            os.close(reader)

    @contextlib.contextmanager
    def _memory(self, place: int, size: int) -> Iterator[int]:
        """Memory for one source: kept for the first few, which are segments and their init; else
        only lent."""
        if place < _KEPT and size <= _KEPT_BYTES:
            while len(self._kept) <= place:
                self._kept.append(os.memfd_create("streamwarden", os.MFD_CLOEXEC))
            yield self._kept[place]
            return
        memory = os.memfd_create("streamwarden", os.MFD_CLOEXEC)
        try:
            yield memory
        finally:
            os.close(memory)


@contextlib.contextmanager
def opened(path: Path, *, name: str) -> Iterator[int]:
    """A descriptor at the start of a plain file, only for reading.

    Raises:
        InputError: there is no such file, or it may not be read.
        RefusedError: it is something else than a plain file: a folder, pipe or device.
    """
    try:
        # Without O_NONBLOCK a pipe that nobody writes would hold us for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except (OSError, ValueError) as why:
        raise InputError(
            f"{name}: cannot be opened: {getattr(why, 'strerror', None) or why}"
        ) from why
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RefusedError(f"{name}: not a plain file")
        yield descriptor
    finally:
        os.close(descriptor)


def _write(memory: int, data: bytes) -> None:
    rest, at = memoryview(data), 0
    while at < len(data):
        at += os.pwrite(memory, rest[at:], at)

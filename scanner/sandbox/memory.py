"""Memory and files as open descriptors: what a parent hands to a child that may open nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from scanner.errors import InputError, RefusedError
from scanner.types import Source

__all__ = ["opened", "shared_memory"]

_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@contextlib.contextmanager
def shared_memory(size: int) -> Iterator[int]:
    """Zeroed memory that two processes can map; pages are taken when they are first written.

    Its size is sealed: one process cannot shrink it under the other, whose next look would be a SIGBUS.
    """
    descriptor = os.memfd_create("streamwarden", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, size)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE_SEALS)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def opened(source: Source, *, name: str) -> Iterator[int]:
    """A descriptor at the start of ``source`` that whoever gets it can only read.

    Raises:
        InputError: there is no such file, or it may not be read.
        RefusedError: it is not a plain file: a folder, pipe or device.
    """
    descriptor = _in_memory(source) if isinstance(source, bytes) else _on_disk(source, name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _in_memory(data: bytes) -> int:
    descriptor = os.memfd_create("streamwarden", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False, buffering=0) as file:
        rest = memoryview(data)
        while rest:
            rest = rest[file.write(rest) :]
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SIZE_SEALS | fcntl.F_SEAL_WRITE)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _on_disk(path: Path, name: str) -> int:
    try:
        # Without O_NONBLOCK a pipe that nobody writes would hold us for ever
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except (OSError, ValueError) as why:
        raise InputError(f"{name}: cannot be opened: {getattr(why, 'strerror', None) or why}") from why
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise RefusedError(f"{name}: not a plain file")

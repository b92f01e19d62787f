"""Opening of files that others named: nothing but regular files, and none outside of its folder.

A check of a path before it is opened is no protection: meanwhile the file, or a folder above it,
can be swapped for a link. The kernel checks while it opens: ``openat2`` with ``RESOLVE_BENEATH``
(Linux 5.6). Where it is missing, each component is opened by itself, and links are refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePath
from typing import Final

from scanner.errors import InputError, LimitError, RefusedError
from scanner.types import FileBeneath

__all__ = ["open_readonly", "read_file"]

_OPENAT2: Final = 437
"""System call number, the same on every architecture."""
_NO_MAGIC_LINKS, _BENEATH = 0x02, 0x08
"""Flags of ``openat2`` (``linux/openat2.h``)."""
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Without O_NONBLOCK, opening a pipe that has no writer would block indefinitely."""
_FOLDER: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY
_TRIES: Final = 16
"""Attempts of ``openat2``, which asks for another one where a folder was renamed meanwhile."""
_OUTSIDE: Final = frozenset({errno.EXDEV, errno.ELOOP, errno.EAGAIN})
_MISSING_CALL: Final = frozenset({errno.ENOSYS, errno.EPERM})


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


@contextlib.contextmanager
def open_readonly(file: Path | FileBeneath, *, name: str) -> Iterator[int]:
    """Open a regular file for reading and give its descriptor.

    Raises:
        InputError: there is no such file, or it may not be read.
        RefusedError: it is not a regular file but a folder, pipe or device, or it leads out of the
            folder that it must be beneath.
    """
    try:
        descriptor = os.open(file, _FLAGS) if isinstance(file, Path) else _open_beneath(file)
    except (OSError, ValueError) as error:
        if isinstance(file, FileBeneath) and getattr(error, "errno", None) in _OUTSIDE:
            raise RefusedError(f"{name}: leads out of its folder") from error
        raise InputError(
            f"{name}: cannot be opened: {getattr(error, 'strerror', None) or error}"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RefusedError(f"{name}: not a regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def read_file(file: Path | FileBeneath, *, name: str, most: int) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Raises:
        InputError, RefusedError: as ``open_readonly``.
        LimitError: it is longer.
    """
    with (
        open_readonly(file, name=name) as descriptor,
        open(descriptor, "rb", closefd=False) as data,
    ):
        content = data.read(most + 1)
    if len(content) > most:
        raise LimitError(f"{name}: over {most} bytes", kind="limit_bytes")
    return content


def _open_beneath(file: FileBeneath) -> int:
    folder = os.open(file.folder, _FOLDER)
    try:
        if _has_openat2():
            return _openat2(folder, file.name)
        return _open_by_components(folder, file.name)
    finally:
        os.close(folder)


def _openat2(folder: int, name: str) -> int:
    how = _OpenHow(flags=_FLAGS, mode=0, resolve=_BENEATH | _NO_MAGIC_LINKS)
    libc = ctypes.CDLL(None, use_errno=True)
    for attempt in range(_TRIES):
        descriptor = libc.syscall(
            _OPENAT2,
            folder,
            os.fsencode(name),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if descriptor >= 0:
            return int(descriptor)
        if ctypes.get_errno() != errno.EAGAIN or attempt == _TRIES - 1:
            break
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), name)


@cache
def _has_openat2() -> bool:
    """Return whether the kernel, or the container around us, has the call."""
    root = os.open("/", _FOLDER)
    try:
        os.close(_openat2(root, "."))
    except OSError as error:
        return error.errno not in _MISSING_CALL
    except AttributeError:  # no such function in this system's library
        return False
    finally:
        os.close(root)
    return True


def _open_by_components(folder: int, name: str) -> int:
    """Open a file below a folder without following any link."""
    *folders, last = PurePath(name).parts
    opened = os.dup(folder)
    try:
        for part in folders:
            if part in ("..", "/"):
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), name)
            below = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=opened)
            os.close(opened)
            opened = below
        return os.open(last, _FLAGS | os.O_NOFOLLOW, dir_fd=opened)
    except NotADirectoryError as error:  # what O_NOFOLLOW gives for a link to a folder
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name) from error
    finally:
        os.close(opened)

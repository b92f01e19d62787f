"""Landlock with an empty rule set: the process can open no path and reach no TCP port, whatever
rights it has otherwise."""

from __future__ import annotations

import ctypes
import os

__all__ = ["abi", "install"]

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
"""System call numbers, the same on every architecture."""
_VERSION = 1

_FILES = {1: 13, 2: 14, 3: 15, 5: 16}
"""ABI version -> number of file rights that it defines; a version between two has those of the
older one."""
_NETWORK_SINCE, _SCOPE_SINCE = 4, 6
_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def abi(libc: ctypes.CDLL) -> int:
    """Return the kernel's Landlock version, 0 if it has none or Landlock is disabled."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def install(libc: ctypes.CDLL, version: int) -> None:
    """Irrevocably remove all rights that ``version`` defines from this thread.

    Requires NO_NEW_PRIVS.

    Raises:
        OSError: the kernel refused.
    """
    rights = max(count for since, count in _FILES.items() if since <= version)
    ruleset = _Ruleset(
        files=(1 << rights) - 1,
        network=_BIND_AND_CONNECT if version >= _NETWORK_SINCE else 0,
        scoped=_ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPE_SINCE else 0,
    )
    descriptor = _check(
        libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(_size(version)), 0)
    )
    try:
        _check(libc.syscall(_RESTRICT_SELF, descriptor, 0))
    finally:
        os.close(descriptor)


def _size(version: int) -> int:
    """Return the size in bytes of this version's structure; the kernel refuses a longer one."""
    if version >= _SCOPE_SINCE:
        return 24
    return 16 if version >= _NETWORK_SINCE else 8


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

"""Giving up the rights of root: a process that decodes needs none of
them, whichever user started it."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

__all__ = ["drop_privileges"]

_NOBODY: Final = 65534
"""The user and group that own nothing, on every Linux."""
_CAP_KILL, _CAP_SETGID, _CAP_SETUID = 5, 6, 7
_NEEDED: Final = 1 << _CAP_KILL | 1 << _CAP_SETGID | 1 << _CAP_SETUID
"""Without CAP_KILL the parent, which keeps its user, could not end a process of another one."""
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 24, 47, 4
_VERSION_3: Final = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_privileges() -> None:
    """Become the user ``nobody`` if this process may, and give up all capabilities.

    Where the user cannot be changed, as in a user namespace that has no other one, the process
    stays root without any capability. Without capabilities, nothing is done.

    Raises:
        OSError: some capabilities remain.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    effective = _capabilities("CapEff") if os.geteuid() == 0 else 0
    for number in range(_capabilities("CapBnd").bit_length()):
        libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)  # refused without CAP_SETPCAP
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    if effective & _NEEDED == _NEEDED:
        _become_nobody()
    _clear_capabilities(libc)


def _become_nobody() -> None:
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except OSError:  # not a user here: capabilities are given up all the same
        return


def _clear_capabilities(libc: ctypes.CDLL) -> None:
    header, none = _Header(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(ctypes.byref(header), none) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"capabilities remain: {os.strerror(code)}")


def _capabilities(name: str) -> int:
    """Return one of the sets of capabilities of this process, a bit for each."""
    rows = Path("/proc/self/status").read_text("ascii", errors="replace").splitlines()
    return next((int(row.split()[1], 16) for row in rows if row.startswith(f"{name}:")), 0)

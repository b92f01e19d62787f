"""Restrictions that a child applies to itself before it reads the first byte of hostile input."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scanner.sandbox import landlock, seccomp
from scanner.sandbox.channel import MAX_DESCRIPTORS
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.privileges import drop_privileges

__all__ = ["Restrictions", "apply_restrictions", "exit_with_parent"]

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_KILL_SECONDS = 2
"""Processor time between SIGXCPU, which says why a process ends, and SIGKILL, which it cannot
ignore."""
_OPEN_FILES = MAX_DESCRIPTORS + 16
"""The descriptors of one task, and a few that the process itself needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """The restrictions of a child on this machine; ``doctor`` lists them."""

    active: tuple[str, ...]
    """Some of ``privileges`` (no capabilities), ``limits``, ``no_new_privs``, ``landlock`` (no
    files, no network) and ``seccomp`` (no other system calls)."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Restrictions that could not be applied, each with the reason."""

    @property
    def is_complete(self) -> bool:
        """Whether all restrictions are active."""
        return not self.missing


def apply_restrictions(limits: SandboxLimits) -> Restrictions:
    """Give up every right that decoding does not need. This cannot be undone.

    Imports and opening files fail afterwards.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    threads = len(os.listdir("/proc/self/task"))
    steps: Mapping[str, Callable[[], None]] = {
        "privileges": drop_privileges,
        "limits": lambda: _set_resource_limits(limits),
        "no_new_privs": lambda: _set_no_new_privs(libc),
        "landlock": lambda: _install_landlock(libc),
        "seccomp": lambda: _install_seccomp(libc, threads),
    }
    active, missing = [], {}
    for name, apply in steps.items():
        try:
            apply()
            active.append(name)
        except OSError as error:
            missing[name] = error.strerror or str(error)
    return Restrictions(active=tuple(active), missing=missing)


def exit_with_parent(parent: int) -> None:
    """Make the kernel kill this process when the thread that started it ends.

    Exits at once if the process ``parent`` has already ended.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _set_resource_limits(limits: SandboxLimits) -> None:
    life = math.ceil(limits.source_seconds)
    for limit, soft, hard in (
        (
            resource.RLIMIT_AS,
            limits.memory_bytes,
            max(limits.memory_bytes, limits.large_memory_bytes),
        ),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_CPU, life, life + _KILL_SECONDS),
        (resource.RLIMIT_NPROC, 0, 0),  # for root without effect
        (resource.RLIMIT_NOFILE, _OPEN_FILES, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, limits.output_bytes, limits.output_bytes),
    ):
        _, most = resource.getrlimit(limit)
        if most == resource.RLIM_INFINITY:
            resource.setrlimit(limit, (soft, hard))
            continue
        resource.setrlimit(limit, (min(soft, most), min(hard, most)))


def _set_no_new_privs(libc: ctypes.CDLL) -> None:
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel has no NO_NEW_PRIVS")


def _install_landlock(libc: ctypes.CDLL) -> None:
    version = landlock.abi(libc)
    if version == 0:
        raise OSError(0, "the kernel has no Landlock, or it is not in its list of security modules")
    landlock.install(libc, version)


def _install_seccomp(libc: ctypes.CDLL, threads: int) -> None:
    if not seccomp.SUPPORTED:
        raise OSError(0, f"no table of system calls for {platform.machine()}")
    if threads > 1:
        raise OSError(0, f"{threads - 1} threads of a library are outside the filter")
    seccomp.install(libc, seccomp.filter_program(platform.machine(), os.getpid()))

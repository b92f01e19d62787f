"""What stands between hostile input and the machine, put up by the child itself before it sees a
byte."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scanner.sandbox import landlock, seccomp
from scanner.sandbox.channel import MOST_DESCRIPTORS
from scanner.sandbox.limits import SandboxLimits

__all__ = ["Walls", "die_with", "raise_walls"]

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_OPEN_FILES = MOST_DESCRIPTORS + 16
"""Those of one task, and a few that the process itself needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Which walls hold around a child on this machine; ``doctor`` tells."""

    held: tuple[str, ...]
    """Of ``limits``, ``no_new_privs``, ``landlock`` (no files, no network), ``seccomp`` (no other
    system calls)."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Those that could not be put up, each with the reason."""

    @property
    def complete(self) -> bool:
        """Nothing is missing."""
        return not self.missing


def raise_walls(limits: SandboxLimits) -> Walls:
    """Give up everything that decoding does not need, for ever.

    Imports and opening files fail from here on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    threads = len(os.listdir("/proc/self/task"))
    steps: Mapping[str, Callable[[], None]] = {
        "limits": lambda: _limit(limits),
        "no_new_privs": lambda: _keep_privileges(libc),
        "landlock": lambda: _landlock(libc),
        "seccomp": lambda: _seccomp(libc, threads),
    }
    held, missing = [], {}
    for name, put_up in steps.items():
        try:
            put_up()
            held.append(name)
        except OSError as why:
            missing[name] = why.strerror or str(why)
    return Walls(held=tuple(held), missing=missing)


def die_with(parent: int) -> None:
    """End this process when the thread that started it does.

    Ends it now if ``parent`` is gone already.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def _limit(limits: SandboxLimits) -> None:
    for what, most in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_FSIZE, limits.output_bytes),
    ):
        _, hard = resource.getrlimit(what)
        lowered = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (lowered, lowered))


def _keep_privileges(libc: ctypes.CDLL) -> None:
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel has no NO_NEW_PRIVS")


def _landlock(libc: ctypes.CDLL) -> None:
    version = landlock.abi(libc)
    if version == 0:
        raise OSError(0, "the kernel has no Landlock, or it is not in its list of security modules")
    landlock.install(libc, version)


def _seccomp(libc: ctypes.CDLL, threads: int) -> None:
    if not seccomp.SUPPORTED:
        raise OSError(0, f"no table of system calls for {platform.machine()}")
    if threads > 1:
        raise OSError(0, f"{threads - 1} threads of a library are outside the filter")
    seccomp.install(libc, seccomp.filter_program(platform.machine(), os.getpid()))

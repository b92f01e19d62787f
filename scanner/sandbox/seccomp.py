"""The system calls that a child keeps: memory, its own open descriptors, time and exit. All
others fail with EPERM.

The filter is an allow-list, so that it need not anticipate attacks: no open, stat, socket, connect,
exec, fork, clone, kill, ptrace, ioctl or io_uring, and none of the calls that later kernels add. A
refused call fails instead of killing the process, because a library that tries a forbidden call can
continue without it.

Decoding takes no other process or thread, and no path: it is given descriptors. ``newfstatat``,
which glibc 2.33 to 2.38 call for ``fstat``, is refused because its path can be any: Python opens
and maps a descriptor without it too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["SUPPORTED", "filter_program", "install"]


class _Machine(NamedTuple):
    audit_arch: int
    column: int
    """Column of its call numbers in the tables below."""


_MACHINES = {"x86_64": _Machine(0xC000003E, 0), "aarch64": _Machine(0xC00000B7, 1)}
SUPPORTED = platform.machine() in _MACHINES

_ALLOWED = {
    # (x86-64, AArch64), from the kernel's tables
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "poll": (7, 73),
    "fstat": (5, 80),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "setitimer": (38, 103),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "sendmsg": (46, 211),
    "recvmsg": (47, 212),
    "exit": (60, 93),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "times": (100, 153),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "ppoll": (271, 73),
    "set_robust_list": (273, 99),
    "getrandom": (318, 278),
    "rseq": (334, 293),
}
_TGKILL = (234, 131)
_PRLIMIT64 = (302, 261)

# Classic BPF, as in <linux/filter.h>; offsets in struct seccomp_data
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16
_ARGUMENT_BYTES = 8
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def _allow(number: int) -> list[bytes]:
    return [_step(_EQUAL, number, otherwise=1), _step(_RETURN, _ALLOW)]


def _allow_with(number: int, *arguments: int) -> list[bytes]:
    """Allow ``number`` if its first arguments are these, and refuse it otherwise."""
    checks = [
        step
        for place, argument in enumerate(arguments)
        for step in (
            _step(_LOAD, _FIRST_ARGUMENT + _ARGUMENT_BYTES * place),
            _step(_EQUAL, argument, otherwise=2 * (len(arguments) - place) - 1),
        )
    ]
    verdicts = [_step(_RETURN, _ALLOW), _step(_RETURN, _ERRNO | errno.EPERM)]
    return [_step(_EQUAL, number, otherwise=len(checks) + len(verdicts)), *checks, *verdicts]


def filter_program(machine: str, pid: int) -> list[bytes]:
    """Return the filter as BPF instructions of 8 bytes.

    The process may send signals only to ``pid``, itself (``abort`` does so).
    """
    arch, column = _MACHINES[machine]
    program = [
        _step(_LOAD, _ARCH),
        _step(_EQUAL, arch, then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
    ]
    for numbers in _ALLOWED.values():
        program += _allow(numbers[column])
    program += _allow_with(_TGKILL[column], pid)
    # its own limit of memory, which it may raise as far as the kernel lets it
    program += _allow_with(_PRLIMIT64[column], 0, resource.RLIMIT_AS)
    return [*program, _step(_RETURN, _ERRNO | errno.EPERM)]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def install(libc: ctypes.CDLL, program: Sequence[bytes]) -> None:
    """Irrevocably install the filter on this thread and all threads that it starts.

    Requires NO_NEW_PRIVS or root.

    Raises:
        OSError: the kernel refused, or has no seccomp.
    """
    raw = b"".join(program)
    fprog = _Program(len(program), raw)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(fprog), 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))

"""The system call filter, interpreted instruction by instruction also for other machines, and
restrictions that the kernel does not support."""

from __future__ import annotations

import errno
import json
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Sequence

import pytest

from scanner.sandbox.seccomp import filter_program

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE = 0x00050000 | errno.EPERM
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS = {
    "x86_64": {
        "read": 0,
        "openat": 257,
        "socket": 41,
        "execve": 59,
        "kill": 62,
        "clone": 56,
        "clone3": 435,
        "tgkill": 234,
        "newfstatat": 262,
    },
    "aarch64": {
        "read": 63,
        "openat": 56,
        "socket": 198,
        "execve": 221,
        "kill": 129,
        "clone": 220,
        "clone3": 435,
        "tgkill": 131,
        "newfstatat": 79,
        "mmap": 222,
    },
}
OWN_PID, CLONE_THREAD, CLONE_OF_FORK = 4321, 0x3D0F00, 0x01200011


def verdict(
    program: Sequence[bytes],
    *,
    arch: int,
    number: int,
    first_argument: int = 0,
    second_argument: int = 0,
) -> int:
    """Interpret the filter as the kernel would: a machine with one register."""
    data = struct.pack("=IIQQQ", number, arch, 0, first_argument, second_argument)
    register, at = 0, 0
    while True:
        code, then, otherwise, value = struct.unpack("=HBBI", program[at])
        at += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            (register,) = struct.unpack_from("=I", data, value)
        else:
            assert code == 0x15
            at += then if register == value else otherwise


@pytest.mark.parametrize("machine", ARCH)
@pytest.mark.parametrize(
    ("name", "first_argument", "wanted"),
    [
        ("read", 0, ALLOW),
        ("openat", 0, REFUSE),
        ("socket", 2, REFUSE),
        ("execve", 0, REFUSE),
        ("kill", OWN_PID, REFUSE),
        ("tgkill", OWN_PID, ALLOW),
        ("tgkill", 1, REFUSE),
        ("newfstatat", 0, REFUSE),
        ("clone", CLONE_THREAD, REFUSE),
        ("clone", CLONE_OF_FORK, REFUSE),
        ("clone3", 0, REFUSE),
    ],
)
def test_the_filter_allows_what_decoding_needs(
    machine: str, name: str, first_argument: int, wanted: int
) -> None:
    program = filter_program(machine, OWN_PID)

    got = verdict(
        program, arch=ARCH[machine], number=NUMBERS[machine][name], first_argument=first_argument
    )

    assert got == wanted


@pytest.mark.parametrize("machine", ARCH)
@pytest.mark.parametrize(
    ("process", "limit", "wanted"),
    [
        (0, resource.RLIMIT_AS, ALLOW),
        (0, resource.RLIMIT_NOFILE, REFUSE),
        (OWN_PID, resource.RLIMIT_AS, REFUSE),
        (1, resource.RLIMIT_AS, REFUSE),
    ],
)
def test_of_its_limits_a_process_may_change_that_of_its_memory(
    machine: str, process: int, limit: int, wanted: int
) -> None:
    got = verdict(
        filter_program(machine, OWN_PID),
        arch=ARCH[machine],
        number={"x86_64": 302, "aarch64": 261}[machine],
        first_argument=process,
        second_argument=limit,
    )

    assert got == wanted


@pytest.mark.parametrize("machine", ARCH)
def test_no_system_call_outside_of_the_table_is_allowed(machine: str) -> None:
    program = filter_program(machine, OWN_PID)

    allowed = [
        number
        for number in range(600)
        if verdict(program, arch=ARCH[machine], number=number) == ALLOW
    ]

    assert len(allowed) == {"x86_64": 42, "aarch64": 41}[machine]  # aarch64 has no poll
    assert (
        verdict(program, arch=ARCH[machine], number=0x40000000) == REFUSE
    )  # x32, the other numbers of x86-64


def test_system_calls_of_another_architecture_kill_the_process() -> None:
    assert (
        verdict(filter_program("x86_64", OWN_PID), arch=0x40000003, number=11) == KILL
    )  # execve of 32-bit x86


WITHOUT = """
import json
from scanner.sandbox import landlock, seccomp
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.restrictions import apply_restrictions
landlock.abi = lambda libc: 0
seccomp.SUPPORTED = False
found = apply_restrictions(SandboxLimits())
print(json.dumps([found.is_complete, found.active, found.missing]))
"""


def test_a_restriction_that_the_kernel_lacks_is_named_with_its_reason() -> None:
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}

    output = subprocess.run(
        [sys.executable, "-c", WITHOUT], env=environment, capture_output=True, check=True
    ).stdout

    is_complete, active, missing = json.loads(output)
    assert not is_complete
    assert active == ["privileges", "limits", "no_new_privs"]
    assert missing["landlock"].startswith("the kernel has no Landlock")
    assert missing["seccomp"].startswith("no table of system calls")

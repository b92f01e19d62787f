"""Tasks of a child that works correctly, and of one that hostile input has taken over.

All run in a real child with its restrictions.
"""

from __future__ import annotations

import ctypes
import errno
import itertools
import json
import mmap
import os
import platform
import signal
import socket
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from scanner.errors import DamagedError, SetupError
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.media.window_sampler import WindowWithBursts
from scanner.sandbox import tasks
from scanner.types import Burst, FrameSpec, MediaInfo, SegmentTimes, Span, Unseen

FOUR = FrameSpec(width=16, height=8, burst=Burst(frames=4, rate=2))
TWO = FrameSpec(width=8, height=8, burst=Burst(frames=2, rate=1))
SMALL = FrameSpec(width=16, height=8)
LARGE = FrameSpec(width=32, height=32)
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_THREAD = 0x10000
PATH, STATUS = ctypes.c_char_p(b"/etc/passwd"), ctypes.create_string_buffer(256)
"""Arguments of system calls on x86-64."""

NAMES = (
    "windows contents copy fail escape allocate crash spin spin_writing hang forge too_many odd "
    "beyond moving windows_and_more liar drip spin_untimed decode descriptors keep release"
)
TASKS = {name: f"tests.sandbox.hostile_tasks:{name}" for name in NAMES.split()}


def window(index: int, *, samples: int = 2, last: bool = False) -> DecodedWindow:
    """Make a window whose pixels identify window, sample and spec."""
    return DecodedWindow(
        index=index,
        times=SegmentTimes(
            first_pts=1 << 33,
            last_pts=(1 << 33) + 90,
            duration=Fraction(7, 3),
            time_base=Fraction(1, 90),
            wrap_bits=33,
        ),
        samples=tuple(
            Sample(
                at=Fraction(n, 30),
                pts=30 * n,
                keyframe=n == 0,
                images={s: _image(s, 10 * index + n) for s in (SMALL, LARGE)},
            )
            for n in range(samples)
        ),
        unseen=(Unseen(span=Span(start=Fraction(1, 7), end=Fraction(2)), reason="undecodable"),),
        info=MediaInfo(container="mpegts", codec="h264", width=1920, height=1080),
        discontinuity=index == 1,
        last=last,
    )


def _image(spec: FrameSpec, value: int) -> Any:
    return np.full(spec.shape, (value + spec.width) % 256, np.uint8)


# Correct tasks


def windows(sources: Sequence[BinaryIO], arguments: int, *, name: str) -> Iterator[DecodedWindow]:
    for index in range(arguments):
        yield window(index, last=index == arguments - 1)


def contents(
    sources: Sequence[BinaryIO], arguments: None, *, name: str, output: BinaryIO
) -> list[str]:
    return [source.read().decode() for source in sources]


def copy(sources: Sequence[BinaryIO], arguments: int, *, name: str, output: BinaryIO) -> int:
    return output.write(sources[0].read() * arguments)


def fail(sources: Sequence[BinaryIO], arguments: str, *, name: str) -> Iterator[DecodedWindow]:
    yield window(0)
    raise {
        "damaged": DamagedError(f"{name}: torn"),
        "setup": SetupError("fix me"),
        "bug": KeyError("bug"),
        "eof": EOFError("short"),
    }[arguments]


def burst(index: int, number: int, spec: FrameSpec) -> Sample:
    """Make burst ``number`` of a window, whose pixels identify window and burst."""
    images = {spec: np.full(spec.shape, 100 + 10 * index + number, np.uint8)}
    return Sample(
        at=Fraction(150 + number, 100),
        pts=number,
        keyframe=False,
        images=images,
        start=Fraction(number, 100),
    )


@dataclass(frozen=True, kw_only=True)
class Moving:
    """Behaviour of the task ``moving`` when the bursts of a window are requested."""

    windows: int = 2
    bursts: int = 2
    at: int = 0
    """Index of the window to which ``how`` applies."""
    how: str = "well"
    forged: bytes = b""
    ahead: str = ""
    """Event while the window after that one is made."""


def moving(
    sources: Sequence[BinaryIO], arguments: Moving, *, name: str
) -> Iterator[tuple[DecodedWindow, MovingBursts]]:
    """Yield windows with bursts of two kinds in turn."""
    for index in range(arguments.windows):
        if index == arguments.at + 1:
            _misbehave(arguments.ahead)
        yield window(index, last=index == arguments.windows - 1), MovingBursts(index, arguments)


class MovingBursts:
    """Makes the bursts of a window of the task ``moving``, of seven frames each."""

    def __init__(self, index: int, arguments: Moving) -> None:
        self._index, self._arguments = index, arguments
        self.frames = 0

    def make_bursts(self, request: BurstRequest) -> Iterator[Sample]:
        for number in range(self._arguments.bursts):
            self.frames += 7
            yield burst(self._index, number, (FOUR, TWO)[number % 2])
        if self._index == self._arguments.at:
            _misbehave(self._arguments.how, self._arguments.forged)


def _misbehave(how: str, forged: bytes = b"") -> None:
    match how:
        case "crash":
            ctypes.string_at(0)
        case "spin":
            while True:
                pass
        case "hang":
            time.sleep(1000)
        case "refuse":
            raise DamagedError("torn")
        case "forge":
            os.write(0, forged)


# Escapes


def escape(
    sources: Sequence[BinaryIO], arguments: int, *, name: str, output: BinaryIO
) -> dict[str, str]:
    """Return the result of each attempt: the error's name, or ``done``."""
    attempts: dict[str, Callable[[], object]] = {
        "read a file": lambda: open("/etc/passwd").close(),
        "write a file": lambda: open("/tmp/streamwarden-was-here", "w").close(),
        "list a folder": lambda: os.listdir("/"),
        "open its source again": lambda: open(
            f"/proc/self/fd/{sources[0].fileno()}", "r+b"
        ).close(),
        "write to its source": lambda: os.write(sources[0].fileno(), b"x"),
        "make a folder": lambda: os.mkdir("/tmp/streamwarden-was-here"),
        "remove a file": lambda: os.unlink("/tmp/streamwarden-was-here"),
        "connect by TCP": lambda: socket.socket(socket.AF_INET).connect(("127.0.0.1", 9)),
        "send by UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
            b"x", ("127.0.0.1", 9)
        ),
        "listen": lambda: socket.socket(socket.AF_INET).bind(("127.0.0.1", 0)),
        "talk to a local service": lambda: socket.socket(socket.AF_UNIX).connect("/run/x"),
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "fork": lambda: _child_of_fork(os.fork()),
        "fork by its number": lambda: _system_call(57),
        "share its memory with a fork": lambda: _system_call(58),
        "start a thread": lambda: _system_call(56, CLONE_THREAD, 0, 0, 0, 0),
        "start a thread by clone3": lambda: _system_call(435, 0, 88),
        "ask which paths exist": lambda: os.stat("/etc/passwd"),
        "ask by stat": lambda: _system_call(4, PATH, STATUS),
        "ask by lstat": lambda: _system_call(6, PATH, STATUS),
        "ask by statx": lambda: _system_call(332, -100, PATH, 0, 0, STATUS),
        "ask by access": lambda: _system_call(21, PATH, 0),
        "ask by faccessat": lambda: _system_call(269, -100, PATH, 0),
        "read a link": lambda: os.readlink("/proc/self/exe"),
        "read a link by its number": lambda: _system_call(89, PATH, STATUS, 10),
        "change its user": lambda: os.setuid(0),
        "stop its limits of processor time": lambda: _system_call(160, 0, STATUS),
        "signal its parent": lambda: os.kill(arguments, 0),
        "raise its limit of open files": lambda: _system_call(302, 0, 7, 0, 0),
        "limit its parent": lambda: _system_call(302, arguments, 9, 0, 0),
        "trace its parent": lambda: _system_call(101, 16, arguments, 0, 0),
        "read its parent's memory": lambda: _system_call(310, arguments, 0, 0, 0),
        "use io_uring": lambda: _system_call(425, 8, 0, 0, 0),
        "make files in memory": lambda: os.memfd_create("x"),
    }
    return {attempt: _outcome(act) for attempt, act in attempts.items()}


def _outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _child_of_fork(pid: int) -> None:
    if pid == 0:
        os._exit(0)


def _system_call(number: int, *arguments: Any) -> None:
    """Make a system call by its number on x86-64."""
    if LIBC.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")


def descriptors(
    sources: Sequence[BinaryIO], arguments: None, *, name: str, output: BinaryIO
) -> list[str]:
    """Read the source in the ways that need a descriptor and no path, and write the output."""
    descriptor = sources[0].fileno()
    status = ctypes.create_string_buffer(256)
    number = {"x86_64": 5, "aarch64": 80}[platform.machine()]
    assert LIBC.syscall(number, descriptor, status) == 0
    LIBC.mmap.restype = ctypes.c_void_p
    mapped = LIBC.mmap(None, ctypes.c_size_t(5), mmap.PROT_READ, mmap.MAP_PRIVATE, descriptor, 0)
    with open(descriptor, "rb", closefd=False) as again:
        read = [ctypes.string_at(mapped, 5), again.read(), os.pread(descriptor, 5, 0)]
    output.write(read[0])
    output.flush()
    return [part.decode() for part in read]


KEPT: list[bytearray] = []


def keep(sources: Sequence[BinaryIO], arguments: int, *, name: str) -> Iterator[DecodedWindow]:
    """Use memory, and keep it after the task."""
    KEPT.append(bytearray(b"x") * arguments)
    yield window(0, last=True)


def release(sources: Sequence[BinaryIO], arguments: int, *, name: str) -> Iterator[DecodedWindow]:
    """Use memory in small parts, which libc keeps when they are given back."""
    parts = [bytearray(b"x") * 100_000 for _ in range(arguments // 100_000)]
    yield window(0, last=True)
    del parts


# Ways to die


def allocate(sources: Sequence[BinaryIO], arguments: int, *, name: str) -> Iterator[DecodedWindow]:
    yield window(len(bytearray(arguments)) * 0)


def crash(sources: Sequence[BinaryIO], arguments: str, *, name: str) -> Iterator[DecodedWindow]:
    yield window(0)
    if arguments == "abort":
        os.abort()
    if arguments == "real-time":
        getattr(LIBC, "raise")(40)
    ctypes.string_at(0)


def spin(sources: Sequence[BinaryIO], arguments: None, *, name: str) -> Iterator[DecodedWindow]:
    yield window(0)
    while True:
        pass


def spin_writing(
    sources: Sequence[BinaryIO], arguments: None, *, name: str, output: BinaryIO
) -> None:
    while True:
        pass


def hang(sources: Sequence[BinaryIO], arguments: None, *, name: str) -> Iterator[DecodedWindow]:
    yield window(0)
    time.sleep(1000)


# Forged messages


def forge(sources: Sequence[BinaryIO], arguments: bytes, *, name: str) -> Iterator[DecodedWindow]:
    """Send the parent bytes that no correct child sends."""
    os.write(0, arguments)
    return iter(())


def framed(body: bytes) -> bytes:
    """Return a message as the parent expects it, preceded by its length."""
    return struct.pack("!I", len(body)) + body


def window_message(*, call: object = 1, **changes: object) -> bytes:
    """Return the message of a correct window with some values changed."""
    correct: dict[str, object] = {
        "index": 0,
        "times": [0, 90, 1, 1, 1, 90, 33],
        "samples": [[0, 1, 0, True]],
        "unseen": [],
        "info": ["mpegts", "h264", 1920, 1080, False],
        "begins": [0, 1],
        "discontinuity": False,
        "last": True,
        "has_keyframe": True,
        "damaged": [],
    }
    return json.dumps({"call": call, "window": correct | changes}).encode()


def windows_and_more(
    sources: Sequence[BinaryIO], arguments: bytes, *, name: str
) -> Iterator[DecodedWindow]:
    """Send forged bytes after the end of the task, by the answer that the caller waits for."""
    yield window(0, last=True)
    end = json.dumps({"call": 1, "end": True}).encode()
    os.write(0, framed(end) + arguments)
    time.sleep(1000)


def liar(sources: Sequence[BinaryIO], arguments: bytes, *, name: str) -> Iterator[DecodedWindow]:
    """Send forged bytes, and answer nothing else."""
    os.write(0, arguments)
    time.sleep(1000)
    return iter(())


def drip(sources: Sequence[BinaryIO], arguments: int, *, name: str) -> Iterator[DecodedWindow]:
    """Yield windows without end, each of them a little late."""
    for index in itertools.count():
        time.sleep(0.02)
        yield window(index, samples=arguments)


def spin_untimed(
    sources: Sequence[BinaryIO], arguments: None, *, name: str
) -> Iterator[DecodedWindow]:
    """Switch the own timer off, and use processor time without end."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    while True:
        pass


def decode(
    sources: Sequence[BinaryIO], arguments: DecodeRequest, *, name: str
) -> Iterator[WindowWithBursts]:
    """Decode the source, unless it is one that takes the child over: its bytes after ``LIE`` are
    what the child says then."""
    content = sources[0].read()
    sources[0].seek(0)
    if content.startswith(b"LIE"):
        for answer in content[3:].splitlines():
            os.write(0, framed(answer))
            time.sleep(0.01)
        time.sleep(1000)
    return tasks.decode(sources, arguments, name=name)


def too_many(sources: Sequence[BinaryIO], arguments: int, *, name: str) -> Iterator[DecodedWindow]:
    yield window(0, samples=arguments, last=True)


def odd(sources: Sequence[BinaryIO], arguments: None, *, name: str) -> Iterator[DecodedWindow]:
    """Yield an image of another shape than its spec's."""
    sample = window(0).samples[0]
    wrong = Sample(
        at=sample.at,
        pts=0,
        keyframe=True,
        images={SMALL: np.zeros((9, 16, 3), np.uint8), LARGE: sample.images[LARGE]},
    )
    yield DecodedWindow(
        index=0, times=window(0).times, samples=(wrong,), unseen=(), info=window(0).info
    )


def beyond(sources: Sequence[BinaryIO], arguments: None, *, name: str) -> Iterator[DecodedWindow]:
    """Yield a window after the last one."""
    yield window(0, last=True)
    yield window(1)


def forbid_forks() -> None:
    """Make each fork of this process fail, as on a machine without room for another process."""

    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, "no room")

    os.fork = refuse


def be_killed_at_first_start() -> None:
    """Be killed, as by something else, the first time that the parent starts a process."""
    marker = Path(tempfile.gettempdir()) / f"streamwarden-start-{os.getppid()}"
    if marker.exists():
        marker.unlink()
        return
    marker.touch()
    be_killed()


def be_killed() -> None:
    """Be killed, as by something else."""
    os.kill(os.getpid(), signal.SIGKILL)

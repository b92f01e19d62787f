"""The parent's side of a zygote: start it, have it fork children, end them.

    no zygote -- launch --> import, warm up --> ready -- launch --> ready, one child more
        ^                                         |
        +---- it ended, or it cannot fork --------+

A zygote that ended takes its children with it; the next launch starts another one. One that has
threads cannot fork: it becomes the child itself, and each launch starts a fresh interpreter.

The zygote is a fresh interpreter and not a fork: threads, locks, open files and secrets of the
parent stay with the parent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from mmap import mmap
from typing import Any, Final

from scanner.errors import SetupError
from scanner.sandbox.channel import Channel, DisconnectedError, connect
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.memory import create_shared_memory
from scanner.sandbox.protocol import (
    FORK,
    SERVE,
    EndMessage,
    ProtocolViolationError,
    StartMessage,
    parse_message,
    restrictions_from_json,
)
from scanner.sandbox.restrictions import Restrictions

__all__ = ["ExitStatus", "LaunchedProcess", "Launcher", "child_environment", "describe_exit"]

log = logging.getLogger(__name__)

_EXIT_SECONDS: Final = 2.0
"""Longest time between the end of a connection and the end of its process."""
_STARTS: Final = 3
"""Attempts to start a process that is killed from outside meanwhile."""
_ANSWER_SECONDS: Final = 10.0
"""Longest wait for a zygote that is asked to end a child."""
_PASSED_ENVIRONMENT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "TZ")
"""All other variables, passwords among them, stay with the parent."""

_TUNING = {
    "OPENBLAS_NUM_THREADS": "1",  # NumPy would start threads when it is imported
    # Frames are megabytes: by default glibc maps and unmaps each, and the kernel zeroes its pages
    # (7 % of a segment's work)
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitStatus:
    """The way in which a process ended."""

    status: int | None
    """Its exit status, the negative number of the signal that ended it, or None if not known."""
    killed: bool
    """Whether it did not end by itself and was killed."""


EndProcess = Callable[[float], ExitStatus]
"""Waits these seconds for a process to end by itself, kills it then, and leaves no zombie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchedProcess:
    """A child that has applied its restrictions and waits for its first task."""

    pid: int
    channel: Channel
    memory: mmap
    """The memory that it shares with this process."""
    restrictions: Restrictions
    end: EndProcess


class _KilledAtStartError(SetupError):
    """The process was killed from outside before it was ready; another start may succeed."""


class Launcher:
    """Starts children that all have the same tasks and limits.

    It belongs to one thread: the zygote dies with the thread that started it, and the children with
    the zygote, so that no process outlives its owner.
    """

    def __init__(
        self, limits: SandboxLimits, tasks: Mapping[str, str], warm_up: str | None
    ) -> None:
        self._limits = limits
        self._tasks = tasks
        self._warm_up = warm_up
        self._zygote: _Zygote | None = None

    def prepare(self) -> None:
        """Start the zygote and do not wait for it, so that it gets ready beside other work.

        Raises:
            SetupError: no process can be started.
        """
        if self._zygote is None:
            with contextlib.suppress(_KilledAtStartError):  # launch() starts another one
                self._zygote = _Zygote(self._limits, self._tasks, self._warm_up)

    def launch(self) -> LaunchedProcess:
        """Start a child and wait until it has applied its restrictions.

        Raises:
            SetupError: it does not start on this machine, with the reason.
        """
        for _ in range(_STARTS - 1):
            try:
                return self._launch()
            except _KilledAtStartError:
                log.warning("decoder killed at its start, starting another one")
        return self._launch()

    def close(self) -> None:
        """Kill the zygote; its children die with it."""
        zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.end(0.0)

    def _launch(self) -> LaunchedProcess:
        zygote = self._ready_zygote()
        channel, child_end = connect(self._limits.idle_seconds)
        try:
            with child_end, create_shared_memory(self._limits.buffer_bytes) as buffer:
                memory = mmap(buffer, self._limits.buffer_bytes)
                pid, end = zygote.start_child([child_end.fileno(), buffer])
            if not zygote.can_fork:
                self._zygote = None  # it is the child now
            with _translate_start_failures(end):
                message = parse_message(channel.receive(seconds=self._limits.start_seconds))
            _check_start(message)
        except BaseException:
            channel.close()
            raise
        return LaunchedProcess(
            pid=pid,
            channel=channel,
            memory=memory,
            restrictions=restrictions_from_json(message),
            end=end,
        )

    def _ready_zygote(self) -> _Zygote:
        if self._zygote is not None and not self._zygote.is_alive:
            self.close()
        if self._zygote is None:
            self._zygote = _Zygote(self._limits, self._tasks, self._warm_up)
            log.debug("zygote started", extra={"pid": self._zygote.pid})
        self._zygote.wait_until_ready()
        return self._zygote


class _Zygote:
    """A process that forks children, or becomes one."""

    def __init__(
        self, limits: SandboxLimits, tasks: Mapping[str, str], warm_up: str | None
    ) -> None:
        """Start the process.

        Raises:
            SetupError: it does not start on this machine, with the reason.
        """
        self._seconds = limits.start_seconds
        self._process, self._channel = _spawn()
        start = StartMessage(parent=os.getpid(), limits=limits, tasks=tasks, warm_up=warm_up)
        self._is_ready = False
        self.can_fork = False
        """Whether it forks children once it is ready; otherwise it can become one."""
        try:
            with _translate_start_failures(self.end):
                self._channel.send(pickle.dumps(start), seconds=self._seconds)
        except BaseException:
            self.end(0.0)
            raise

    def wait_until_ready(self) -> None:
        """Wait until it has imported and warmed up what its tasks need.

        Raises:
            SetupError: it does not start on this machine, with the reason.
        """
        if self._is_ready:
            return
        try:
            with _translate_start_failures(self.end):
                message = parse_message(self._channel.receive(seconds=self._seconds))
            threads: int = _check_start(message)["threads"]
        except BaseException:
            self.end(0.0)
            raise
        self._is_ready, self.can_fork = True, threads == 1

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def start_child(self, descriptors: Sequence[int]) -> tuple[int, EndProcess]:
        """Return a new child's process id and the function that ends it; the child gets copies of
        the descriptors."""
        if not self.can_fork:
            with _translate_start_failures(self.end):
                self._channel.send(SERVE, descriptors, seconds=self._seconds)
            return self.pid, self.end
        try:
            self._channel.send(FORK, descriptors, seconds=self._seconds)
            message = parse_message(self._channel.receive(seconds=self._seconds))
        except (DisconnectedError, TimeoutError) as error:
            self.end(0.0)
            raise _KilledAtStartError("the process that starts decoders ended") from error
        pid: int = _check_start(message)["pid"]
        return pid, partial(self._end_child, pid)

    def end(self, patience: float) -> ExitStatus:
        """End the process; its children die with it."""
        self._channel.close()
        try:
            return ExitStatus(status=self._process.wait(patience), killed=False)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return ExitStatus(status=self._process.wait(), killed=True)

    def _end_child(self, pid: int, patience: float) -> ExitStatus:
        """End a child. If the zygote has ended, or does not answer and is killed, the child died
        with it."""
        message = EndMessage(pid=pid, patience=patience)
        try:
            self._channel.send(pickle.dumps(message), seconds=_ANSWER_SECONDS)
            answer = parse_message(self._channel.receive(seconds=_ANSWER_SECONDS + patience))
        except (DisconnectedError, OSError):
            self.end(0.0)
            return ExitStatus(status=None, killed=False)
        return ExitStatus(status=answer["status"], killed=answer["killed"])


@contextlib.contextmanager
def _translate_start_failures(end: EndProcess) -> Iterator[None]:
    """Turn each failure to talk to a process that starts, and has read nothing hostile yet, into a
    ``SetupError``; the process may be killed at any moment, before it is sent its first message
    too."""
    try:
        yield
    except DisconnectedError as error:
        status = end(_EXIT_SECONDS).status
        text = f"the decoder process ends at its start by {describe_exit(status)}"
        kind = _KilledAtStartError if status in (None, -signal.SIGKILL) else SetupError
        raise kind(text) from error
    except (TimeoutError, ValueError, ProtocolViolationError) as error:
        end(0.0)
        raise SetupError(f"the decoder process does not start: {error}") from error


def _check_start(message: dict[str, Any]) -> dict[str, Any]:
    if "failed" in message:
        raise SetupError(f"the decoder process does not start: {message['failed']}")
    return message


def describe_exit(status: int | None) -> str:
    """Return the text for an exit status, as ``SIGSEGV``."""
    if status is None:
        return "the end of its zygote"
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:  # a real-time signal has no name
        return f"signal {-status}"


def child_environment() -> dict[str, str]:
    """Return the environment variables of a child: no passwords of the parent's, and no threads of
    libraries, which would be outside of its restrictions."""
    environment = {key: os.environ[key] for key in _PASSED_ENVIRONMENT if key in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    return environment | _TUNING


def _spawn() -> tuple[subprocess.Popen[bytes], Channel]:
    """Start a process that waits for its ``StartMessage``; return it and the parent's end of the
    connection."""
    command = [sys.executable, "-P", "-s", "-m", "scanner.sandbox"]
    quiet = subprocess.DEVNULL
    parent_end, child_end = socket.socketpair()
    try:
        with child_end:
            process = subprocess.Popen(
                command,
                stdin=child_end.fileno(),
                stdout=quiet,
                stderr=quiet,
                env=child_environment(),
                start_new_session=True,
            )
    except OSError as error:
        parent_end.close()
        raise SetupError(f"the decoder process does not start: {error}") from error
    return process, Channel(parent_end)

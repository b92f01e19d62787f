"""One child process from its parent's side: start it, call a task, receive its answers, kill it.

    ChildProcess() --> idle -- start_task --> busy -- end, value, most errors --> idle
                                                |
                                                +-- death, timeout, protocol violation,
                                                    out of memory, task abandoned --> kill

A child that is not idle has unread answers in its connection and cannot be used again. The
messages are in ``protocol``.

The child is a fresh interpreter and not a fork: threads, locks, open files and secrets of the
parent stay with the parent.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from mmap import mmap
from typing import Any

from scanner.errors import DecoderDiedError, SetupError
from scanner.media.samples import DecodedWindow, Sample
from scanner.sandbox.buffers import BurstBuffer, SampleBuffer
from scanner.sandbox.channel import Channel, DisconnectedError
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.memory import create_shared_memory
from scanner.sandbox.protocol import (
    RELEASE,
    SEND_BURSTS,
    ProtocolViolationError,
    StartMessage,
    TaskCall,
    burst_from_json,
    error_from_json,
    parse_message,
    restrictions_from_json,
    window_from_json,
)
from scanner.sandbox.restrictions import Restrictions

__all__ = ["ChildProcess", "KilledAtStartError"]

_CPU_SIGNALS = (signal.SIGPROF, signal.SIGXCPU)
_EXIT_SECONDS = 2.0
"""Longest time between the end of a connection and the end of its process."""
_PASSED_ENVIRONMENT = ("LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONHOME", "TZ")
"""All other variables, passwords among them, stay with the parent."""

_TUNING = {
    "OPENBLAS_NUM_THREADS": "1",  # NumPy would start threads when it is imported
    # Frames are megabytes: by default glibc maps and unmaps each, and the kernel zeroes its pages
    # (7 % of a segment's work)
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}


class KilledAtStartError(SetupError):
    """The process was killed from outside before it was ready; another start may succeed."""


class ChildProcess:
    """An unprivileged sandboxed process that runs one task at a time."""

    def __init__(
        self, limits: SandboxLimits, tasks: Mapping[str, str], warm_up: str | None
    ) -> None:
        """Start the process and wait until it has applied its restrictions.

        Raises:
            SetupError: it does not start on this machine, with the reason.
        """
        self._limits = limits
        self._process, self._channel = _spawn()
        try:
            self.restrictions = self._start(tasks, warm_up)
        except BaseException:
            self.kill()
            raise
        self.task_count = 0
        """Number of tasks that were started."""
        self.is_idle = True
        """Whether it waits for a task; otherwise it can only finish the current one or be
        killed."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.poll() is None

    def start_task(self, call: TaskCall, descriptors: Sequence[int]) -> None:
        """Send one task and copies of the descriptors that it needs.

        Raises:
            DecoderDiedError: the child does not accept it.
        """
        self.is_idle, self.task_count = False, self.task_count + 1
        with self._translate_failures(call):
            self._channel.send(pickle.dumps(call), descriptors, seconds=self._wall_seconds(call))

    def receive_windows(self, call: TaskCall) -> Iterator[DecodedWindow]:
        """Yield the windows of a stream; the child works on the next one while the caller
        processes this one.

        If the call wants bursts, a window is released only when the next one is requested, so
        that the child keeps what the bursts are made of.

        Raises:
            InputError: the task refused its source.
            DecoderDiedError: the child died, exceeded a limit or violated the protocol.
        """
        images = SampleBuffer(self._memory, call.specs)
        min_index = 0
        while (answer := self._receive(call, "window", "end"))[0] == "window":
            with self._translate_failures(call):
                window = window_from_json(answer[1], images, min_index=min_index)
            min_index = window.index + 1
            if call.wants_bursts:
                yield window
            with self._translate_failures(call):
                self._channel.send(RELEASE, seconds=self._wall_seconds(call))
            if window.last:
                # received here, so that a caller that stops at the last window leaves it idle
                self._receive(call, "end")
            if not call.wants_bursts:
                yield window
            if window.last:
                return

    def receive_bursts(self, call: TaskCall, window: DecodedWindow) -> tuple[Sample, ...]:
        """Request the bursts of the last window and return them in order of time.

        Valid until the next window is requested.

        Raises:
            InputError, DecoderDiedError: as ``receive_windows``.
        """
        images, bursts = BurstBuffer(self._memory, call.specs), list[Sample]()
        with self._translate_failures(call):
            self._channel.send(SEND_BURSTS, seconds=self._wall_seconds(call))
        while (answer := self._receive(call, "burst", "bursts_end"))[0] == "burst":
            with self._translate_failures(call):
                bursts.append(burst_from_json(answer[1], images, window=window, before=bursts))
        return tuple(bursts)

    def receive_value(self, call: TaskCall) -> Any:
        """Return the answer of a task that writes: JSON, not validated beyond that.

        Raises:
            InputError: the task refused its source.
            DecoderDiedError: the child died, exceeded a limit or violated the protocol.
        """
        return self._receive(call, "value")[1]

    def kill(self) -> None:
        """Kill the process, whatever it does; it has nothing to lose. Leaves no zombie."""
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def _start(self, tasks: Mapping[str, str], warm_up: str | None) -> Restrictions:
        start = StartMessage(parent=os.getpid(), limits=self._limits, tasks=tasks, warm_up=warm_up)
        with create_shared_memory(self._limits.buffer_bytes) as buffer:
            self._memory = mmap(buffer, self._limits.buffer_bytes)
            try:
                self._channel.send(
                    pickle.dumps(start), [buffer], seconds=self._limits.start_seconds
                )
                message = parse_message(self._channel.receive(seconds=self._limits.start_seconds))
            except DisconnectedError as error:
                status = self._process.wait(_EXIT_SECONDS)
                message_text = f"the decoder process ends at its start by {_describe_exit(status)}"
                kind = KilledAtStartError if status == -signal.SIGKILL else SetupError
                raise kind(message_text) from error
            except (TimeoutError, ValueError, ProtocolViolationError) as error:
                raise SetupError(f"the decoder process does not start: {error}") from error
        if "failed" in message:
            raise SetupError(f"the decoder process does not start: {message['failed']}")
        return restrictions_from_json(message)

    def _receive(self, call: TaskCall, *kinds: str) -> tuple[str, Any]:
        """Return the kind and content of the next message, which must be of one of ``kinds``.

        An error, ``end`` and ``value`` end the task.
        """
        with self._translate_failures(call):
            message = parse_message(self._channel.receive(seconds=self._wall_seconds(call)))
            if "error" in message:
                error = error_from_json(message["error"])
                self.is_idle = error.kind not in ("decoder_died", "limit_memory")
                try:
                    raise error
                finally:
                    # The traceback refers to this frame, and this frame to the error: without the
                    # cycle, the source's bytes are freed at once.
                    del error
            for kind in kinds:
                if kind in message:
                    self.is_idle = kind in ("end", "value")
                    return kind, message[kind]
            raise ProtocolViolationError(f"{sorted(message)[:3]} instead of {' or '.join(kinds)}")

    @contextlib.contextmanager
    def _translate_failures(self, call: TaskCall) -> Iterator[None]:
        """Turn each way in which the child can fail at ``call`` into a ``DecoderDiedError``."""
        try:
            yield
        except TimeoutError as error:
            text = f"{call.name}: decoder sent nothing for {self._wall_seconds(call):g} s"
            raise DecoderDiedError(text, kind="limit_time") from error
        except DisconnectedError as error:
            raise self._death_error(call) from error
        except (ProtocolViolationError, ValueError) as error:
            raise DecoderDiedError(f"{call.name}: decoder sent {error}") from error

    def _death_error(self, call: TaskCall) -> DecoderDiedError:
        try:
            status = self._process.wait(_EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return DecoderDiedError(f"{call.name}: decoder closed its connection")
        if -status in _CPU_SIGNALS:
            return DecoderDiedError(
                f"{call.name}: decoder used more than {self._describe_cpu_limit(call)}",
                kind="limit_cpu",
            )
        return DecoderDiedError(f"{call.name}: decoder ended by {_describe_exit(status)}")

    def _wall_seconds(self, call: TaskCall) -> float:
        return self._limits.write_wall_seconds if call.writes else self._limits.wall_seconds

    def _describe_cpu_limit(self, call: TaskCall) -> str:
        if call.writes:
            return f"{self._limits.write_cpu_seconds:g} s of processor time for one file"
        return f"{self._limits.cpu_seconds:g} s of processor time for one window"


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:  # a real-time signal has no name
        return f"signal {-status}"


def _spawn() -> tuple[subprocess.Popen[bytes], Channel]:
    """Start a process that waits for its ``StartMessage``; return it and the parent's end of the
    connection."""
    environment = {key: os.environ[key] for key in _PASSED_ENVIRONMENT if key in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
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
                env=environment | _TUNING,
                start_new_session=True,
            )
    except OSError as error:
        parent_end.close()
        raise SetupError(f"the decoder process does not start: {error}") from error
    return process, Channel(parent_end)

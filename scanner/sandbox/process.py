"""One child process from its parent's side: call a task, receive its answers, end it.

    Launcher.launch() --> idle -- start_task --> busy -- end, value --> idle
                                                   |
                                                   +-- error, death, timeout, protocol violation,
                                                       task abandoned --> kill

A child that is not idle has unread answers in its connection, or was given what broke it, and
cannot be used again. The messages are in ``protocol``.
"""

from __future__ import annotations

import contextlib
import mmap
import pickle
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from scanner.errors import DecoderDiedError
from scanner.media.request import BurstRequest
from scanner.media.samples import DecodedBursts, DecodedWindow, Sample
from scanner.sandbox.answers import (
    AnswerBounds,
    burst_from_json,
    decoded_frames_from_json,
    error_from_json,
    printable,
    window_from_json,
)
from scanner.sandbox.buffers import BurstBuffer, SampleBuffer
from scanner.sandbox.channel import DisconnectedError
from scanner.sandbox.launcher import ExitStatus, LaunchedProcess, describe_exit
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.memory import SourceOpener
from scanner.sandbox.protocol import (
    GRANT,
    RELEASE,
    SEND_BURSTS,
    TRIM,
    ProtocolViolationError,
    TaskCall,
    parse_message,
)
from scanner.sandbox.watch import CallWatch, SourceBudget, process_bytes, process_seconds
from scanner.sandbox.working_memory import WORKING_MEMORY
from scanner.types import Source

__all__ = ["ChildProcess"]

_CPU_SIGNALS = (signal.SIGPROF, signal.SIGXCPU)
_LEAST_BYTES = 6 << 20
"""Memory of an idle child that has given back all that it can: pages that it has written to since
the fork."""
_EXIT_SECONDS = 2.0
"""Longest time between the end of a connection and the end of its process."""


class ChildProcess:
    """An unprivileged sandboxed process that runs one task at a time, all for one stream."""

    def __init__(self, launched: LaunchedProcess, limits: SandboxLimits) -> None:
        self._launched = launched
        self._watch: CallWatch
        """Watches the call in hand."""
        self._channel = launched.channel
        self._memory = launched.memory
        self._limits = limits
        # The child keeps what it was given: memory that is used again is never that of another one
        self._opener = SourceOpener()
        self.restrictions = launched.restrictions
        self._exit: ExitStatus | None = None
        """How the process ended, once it has."""
        self.task_count = 0
        """Number of tasks that were started."""
        self.is_idle = True
        """Whether it waits for a task; otherwise it can only finish the current one or be
        killed."""
        self._bytes_at_launch = process_bytes(launched.pid)
        self.idle_bytes = _LEAST_BYTES
        """Memory that is kept for it while it is idle."""
        self.is_trimmed = False
        """Whether it was asked to give memory back since its last task."""
        self._trim_is_checked = True
        self.is_busy = False
        """Whether a task was started and its caller has not left it."""
        self._is_granted = False
        """Whether the task in hand has asked for much memory."""
        self._last_used = time.monotonic()

    @property
    def pid(self) -> int:
        """The id of the child process."""
        return self._launched.pid

    @property
    def is_usable(self) -> bool:
        """Whether another task may be started: it waits for one, lives, has said nothing since its
        last answer, and is not over the limits of its time and number of tasks."""
        return (
            self.is_idle
            and self.task_count < self._limits.max_tasks
            and not self.is_expired
            and self._channel.is_quiet
            and self._has_time_left
        )

    @property
    def _has_time_left(self) -> bool:
        """Whether the processor time of its life suffices for another window."""
        used = process_seconds(self.pid) or 0.0
        return used + self._limits.cpu_seconds < max(
            self._limits.source_seconds, 2 * self._limits.cpu_seconds
        )

    @property
    def is_expired(self) -> bool:
        """Whether it has been idle for too long."""
        idle = time.monotonic() - self._last_used
        return not self.is_busy and idle >= self._limits.idle_seconds

    @property
    def keeps_too_much(self) -> bool:
        """Whether it was asked to give memory back, and has not."""
        if self._trim_is_checked:
            return False
        self._trim_is_checked = True
        return self._measure() > 2 * _LEAST_BYTES

    def trim(self) -> int:
        """Ask for the memory that an idle child does not need for its next task, and return how
        many bytes that is."""
        self._opener.trim()
        self._memory.madvise(mmap.MADV_REMOVE)
        with contextlib.suppress(DisconnectedError, TimeoutError):  # it is replaced at its next use
            self._channel.send(TRIM, seconds=_EXIT_SECONDS)
        before, self.idle_bytes = self.idle_bytes, _LEAST_BYTES
        self.is_trimmed, self._trim_is_checked = True, False
        return before - self.idle_bytes

    def _measure(self) -> int:
        grown = max(0, process_bytes(self.pid) - self._bytes_at_launch)
        return _LEAST_BYTES + grown + self._opener.memory_bytes

    @contextlib.contextmanager
    def running(
        self,
        call: TaskCall,
        sources: Sequence[Source],
        output: BinaryIO | None,
        budget: SourceBudget,
    ) -> Iterator[TaskCall]:
        """Start one task, and give its call with its number; the child is idle at the end of the
        block if the task has ended well. ``budget`` is what the source may cost in all.

        Raises:
            InputError: a source cannot be opened.
            DecoderDiedError: the child does not accept the task.
        """
        numbered = replace(call, number=self.task_count + 1)
        self.is_busy, self.is_trimmed, self._trim_is_checked = True, False, True
        self._is_granted = False
        self._watch = CallWatch(numbered, self._limits, budget, self.pid)
        try:
            with WORKING_MEMORY.working(
                self.pid, before=self._bytes_at_launch, gives_way=budget.gives_way
            ):
                with self._opener.open_sources(sources, name=call.name) as descriptors:
                    outputs = [] if output is None else [output.fileno()]
                    self._start_task(numbered, [*descriptors, *outputs])
                yield numbered
        finally:
            self.is_busy, self._last_used = False, time.monotonic()
            self.idle_bytes = self._measure()

    def _start_task(self, call: TaskCall, descriptors: Sequence[int]) -> None:
        """Send one task and copies of the descriptors that it needs."""
        self.is_idle, self.task_count = False, call.number
        with self._translate_failures(call):
            self._channel.send(pickle.dumps(call), descriptors, seconds=self._watch.wall_seconds)

    def receive_windows(self, call: TaskCall, bounds: AnswerBounds) -> Iterator[DecodedWindow]:
        """Yield the windows of a stream; the child works on the next one while the caller
        processes this one.

        If the call wants bursts, a window is released only when the next one is requested, so
        that the child keeps what the bursts are made of.

        Raises:
            InputError: the task refused its source.
            DecoderDiedError: the child died, exceeded a limit or violated the protocol.
        """
        images = SampleBuffer(self._memory, call.specs)
        before: int | None = None
        while (answer := self._receive(call, "window", "end"))[0] == "window":
            with self._translate_failures(call):
                window = window_from_json(answer[1], images, bounds, before=before)
            before = window.index
            if call.wants_bursts:
                yield window
            with self._translate_failures(call):
                self._channel.send(RELEASE, seconds=self._watch.wall_seconds)
            if window.last:
                # received here, so that a caller that stops at the last window leaves it idle
                self._receive(call, "end")
            if not call.wants_bursts:
                yield window
            if window.last:
                return
        if before is not None or bounds.first_window == 0:
            with self._translate_failures(call):
                raise ProtocolViolationError("the end before the last window")

    def receive_bursts(
        self, call: TaskCall, bounds: AnswerBounds, window: DecodedWindow, request: BurstRequest
    ) -> DecodedBursts:
        """Request bursts of the last window and return them.

        Valid until the next window is requested.

        Raises:
            InputError, DecoderDiedError: as ``receive_windows``.
        """
        images, bursts = BurstBuffer(self._memory, call.specs), list[Sample]()
        with self._translate_failures(call):
            body = SEND_BURSTS + pickle.dumps(request)
            self._channel.send(body, seconds=self._watch.wall_seconds)
        while (answer := self._receive(call, "burst", "bursts_end"))[0] == "burst":
            with self._translate_failures(call):
                if len(bursts) >= bounds.samples:
                    raise ProtocolViolationError(f"more than {bounds.samples} bursts")
                bursts.append(burst_from_json(answer[1], images, window=window, before=bursts))
        with self._translate_failures(call):
            frames = decoded_frames_from_json(answer[1])
        return DecodedBursts(samples=tuple(bursts), frames=frames)

    def receive_value(self, call: TaskCall) -> Any:
        """Return the answer of a task that writes: JSON, not validated beyond that.

        Raises:
            InputError: the task refused its source.
            DecoderDiedError: the child died, exceeded a limit or violated the protocol.
        """
        return self._receive(call, "value")[1]

    def kill(self) -> None:
        """Kill the process, whatever it does; it has nothing to lose. Leaves no zombie."""
        self._end(0.0)

    def _end(self, patience: float) -> ExitStatus:
        self.is_idle = False
        self._channel.close()
        self._opener.close()
        if self._exit is None:
            self._exit = self._launched.end(patience)
        return self._exit

    def _receive(self, call: TaskCall, *kinds: str) -> tuple[str, Any]:
        """Return the kind and content of the next message, which must be of one of ``kinds``.

        ``end`` and ``value`` end the task well.
        """
        with self._translate_failures(call):
            message = self._next_answer(call)
            if "large" in message:
                self._grant()
                message = self._next_answer(call)
            if "error" in message:
                error = error_from_json(message["error"])
                try:
                    raise error
                finally:
                    # The traceback refers to this frame, and this frame to the error: without the
                    # cycle, the source's bytes are freed at once.
                    del error
            (kind,) = message if len(message) == 1 else ("",)
            if kind not in kinds:
                found = [printable(key, 40) for key in sorted(message)[:3]]
                raise ProtocolViolationError(f"{found} instead of {' or '.join(kinds)}")
            self.is_idle = kind in ("end", "value")
            return kind, message[kind]

    def _next_answer(self, call: TaskCall) -> dict[str, Any]:
        message = parse_message(self._wait())
        if message.pop("call", None) != call.number:
            raise ProtocolViolationError(f"an answer that is not to call {call.number}")
        return message

    def _grant(self) -> None:
        """Let the child take much memory, once others have made room."""
        if self._is_granted:
            raise ProtocolViolationError("a second request for memory")
        self._is_granted = True
        WORKING_MEMORY.claim(self.pid)
        self._watch.check()
        self._channel.send(GRANT, seconds=self._watch.wall_seconds)

    def _wait(self) -> bytes:
        """Return the next message of the child.

        Raises:
            TimeoutError: it took too long.
            LimitError: the source has cost all that it may cost.
        """
        size, seconds = 0, self._watch.start_waiting()
        try:
            body = self._channel.receive(
                seconds=seconds,
                meanwhile=self._watch.check,
                look_seconds=self._watch.look_seconds,
            )
            size = len(body)
        finally:
            self._watch.stop_waiting(size)
        return body

    @contextlib.contextmanager
    def _translate_failures(self, call: TaskCall) -> Iterator[None]:
        """Turn each way in which the child can fail at ``call`` into a ``DecoderDiedError``."""
        try:
            yield
        except TimeoutError as error:
            raise self._watch.timeout_error() from error
        except DisconnectedError as error:
            raise self._death_error(call) from error
        except (ProtocolViolationError, ValueError) as error:
            raise DecoderDiedError(f"{call.name}: decoder sent {error}") from error

    def _death_error(self, call: TaskCall) -> DecoderDiedError:
        end = self._end(_EXIT_SECONDS)
        if end.killed:
            return DecoderDiedError(f"{call.name}: decoder closed its connection")
        if end.status is not None and -end.status in _CPU_SIGNALS:
            return self._watch.processor_error()
        return DecoderDiedError(f"{call.name}: decoder ended by {describe_exit(end.status)}")

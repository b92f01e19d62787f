"""The child process: a copy of the zygote that serves tasks, with its parent on standard input.

    fork --> apply restrictions --> wait for a task <--+
                                      |                | end, value
                                      v                | or error
                 +----------------- working -----------+
                 |                    ^
                 v                    |
        window sent (buffer belongs to the parent) -- RELEASE ---+
                 ^       |
                 |       | SEND_BURSTS
                 +-- send bursts

It ends when its parent disconnects or sends no task for long. An error in a task is an answer; an
error of the process itself is seen by the parent as its death. The messages are in ``protocol``.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import logging
import os
import pickle
import resource
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from mmap import mmap
from types import TracebackType
from typing import Any

from scanner.errors import DecoderDiedError, LimitError, ScannerError
from scanner.media.large import asking
from scanner.media.request import BurstRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.media.window_sampler import NO_BURSTS, BurstMaker
from scanner.sandbox.answers import burst_to_json, error_to_json, window_to_json
from scanner.sandbox.buffers import BurstBuffer, SampleBuffer
from scanner.sandbox.channel import Channel, DisconnectedError, IdleError
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.protocol import SEND_BURSTS, TRIM, TaskCall, dump_message
from scanner.sandbox.restrictions import apply_restrictions

__all__ = ["Task", "serve"]

log = logging.getLogger(__name__)

_LIBC = ctypes.CDLL(None)


Task = Callable[..., Any]
"""A function of ``tasks``."""


def serve(channel: Channel, limits: SandboxLimits, tasks: Mapping[str, Task], buffer: int) -> None:
    """Give up all rights, and serve tasks until the parent disconnects or has none for long.

    ``buffer`` is the descriptor of the shared memory; it is closed.
    """
    memory = mmap(buffer, limits.buffer_bytes)
    os.close(buffer)
    restrictions = apply_restrictions(limits)
    channel.send(
        dump_message({"active": restrictions.active, "missing": dict(restrictions.missing)})
    )
    server = _TaskServer(channel, limits, tasks, memory)
    try:
        while True:
            with channel.receive_with_descriptors() as (body, descriptors):
                if body == TRIM:
                    _LIBC.malloc_trim(0)
                    continue
                call: TaskCall = pickle.loads(body)
                answer = server.run_task(call, descriptors)
            channel.send(dump_message({"call": call.number, **answer}))
    except (DisconnectedError, IdleError):
        return


class _TaskServer:
    """Runs tasks, one at a time, and sends their windows and bursts."""

    def __init__(
        self, channel: Channel, limits: SandboxLimits, tasks: Mapping[str, Task], memory: mmap
    ) -> None:
        self._channel = channel
        self._memory = memory
        self._limits = limits
        self._tasks = tasks
        self._unreleased: tuple[TaskCall, BurstMaker] | None = None
        """The last window, while the parent may still read the buffer or request its bursts."""

    def run_task(self, call: TaskCall, descriptors: Sequence[int]) -> dict[str, object]:
        """Run one task, sending its windows on the way, and return the last answer: ``value``,
        ``end`` or ``error``."""
        answer = self._catch_errors(call, lambda: self._run(call, descriptors))
        gc.collect()
        return self._catch_errors(call, lambda: self._finish(answer))

    def _catch_errors(
        self, call: TaskCall, step: Callable[[], dict[str, object]]
    ) -> dict[str, object]:
        try:
            return step()
        except DisconnectedError:
            raise  # the parent is gone, so there is no receiver for an answer
        except Exception as error:  # noqa: BLE001 - any error of a task is its answer
            return {"error": error_to_json(_to_scanner_error(error, call.name, self._limits))}

    def _finish(self, answer: dict[str, object]) -> dict[str, object]:
        """Return the last answer, after the parent has released the last window."""
        self._wait_for_release()
        return answer

    def _run(self, call: TaskCall, descriptors: Sequence[int]) -> dict[str, object]:
        task = self._tasks[call.task]
        self._allow_cpu(self._limits.write_cpu_seconds if call.writes else self._limits.cpu_seconds)
        with ExitStack() as files:
            files.enter_context(asking(lambda: self._claim(call)))
            sources = [
                files.enter_context(open(fd, "rb", closefd=False))
                for fd in descriptors[: len(descriptors) - call.writes]
            ]
            if call.writes:
                output = files.enter_context(open(descriptors[-1], "r+b", closefd=False))
                return {"value": task(sources, call.arguments, name=call.name, output=output)}
            self._send_windows(task(sources, call.arguments, name=call.name), call)
        return {"end": True}

    def _send_windows(
        self, windows: Iterable[DecodedWindow | tuple[DecodedWindow, BurstMaker]], call: TaskCall
    ) -> None:
        """Send each window. The next one is decoded while the parent processes it."""
        images = SampleBuffer(self._memory, call.specs)
        for item in windows:
            window, maker = item if isinstance(item, tuple) else (item, NO_BURSTS)
            self._wait_for_release()
            images.write((*window.samples, *window.damaged), name=call.name)
            self._send(call, {"window": window_to_json(window)})
            self._unreleased = (call, maker)
            del item, window, maker
            # Frames and packets are in reference cycles: without this, megabytes of each segment
            # would wait for a collection
            gc.collect()
            if not call.ahead:
                self._wait_for_release()
            self._allow_cpu(self._limits.cpu_seconds)

    def _claim(self, call: TaskCall) -> None:
        """Wait until the parent grants the memory of large pictures."""
        self._wait_for_release()
        self._send(call, {"large": True})
        self._channel.receive()

    def _wait_for_release(self) -> None:
        while self._unreleased is not None:
            unreleased, self._unreleased = self._unreleased, None
            message = self._channel.receive()
            if message.startswith(SEND_BURSTS):
                self._send_bursts(*unreleased, pickle.loads(message.removeprefix(SEND_BURSTS)))
                self._unreleased = unreleased

    def _send_bursts(self, call: TaskCall, maker: BurstMaker, request: BurstRequest) -> None:
        """Send each burst as soon as it is made; each may cost as much as a window."""
        images, before = BurstBuffer(self._memory, call.specs), maker.frames
        self._allow_cpu(self._limits.cpu_seconds)
        for sample in _make_affordable(maker, request, call.name):
            kind = images.append(sample)
            if kind is None:
                log.debug(
                    "buffer too small for all bursts of a window", extra={"source": call.name}
                )
                break
            self._send(call, {"burst": burst_to_json(sample, kind)})
            self._allow_cpu(self._limits.cpu_seconds)
        self._send(call, {"bursts_end": maker.frames - before})
        gc.collect()
        self._allow_cpu(self._limits.cpu_seconds)

    def _send(self, call: TaskCall, message: Mapping[str, object]) -> None:
        self._channel.send(dump_message({"call": call.number, **message}))

    @staticmethod
    def _allow_cpu(seconds: float) -> None:
        """Allow this much processor time from now on; then SIGPROF ends the process, even inside
        native code."""
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _make_affordable(maker: BurstMaker, request: BurstRequest, name: str) -> Iterator[Sample]:
    """Yield the bursts that can be made within the limit of memory: they take a second decoder, and
    the scores of the frames count without them."""
    try:
        yield from maker.make_bursts(request)
    except MemoryError:
        log.debug("not enough memory for all bursts of a window", extra={"source": name})


def _to_scanner_error(error: Exception, name: str, limits: SandboxLimits) -> ScannerError:
    """Return the error to send; an unexpected one counts as a death, and the parent replaces the
    process."""
    if isinstance(error, ScannerError):
        return error
    if isinstance(error, MemoryError):
        mib = resource.getrlimit(resource.RLIMIT_AS)[0] >> 20
        return LimitError(
            f"{name}: decoding needs more memory than the limit of {mib} MiB", kind="limit_memory"
        )
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return LimitError(
            f"{name}: result is longer than {limits.output_bytes} bytes", kind="limit_bytes"
        )
    line = _innermost_line(error.__traceback__)
    return DecoderDiedError(f"{name}: {type(error).__name__} in {line}: {error}")


def _innermost_line(traceback: TracebackType | None) -> str:
    """Return file and line of the innermost frame without reading the file, which is forbidden
    here."""
    line = "?"
    while traceback is not None:
        line = f"{traceback.tb_frame.f_code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return line

"""The disposable process: ``python -m scanner.sandbox``, its parent on standard input.

It imports, warms up, gives up its rights, and then serves one task after another until its parent
hangs up. Whatever goes wrong in a task is an answer; whatever goes wrong with the process is seen
by the parent as its death.
"""

from __future__ import annotations

import errno
import gc
import importlib
import logging
import pickle
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from mmap import mmap
from types import TracebackType
from typing import Any

from scanner.errors import DecoderDiedError, LimitError, ScannerError
from scanner.media.samples import Decoded, Sample
from scanner.sandbox.border import Frames, Rolls, burst_to, dumps, error_to, window_to
from scanner.sandbox.channel import Channel, HangUpError
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.messages import BURSTS, Call, Start
from scanner.sandbox.walls import die_with, raise_walls

__all__ = ["main"]

log = logging.getLogger(__name__)

Bursts = Callable[[], Iterator[Sample]]
"""What a task gives beside a window: makes its bursts, if somebody asks."""


def main() -> None:
    """Serve until the parent hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to judge
    channel = Channel(socket.socket(fileno=0))
    try:
        server = _prepared(channel)
        while True:
            with channel.receive_open() as (body, descriptors):
                answer = server.serve(pickle.loads(body), descriptors)
            channel.send(dumps(answer))
    except HangUpError:
        return


def _prepared(channel: Channel) -> _Server:
    with channel.receive_open() as (body, (descriptor,)):
        start: Start = pickle.loads(body)
        memory = mmap(descriptor, start.limits.buffer_bytes)
    die_with(start.parent)
    try:
        server = _Server(channel, start, memory)
        if start.warm_up is not None:
            _load(start.warm_up)()
    except (
        Exception
    ) as why:  # whatever it is, the parent has to know before this process ends of it
        channel.send(dumps({"failed": f"{type(why).__name__}: {why}"}))
        raise
    gc.collect()
    gc.freeze()  # a collection later looks only at what a task made, and costs next to nothing
    walls = raise_walls(start.limits)
    channel.send(dumps({"held": walls.held, "missing": dict(walls.missing)}))
    return server


class _Server:
    """What the child keeps between tasks."""

    def __init__(self, channel: Channel, start: Start, memory: mmap) -> None:
        self._channel = channel
        self._memory = memory
        self._limits = start.limits
        self._tasks = {name: _load(entry) for name, entry in start.tasks.items()}
        self._untaken: tuple[Call, Bursts] | None = None
        """The last window still lies in the shared buffer, or the parent may still want its bursts.
        """

    def serve(self, call: Call, descriptors: Sequence[int]) -> dict[str, object]:
        """Do one task, saying its windows on the way; gives the last answer: ``value``, ``end`` or
        ``error``."""
        answer = self._tried(call, lambda: self._run(call, descriptors))
        gc.collect()
        return self._tried(call, lambda: self._finished(answer))

    def _tried(self, call: Call, step: Callable[[], dict[str, object]]) -> dict[str, object]:
        try:
            return step()
        except HangUpError:
            raise  # the parent is gone, nobody waits for an answer
        except Exception as why:  # noqa: BLE001 - whatever it is, it is the answer
            return {"error": error_to(_blame(why, call.name, self._limits))}

    def _finished(self, answer: dict[str, object]) -> dict[str, object]:
        """The last answer, once the parent has all that it wants of the last window."""
        self._wait_until_taken()
        return answer

    def _run(self, call: Call, descriptors: Sequence[int]) -> dict[str, object]:
        task = self._tasks[call.task]
        self._allow(self._limits.write_cpu_seconds if call.writes else self._limits.cpu_seconds)
        with ExitStack() as files:
            sources = [
                files.enter_context(open(fd, "rb", closefd=False))
                for fd in descriptors[: len(descriptors) - call.writes]
            ]
            if call.writes:
                output = files.enter_context(open(descriptors[-1], "r+b", closefd=False))
                return {"value": task(sources, call.arguments, name=call.name, output=output)}
            self._stream(task(sources, call.arguments, name=call.name), call)
        return {"end": True}

    def _stream(self, windows: Iterable[Decoded | tuple[Decoded, Bursts]], call: Call) -> None:
        """Say each window; while the parent looks at it, the next one is decoded."""
        frames = Frames(self._memory, call.specs)
        for given in windows:
            window, bursts = given if isinstance(given, tuple) else (given, _none)
            self._wait_until_taken()
            frames.write(window.samples, name=call.name)
            self._channel.send(dumps({"window": window_to(window)}))
            self._untaken = (call, bursts)
            del given, window, bursts
            # frames and packets hang in cycles; megabytes a segment would wait for their turn
            gc.collect()
            if not call.ahead:
                self._wait_until_taken()
            self._allow(self._limits.cpu_seconds)

    def _wait_until_taken(self) -> None:
        while self._untaken is not None:
            untaken, self._untaken = self._untaken, None
            if self._channel.receive() == BURSTS:
                self._say_bursts(*untaken)
                self._untaken = untaken

    def _say_bursts(self, call: Call, bursts: Bursts) -> None:
        """Each as soon as it is made; each may cost as much as a window."""
        rolls = Rolls(self._memory, call.specs)
        self._allow(self._limits.cpu_seconds)
        for sample in bursts():
            kind = rolls.write(sample)
            if kind is None:
                log.debug("no room for more bursts of a window", extra={"source": call.name})
                break
            self._channel.send(dumps({"burst": burst_to(sample, kind)}))
            self._allow(self._limits.cpu_seconds)
        self._channel.send(dumps({"made": True}))
        gc.collect()
        self._allow(self._limits.cpu_seconds)

    @staticmethod
    def _allow(cpu_seconds: float) -> None:
        """Give this much processor time from now; then SIGPROF ends the process, even inside native
        code."""
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)


def _none() -> Iterator[Sample]:
    return iter(())


def _blame(why: Exception, name: str, limits: SandboxLimits) -> ScannerError:
    """What the parent is told; anything that is not foreseen counts as a death, and the process is
    replaced."""
    if isinstance(why, ScannerError):
        return why
    if isinstance(why, MemoryError):
        mib = limits.memory_bytes >> 20
        return LimitError(
            f"{name}: needs more memory than its decoder may have, {mib} MiB", kind="limit_memory"
        )
    if isinstance(why, OSError) and why.errno == errno.EFBIG:
        return LimitError(
            f"{name}: result is longer than {limits.output_bytes} bytes", kind="limit_bytes"
        )
    return DecoderDiedError(f"{name}: {type(why).__name__} in {_place(why.__traceback__)}: {why}")


def _load(entry: str) -> Callable[..., Any]:
    module, _, function = entry.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _place(traceback: TracebackType | None) -> str:
    """File and line of the innermost frame, without reading the file: that is not allowed here."""
    place = "?"
    while traceback is not None:
        place = f"{traceback.tb_frame.f_code.co_filename.rpartition('/')[2]}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place

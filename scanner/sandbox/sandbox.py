"""Decoding in a child process that may hang, crash or be taken over, and is then replaced.

no child -- first task --> idle -- task --> busy -- task ended --> idle
   ^                        |                |
   |  died, or max_tasks    |                |  died, refused by a limit, left half-way,
   +------------------------+                |  or the task wrote a file
   ^                                         |
   +-----------------------------------------+
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from scanner.errors import LimitError
from scanner.media.samples import DecodedWindow, Sample
from scanner.sandbox.channel import MAX_DESCRIPTORS
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.memory import SourceOpener
from scanner.sandbox.process import ChildProcess, KilledAtStartError
from scanner.sandbox.protocol import TaskCall
from scanner.sandbox.restrictions import Restrictions
from scanner.types import FrameSpec, Source

if TYPE_CHECKING:  # programs that only open files with this package do not load FFmpeg
    from scanner.media.request import DecodeRequest

__all__ = ["TASKS", "Sandbox", "Windows"]

log = logging.getLogger(__name__)

TASKS: Mapping[str, str] = {
    "decode": "scanner.sandbox.tasks:decode",
    "thumbnails": "scanner.media.thumbnails:decode_thumbnails",
    "cut": "scanner.media.clip:cut_in_child",
}
"""The tasks of a child as ``module:function``; it imports all of them before it gives up its
rights."""
WARM_UP = "scanner.sandbox.tasks:warm_up"

StartTask = Callable[[], AbstractContextManager[ChildProcess]]
"""Starts a task in a child; at the end of the block, a child that has not finished is replaced."""


class Windows(Iterator[DecodedWindow]):
    """The windows of one source, in order, while a child decodes them."""

    def __init__(self, call: TaskCall, start: StartTask) -> None:
        """``start`` is called for the first window."""
        self._call = call
        self._last: DecodedWindow | None = None
        self._active: list[ChildProcess] = []
        # The generator holds no reference to this object: dropping the object half-way frees both
        # at once, which ends the task
        self._windows = _receive_windows(call, start, self._active)

    def __next__(self) -> DecodedWindow:
        self._last = next(self._windows)
        return self._last

    def bursts(self) -> tuple[Sample, ...]:
        """Return the bursts of the last window in order of time, each with the images of its
        burst specs only.

        Call it before the next window is requested. The result is empty if the request has no
        burst specs or the window has no bursts.

        Raises:
            InputError, DecoderDiedError: as for a window; no window follows then.
        """
        if self._last is None or not self._active or not self._call.wants_bursts:
            return ()
        try:
            return self._active[0].receive_bursts(self._call, self._last)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the task; no more windows follow."""
        self._windows.close()


def _receive_windows(
    call: TaskCall, start: StartTask, active: list[ChildProcess]
) -> Generator[DecodedWindow]:
    with start() as child:
        active.append(child)
        try:
            yield from child.receive_windows(call)
        finally:
            active.clear()


class Sandbox:
    """Owns one child at a time: started for the first task, replaced after a death or
    ``max_tasks``.

    It runs one task at a time and belongs to one thread: the child dies with the thread that
    started it, so that no child outlives its owner.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        *,
        tasks: Mapping[str, str] = TASKS,
        warm_up: str | None = WARM_UP,
    ) -> None:
        self._limits = SandboxLimits() if limits is None else limits
        self._tasks = tasks
        self._warm_up = warm_up
        self._opener = SourceOpener()
        self._child: ChildProcess | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def restrictions(self) -> Restrictions:
        """The restrictions that are active on this machine; starts a child to find out."""
        return self._idle_child().restrictions

    @property
    def pid(self) -> int | None:
        """Process id of the child; None while there is none."""
        return None if self._child is None else self._child.pid

    def decode(
        self,
        source: Source,
        request: DecodeRequest,
        *,
        name: str,
        init: Source | None = None,
        ahead: bool = True,
    ) -> Windows:
        """Run ``decode_windows_with_bursts`` in the child: yield the samples window by window,
        and the bursts of a window on request.

        The child decodes the next window while the caller processes this one. Without ``ahead``
        it does not, so that a death certainly belongs to the window that was requested. Its wall
        clock runs only while the caller waits. Images are the caller's own copies.

        Raises:
            InputError: what ``media`` says of the source, or it cannot be opened.
            DecoderDiedError: the child died or was killed; ``kind`` says how. The next call starts
                a fresh one.
            SetupError: a child cannot be started here.
        """
        sources = (source,) if init is None else (source, init)
        return self.stream("decode", sources, request, specs=request.specs, name=name, ahead=ahead)

    def stream(
        self,
        task: str,
        sources: Sequence[Source],
        arguments: object,
        *,
        specs: Sequence[FrameSpec],
        name: str,
        ahead: bool = True,
    ) -> Windows:
        """Run any task that yields windows, as ``decode`` does; ``arguments`` are pickled,
        ``specs`` are the images of each sample."""
        call = TaskCall(task=task, name=name, arguments=arguments, specs=tuple(specs), ahead=ahead)
        return Windows(call, lambda: self._running(call, sources, None))

    def call(
        self,
        task: str,
        sources: Sequence[Source],
        arguments: object,
        *,
        output: BinaryIO,
        name: str,
    ) -> Any:
        """Run any task that writes a file and return its result: JSON, which the caller must
        validate.

        ``output`` is an empty file, open for reading and writing. What the child wrote there is as
        untrusted as its answer, but final: the child is killed after the task, because it could
        keep the file open and change it later.

        Raises:
            InputError, DecoderDiedError, SetupError: as ``decode``.
        """
        call = TaskCall(task=task, name=name, arguments=arguments, writes=True)
        with self._running(call, sources, output) as child:
            value = child.receive_value(call)
        self._kill_child()
        return value

    def close(self) -> None:
        """Kill the child and free its memory. A later call would start a fresh one."""
        self._kill_child()
        self._opener.close()

    @contextlib.contextmanager
    def _running(
        self, call: TaskCall, sources: Sequence[Source], output: BinaryIO | None
    ) -> Iterator[ChildProcess]:
        """Give a child that works on ``call``; kill it if it has not finished when the block
        ends, for whatever reason."""
        if len(sources) >= MAX_DESCRIPTORS:
            raise LimitError(
                f"{call.name}: {len(sources)} sources in one task, limit is {MAX_DESCRIPTORS - 1}",
                kind="limit_sources",
            )
        child = self._idle_child()
        try:
            with self._opener.open_sources(sources, name=call.name) as descriptors:
                outputs = [] if output is None else [output.fileno()]
                child.start_task(call, [*descriptors, *outputs])
            yield child
        finally:
            if not child.is_idle:
                self._kill_child()

    def _kill_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _idle_child(self) -> ChildProcess:
        child = self._child
        if child is not None and child.is_alive and not child.is_idle:
            raise RuntimeError(
                "a sandbox does one task at a time; finish or close the stream before it"
            )
        if child is not None and child.is_alive and child.task_count < self._limits.max_tasks:
            return child
        self._kill_child()
        try:
            self._child = ChildProcess(self._limits, self._tasks, self._warm_up)
        except KilledAtStartError:
            log.warning("decoder killed at its start, starting another one")
            self._child = ChildProcess(self._limits, self._tasks, self._warm_up)
        log.debug(
            "decoder started",
            extra={
                "pid": self._child.pid,
                "missing_restrictions": dict(self._child.restrictions.missing),
            },
        )
        return self._child

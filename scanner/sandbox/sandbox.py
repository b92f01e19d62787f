"""Decoding in child processes that may hang, crash or be taken over, and are then replaced.

A child serves one stream, the trust domain: what takes it over can falsify its own stream and no
other. The states of one stream's child:

no child -- first task --> idle -- task --> busy -- task ended well --> idle
   ^                        |                |
   |  died, idle too long,  |                |  died, an error, left half-way, a file was written,
   |  max_tasks, or others  |                |  or no stream was named
   |  were used since       |                |
   +------------------------+                |
   ^                                         |
   +-----------------------------------------+
"""

from __future__ import annotations

import contextlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from scanner.errors import LimitError
from scanner.media.request import BurstRequest
from scanner.media.samples import DecodedBursts, DecodedWindow
from scanner.sandbox.answers import AnswerBounds
from scanner.sandbox.channel import MAX_DESCRIPTORS
from scanner.sandbox.launcher import Launcher
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.process import ChildProcess
from scanner.sandbox.protocol import TaskCall
from scanner.sandbox.restrictions import Restrictions
from scanner.sandbox.watch import SourceBudget
from scanner.types import FrameSpec, Source

if TYPE_CHECKING:  # programs that only open files with this package do not load FFmpeg
    from scanner.media.request import DecodeRequest

__all__ = ["TASKS", "Sandbox", "Windows"]

log = logging.getLogger(__name__)

TASKS: Mapping[str, str] = {
    "decode": "scanner.sandbox.tasks:decode",
    "thumbnails": "scanner.media.thumbnails:decode_thumbnails",
    "cut": "scanner.media.clip:cut_in_child",
    "segment": "scanner.media.segmenting:cut_segments_in_child",
}
"""The tasks of a child as ``module:function``; it imports all of them before it gives up its
rights."""
MOST_IDLE_BYTES: Final = 64 << 20
"""Memory that one idle child may keep for its next task; pictures of 1080p take 17 MiB."""
WARM_UP = "scanner.sandbox.tasks:warm_up"

_ActiveTask = tuple[ChildProcess, TaskCall]
StartTask = Callable[[], AbstractContextManager[_ActiveTask]]
"""Starts a task in a child; at the end of the block, a child that has not finished is ended."""


class Windows(Iterator[DecodedWindow]):
    """The windows of one source, in order, while a child decodes them."""

    def __init__(self, call: TaskCall, bounds: AnswerBounds, start: StartTask) -> None:
        """``start`` is called for the first window."""
        self._call = call
        self._bounds = bounds
        self._last: DecodedWindow | None = None
        self._active: list[_ActiveTask] = []
        # The generator holds no reference to this object: dropping the object half-way frees both
        # at once, which ends the task
        self._windows = _receive_windows(start, bounds, self._active)

    def __next__(self) -> DecodedWindow:
        self._last = next(self._windows)
        return self._last

    def bursts(self, request: BurstRequest | None = None) -> DecodedBursts:
        """Return bursts of the last window in order of time, each with the images of its burst
        specs only; without a request, all of them.

        Call it before the next window is requested. There are none if the call has no burst specs
        or the window has no bursts.

        Raises:
            InputError, DecoderDiedError: as for a window; no window follows then.
        """
        if self._last is None or not self._active or not self._call.wants_bursts:
            return DecodedBursts()
        try:
            child, numbered = self._active[0]
            wanted = BurstRequest() if request is None else request
            return child.receive_bursts(numbered, self._bounds, self._last, wanted)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the task; no more windows follow."""
        self._windows.close()


def _receive_windows(
    start: StartTask, bounds: AnswerBounds, active: list[_ActiveTask]
) -> Generator[DecodedWindow]:
    with start() as (child, call):
        active.append((child, call))
        try:
            yield from child.receive_windows(call, bounds)
        finally:
            active.clear()


class Sandbox:
    """Owns a child for each stream, up to ``max_children`` of them.

    Each stream runs one task at a time. All belong to one thread: the children die with the thread
    that started them, so that none outlives its owner.
    """

    def __init__(
        self,
        limits: SandboxLimits | None = None,
        *,
        tasks: Mapping[str, str] = TASKS,
        warm_up: str | None = WARM_UP,
    ) -> None:
        self._limits = SandboxLimits() if limits is None else limits
        self._launcher = Launcher(self._limits, tasks, warm_up)
        self._children: OrderedDict[str, ChildProcess] = OrderedDict()
        """Children by stream; the one that was used last is the last."""
        self._spare: ChildProcess | None = None
        """A child that has not had a task yet."""

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def restrictions(self) -> Restrictions:
        """The restrictions that are active on this machine; starts a child to find out, which the
        next new stream gets."""
        if self._spare is None or not self._spare.is_usable:
            self._spare = self._start_child()
        return self._spare.restrictions

    @property
    def pids(self) -> Mapping[str, int]:
        """Process ids of the children that are kept, by stream."""
        return {stream: child.pid for stream, child in self._children.items()}

    def decode(
        self,
        source: Source,
        request: DecodeRequest,
        *,
        name: str,
        stream: str | None = None,
        init: Source | None = None,
        previous: Sequence[Source] = (),
        ahead: bool = True,
        budget: SourceBudget | None = None,
    ) -> Windows:
        """Yield the samples window by window, and the bursts of a window on request, as
        ``decode_windows_with_bursts`` does in the stream's child.

        Without ``stream`` the source gets a child of its own, which is ended afterwards. A source
        that is tried again has the ``budget`` of its first try. ``previous`` are the segments
        before the source, with the same ``init``.

        The child decodes the next window while the caller processes this one. Without ``ahead``
        it does not, so that a death certainly belongs to the window that was requested. Its wall
        clock runs only while the caller waits. Images are the caller's own copies.

        Raises:
            InputError: what ``media`` says of the source, it cannot be opened, or its budget is
                spent.
            DecoderDiedError: the child died or was killed; ``kind`` says how. The next call starts
                a fresh one.
            SetupError: a child cannot be started here.
        """
        sources = (source, *(() if init is None else (init,)), *previous)
        call = TaskCall(
            task="decode",
            name=name,
            arguments=replace(request, previous=len(previous)),
            specs=tuple(request.specs),
            ahead=ahead,
        )
        return self._windows(call, sources, AnswerBounds.of_request(request), stream, budget)

    def stream(
        self,
        task: str,
        sources: Sequence[Source],
        arguments: object,
        *,
        specs: Sequence[FrameSpec],
        name: str,
        stream: str | None = None,
        bounds: AnswerBounds | None = None,
        ahead: bool = True,
        budget: SourceBudget | None = None,
    ) -> Windows:
        """Run any task that yields windows, as ``decode`` does; ``arguments`` are pickled,
        ``specs`` are the images of each sample, ``bounds`` what may be answered: by default one
        window."""
        call = TaskCall(task=task, name=name, arguments=arguments, specs=tuple(specs), ahead=ahead)
        return self._windows(call, sources, bounds or AnswerBounds(), stream, budget)

    def _windows(
        self,
        call: TaskCall,
        sources: Sequence[Source],
        bounds: AnswerBounds,
        stream: str | None,
        budget: SourceBudget | None,
    ) -> Windows:
        return Windows(call, bounds, lambda: self._running(call, sources, stream, budget=budget))

    def call(
        self,
        task: str,
        sources: Sequence[Source],
        arguments: object,
        *,
        output: BinaryIO,
        name: str,
        stream: str | None = None,
        budget: SourceBudget | None = None,
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
        with self._running(call, sources, stream, output, budget) as (child, numbered):
            return child.receive_value(numbered)

    def prepare(self) -> None:
        """Start what children are forked from and do not wait for it; the first task does.

        Raises:
            SetupError: no process can be started on this machine.
        """
        self._launcher.prepare()

    def new_budget(self) -> SourceBudget:
        """Return the budget of a source that may be tried several times."""
        return SourceBudget(self._limits.source_seconds)

    def close(self) -> None:
        """Kill all children. A later call would start fresh ones."""
        children = [*self._children.values()]
        self._children.clear()
        if self._spare is not None:
            children.append(self._spare)
            self._spare = None
        for child in children:
            child.kill()
        self._launcher.close()

    @contextlib.contextmanager
    def _running(
        self,
        call: TaskCall,
        sources: Sequence[Source],
        stream: str | None,
        output: BinaryIO | None = None,
        budget: SourceBudget | None = None,
    ) -> Iterator[_ActiveTask]:
        """Give a child that works on ``call``, and the call with its number; keep the child if it
        may serve its stream again after the block, otherwise kill it."""
        if len(sources) >= MAX_DESCRIPTORS:
            raise LimitError(
                f"{call.name}: {len(sources)} sources in one task, limit is {MAX_DESCRIPTORS - 1}",
                kind="limit_sources",
            )
        child = self._idle_child(stream)
        try:
            with child.running(call, sources, output, budget or self.new_budget()) as numbered:
                yield child, numbered
        finally:
            if stream is None or call.writes or not child.is_idle:
                self._drop(stream, child)
            else:
                self._bound_memory()

    def _idle_child(self, stream: str | None) -> ChildProcess:
        """Return the stream's child, or a new one."""
        self._end_expired()
        child = None if stream is None else self._children.pop(stream, None)
        if child is not None and child.is_busy:
            self._children[stream or ""] = child
            raise RuntimeError(
                "a stream has one task at a time; finish or close its windows before the next one"
            )
        if child is not None and not child.is_usable:
            child.kill()
            child = None
        if child is None:
            self._make_room()
            child, self._spare = self._spare or self._start_child(), None
        if stream is not None:
            self._children[stream] = child  # as the last, which was used last
        return child

    def _end_expired(self) -> None:
        """End the children that were idle for too long."""
        for stream, child in [*self._children.items()]:
            if not child.is_expired:
                break
            self._drop(stream, child)
        if self._spare is not None and not self._spare.is_usable:
            self._spare.kill()
            self._spare = None

    def _make_room(self) -> None:
        """End idle children, the one that was not used for longest first, until one more may be
        kept."""
        surplus = len(self._children) + 1 - self._limits.max_children
        idle = [item for item in self._children.items() if not item[1].is_busy]
        for stream, child in idle[: max(0, surplus)]:
            self._drop(stream, child)

    def _bound_memory(self) -> None:
        """Bound the memory of the idle children: those that hold much, and those that were not used
        for longest, give back what they can, and are ended where that is not enough."""
        idle = {s: child for s, child in self._children.items() if not child.is_busy}
        for stream, child in idle.items():
            if child.keeps_too_much:
                self._drop(stream, child)
        surplus = sum(child.idle_bytes for child in idle.values()) - self._limits.idle_bytes
        for child in idle.values():
            if not child.is_trimmed and (surplus > 0 or child.idle_bytes > MOST_IDLE_BYTES):
                surplus -= child.trim()
        for stream, child in idle.items():
            if surplus > 0:
                surplus -= child.idle_bytes
                self._drop(stream, child)

    def _drop(self, stream: str | None, child: ChildProcess) -> None:
        if stream is not None and self._children.get(stream) is child:
            del self._children[stream]
        child.kill()

    def _start_child(self) -> ChildProcess:
        launched = self._launcher.launch()
        log.debug(
            "decoder started",
            extra={
                "pid": launched.pid,
                "missing_restrictions": dict(launched.restrictions.missing),
            },
        )
        return ChildProcess(launched, self._limits)

"""Decoding where it can do no harm: a child process that may hang, crash or be taken over, and is
then replaced."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

from scanner.errors import LimitError
from scanner.media.samples import Decoded, Sample
from scanner.sandbox.channel import MOST_DESCRIPTORS
from scanner.sandbox.limits import SandboxLimits
from scanner.sandbox.memory import Lender
from scanner.sandbox.messages import Call
from scanner.sandbox.process import Child
from scanner.sandbox.walls import Walls
from scanner.types import FrameSpec, Source

if TYPE_CHECKING:  # who only opens files by this package does not load FFmpeg
    from scanner.media.request import DecodeRequest

__all__ = ["TASKS", "Sandbox", "Windows"]

log = logging.getLogger(__name__)

TASKS: Mapping[str, str] = {
    "decode": "scanner.sandbox.tasks:decode",
    "thumbnails": "scanner.media.stills:thumbnails",
    "cut": "scanner.media.clip:cut_in_child",
}
"""What a child can be asked, as ``module:function``; it imports them all before it gives up its
rights."""
WARM_UP = "scanner.sandbox.tasks:warm_up"


class Windows(Iterator[Decoded]):
    """The windows of one source, one after the other, while a child works on them."""

    def __init__(self, call: Call, asked: Callable[[], AbstractContextManager[Child]]) -> None:
        """``asked`` hands the call to a child; the first window does."""
        self._call = call
        self._given: Decoded | None = None
        self._at_work: list[Child] = []
        self._windows = _all(
            call, asked, self._at_work
        )  # it does not know us: dropped half-way, both go at once, and the task ends

    def __next__(self) -> Decoded:
        self._given = next(self._windows)
        return self._given

    def bursts(self) -> tuple[Sample, ...]:
        """The bursts of the window that was given last, in order of time: of each only the images
        that are of bursts.

        Ask before the next window. None, where nobody asked for such specs or where the window has
        none.

        Raises:
            InputError, DecoderDiedError: as for a window; no window follows then.
        """
        if self._given is None or not self._at_work or not self._call.bursts:
            return ()
        try:
            return self._at_work[0].bursts(self._call, self._given)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """No more windows are wanted."""
        self._windows.close()


def _all(
    call: Call, asked: Callable[[], AbstractContextManager[Child]], at_work: list[Child]
) -> Generator[Decoded]:
    with asked() as child:
        at_work.append(child)
        try:
            yield from child.windows(call)
        finally:
            at_work.clear()


class Sandbox:
    """Owns one child at a time: started at the first task, replaced after a death or ``max_tasks``.

    One task at a time, and one thread: the child dies with the thread that started it, so that none
    is ever left over.
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
        self._lender = Lender()
        self._child: Child | None = None

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
    def walls(self) -> Walls:
        """Which walls hold here; starts a child to find out."""
        return self._ready_child().walls

    @property
    def pid(self) -> int | None:
        """Of the child; None while there is none."""
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
        """``scanner.media.look`` in the child: what was seen, window by window, and the bursts of a
        window where they are asked for.

        The child decodes the next window while the caller looks at this one (not so without
        ``ahead``: then a death is sure to be of the window that was asked for); its wall clock runs
        only while the caller waits. Images are the caller's own copies.

        Raises:
            InputError: what ``media`` says of the source, or it cannot be opened.
            DecoderDiedError: the child died or was ended; ``kind`` says how. The next call starts a
                fresh one.
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
        """Any task that yields windows, as ``decode`` does; ``arguments`` are pickled, ``specs``
        are the images of each sample."""
        call = Call(task=task, name=name, arguments=arguments, specs=tuple(specs), ahead=ahead)
        return Windows(call, lambda: self._asked(call, sources, None))

    def call(
        self,
        task: str,
        sources: Sequence[Source],
        arguments: object,
        *,
        output: BinaryIO,
        name: str,
    ) -> Any:
        """Any task that writes a file; gives what the task returned, which is JSON and to be
        checked by the caller.

        ``output`` is an empty file, open for reading and writing. What the child wrote there is as
        untrusted as its answer, but final: the child ends with the task, or it could keep the file
        open and change it later.

        Raises:
            InputError, DecoderDiedError, SetupError: as ``decode``.
        """
        call = Call(task=task, name=name, arguments=arguments, writes=True)
        with self._asked(call, sources, output) as child:
            value = child.value(call)
        self._end_child()
        return value

    def close(self) -> None:
        """End the child. A later call would start a fresh one."""
        self._end_child()
        self._lender.close()

    @contextlib.contextmanager
    def _asked(
        self, call: Call, sources: Sequence[Source], output: BinaryIO | None
    ) -> Iterator[Child]:
        """A child at work on ``call``; one that is not done when the block ends, for whatever
        reason, is replaced."""
        if len(sources) >= MOST_DESCRIPTORS:
            raise LimitError(
                f"{call.name}: {len(sources)} sources in one task, limit is {MOST_DESCRIPTORS - 1}",
                kind="limit_sources",
            )
        child = self._ready_child()
        try:
            with self._lender.lend(sources, name=call.name) as descriptors:
                child.ask(call, descriptors if output is None else [*descriptors, output.fileno()])
            yield child
        finally:
            if not child.idle:
                self._end_child()

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()

    def _ready_child(self) -> Child:
        child = self._child
        if child is not None and child.alive and not child.idle:
            raise RuntimeError(
                "a sandbox does one task at a time; finish or close the stream before it"
            )
        if child is not None and child.alive and child.tasks < self._limits.max_tasks:
            return child
        self._end_child()
        self._child = Child(self._limits, self._tasks, self._warm_up)
        log.debug(
            "decoder started",
            extra={"pid": self._child.pid, "missing_walls": dict(self._child.walls.missing)},
        )
        return self._child

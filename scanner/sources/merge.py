"""Several sources read side by side: files in order, and between them what live sources have.

                    thread 1: source --> slot --+
                    thread 2: source --> slot --+--> ready, first come first served --+
    waiting sources -->  ...                    |                                     +--> arrivals
         ^          thread N: source --> slot --+          files, one after another --+
         |                                                            |
         +---- a playlist on disk that may grow ----------------------+

A thread reads one source at a time, and takes the next one that waits when that has ended. It holds
at most one arrival while another of its source is ready (back-pressure): nothing is read far ahead
of what is scanned. Files are read by the caller's thread, and only while nothing else is ready.
"""

from __future__ import annotations

import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scanner.errors import InputError
from scanner.sources.cancellation import Cancellation, SourceCancelledError
from scanner.stream.inputs import Arrival, SourceFailed, StreamEnded
from scanner.types import StreamId

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["FollowedSource", "MergedArrivals", "PathCount"]

_JOIN_SECONDS = 0.1
"""Between two attempts to interrupt a thread: a connection that is just being opened may miss the
first."""

_RECHECK_SECONDS = 0.5
"""Between two questions to files that have nothing yet."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedSource:
    """A source that is followed in a thread of its own."""

    path: str
    """Path of its arrivals."""
    stream_id: StreamId
    """Id of its stream."""
    read: Callable[[Cancellation], Generator[Arrival, None, None]]
    """Yields its arrivals, and raises ``SourceCancelledError`` when that is requested. Any other
    error ends this source and no other."""


@dataclass(slots=True)
class PathCount:
    """How many paths a scan reads."""

    total: int = 0
    """Known paths; it changes while folders are read."""
    live: int = 0
    """Those of them that are followed, and so have no end that is known."""


class MergedArrivals(Iterator[Arrival]):
    """Arrivals of files and of followed sources; those of one stream stay in order.

    Threads start with the first arrival that is requested. ``close`` ends them and the iteration,
    and may be called from any thread.
    """

    def __init__(
        self,
        files: Iterator[Arrival | FollowedSource | None],
        followed: Sequence[FollowedSource],
        *,
        concurrent: int,
        paths: PathCount | None = None,
    ) -> None:
        """``concurrent`` is the number of sources that are followed at the same time; the others
        wait until one has ended. ``files`` may yield further sources to follow, and None where it
        has nothing now and is to be asked again."""
        self.paths = paths or PathCount()
        """How many paths there are, as far as is known."""
        self._files = files
        self._files_ended = False
        self._readers = _Readers(followed, concurrent)
        # The threads hold no reference to this object: dropping it ends them too
        self._stop_readers = weakref.finalize(self, self._readers.stop)

    def __next__(self) -> Arrival:
        self._readers.start()
        while not self._readers.is_stopped:
            arrival = self._readers.take()
            if arrival is None:
                arrival = self._next_file()
            if arrival is None:
                arrival = self._readers.wait(None if self._files_ended else _RECHECK_SECONDS)
            if arrival is not None:
                return arrival
            if self._files_ended and self._readers.is_done:
                self.close()
        raise StopIteration

    def _next_file(self) -> Arrival | None:
        """Return the next arrival of a file, if there is one now; sources that come before it are
        followed."""
        for found in self._files:
            if not isinstance(found, FollowedSource):
                return found
            self._readers.add(found)
        self._files_ended = True
        return None

    def close(self) -> None:
        """End all threads, and wait for them; requests that hang are interrupted."""
        self._stop_readers()
        self._readers.join()

    def __enter__(self) -> MergedArrivals:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Readers:
    """The threads, and the arrivals that are ready. All state is guarded by ``_changed``."""

    def __init__(self, sources: Sequence[FollowedSource], concurrent: int) -> None:
        self._changed = threading.Condition()
        self._cancellation = Cancellation()
        self._concurrent = concurrent
        self._waiting = deque(sources)
        self._ready: deque[tuple[FollowedSource, Arrival]] = deque()
        self._unfinished = len(sources)
        self._threads: list[threading.Thread] = []
        self._running = 0
        """Threads that have or will take a source."""
        self._is_started = False

    @property
    def is_stopped(self) -> bool:
        return self._cancellation.is_cancelled

    def start(self) -> None:
        """Start the threads at the first call."""
        with self._changed:
            if self._is_started or self.is_stopped:
                return
            self._is_started = True
            for _ in range(min(self._concurrent, len(self._waiting))):
                self._start_thread()
            if left := len(self._waiting) - self._running:
                log.warning("more sources than are followed at once", extra={"waiting": left})

    def add(self, source: FollowedSource) -> None:
        """Follow another source, once one of the threads is free; no effect after ``stop``."""
        with self._changed:
            if self.is_stopped:
                return
            self._waiting.append(source)
            self._unfinished += 1
            if self._running < self._concurrent:
                self._start_thread()

    def _start_thread(self) -> None:
        name = f"streamwarden-source-{self._running}"
        self._running += 1
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
        self._threads[-1].start()

    def take(self) -> Arrival | None:
        """Return an arrival that is ready, if there is one."""
        with self._changed:
            if not self._ready:
                return None
            _, arrival = self._ready.popleft()
            self._changed.notify_all()
            return arrival

    @property
    def is_done(self) -> bool:
        """Whether all sources have ended and everything was taken."""
        with self._changed:
            return not (self._ready or self._unfinished)

    def wait(self, seconds: float | None) -> Arrival | None:
        """Wait for the next arrival; None when all sources have ended, after ``stop``, and after
        ``seconds``."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._ready or not self._unfinished or self.is_stopped, seconds
            )
            return self.take()

    def stop(self) -> None:
        """Tell the threads to end, without waiting for them."""
        self._cancellation.cancel()
        with self._changed:
            self._waiting.clear()
            self._ready.clear()
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until the threads have ended; after ``stop``."""
        for thread in self._threads:
            while thread.is_alive():
                self._cancellation.cancel()
                thread.join(_JOIN_SECONDS)

    # In the threads

    def _run(self) -> None:
        try:
            while (source := self._next_source()) is not None:
                self._read(source)
                with self._changed:
                    self._unfinished -= 1
                    self._changed.notify_all()
        except SourceCancelledError:
            return

    def _next_source(self) -> FollowedSource | None:
        with self._changed:
            if self._waiting:
                return self._waiting.popleft()
            self._running -= 1
            return None

    def _read(self, source: FollowedSource) -> None:
        try:
            with closing(source.read(self._cancellation)) as arrivals:
                for arrival in arrivals:
                    self._put(source, arrival)
        except SourceCancelledError:
            raise
        except Exception as error:  # whatever a hostile server causes must not end other sources
            log.exception("source broke off", extra={"path": source.path})
            message = f"{source.path}: {type(error).__name__}: {error}"
            self._put(source, SourceFailed(path=source.path, error=InputError(message)))
            self._put(source, StreamEnded(stream_id=source.stream_id))

    def _put(self, source: FollowedSource, arrival: Arrival) -> None:
        """Make an arrival ready, once the one before it has been taken."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_stopped or not self._has_ready(source))
            if self.is_stopped:
                raise SourceCancelledError
            self._ready.append((source, arrival))
            self._changed.notify_all()

    def _has_ready(self, source: FollowedSource) -> bool:
        return any(owner is source for owner, _ in self._ready)

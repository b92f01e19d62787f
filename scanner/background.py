"""A thread that works in the background of a block of code."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["background_thread"]


@contextmanager
def background_thread(
    work: Callable[[threading.Event], object], *, name: str, timeout: float | None = None
) -> Iterator[None]:
    """Run ``work`` in a thread until the end of the block.

    The event that it gets is set then, and the block ends once it has returned, or after
    ``timeout`` seconds.
    """
    over = threading.Event()
    thread = threading.Thread(target=work, args=(over,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout)

"""Permission to decode large pictures: a child of the sandbox asks its parent before it opens the
decoder of one, because several children at once could exceed the memory of the scan.

Outside of a child, nothing is asked and every picture is decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["LARGE_PIXELS", "asking", "claim_memory"]

LARGE_PIXELS: Final = 1920 * 1088
"""Pixels of a frame above which a decoder may take 100 to 300 MB."""

_asked: list[Callable[[], None]] = []
"""The request of the current task; empty outside of tasks, and once it was made."""


@contextmanager
def asking(ask: Callable[[], None]) -> Iterator[None]:
    """Call ``ask`` before the first large picture of the block is decoded; it may wait."""
    _asked.append(ask)
    try:
        yield
    finally:
        _asked.clear()


def claim_memory(pixels: int) -> None:
    """Make the request of the current task, once, if frames of this many pixels are large."""
    if pixels > LARGE_PIXELS and _asked:
        _asked.pop()()

"""Pictures that take much memory: a process that decodes several sources asks before it opens one.

Nobody is asked, unless the sandbox's child sets whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

__all__ = ["LARGE_PIXELS", "asking", "claim_memory"]

LARGE_PIXELS: Final = 1920 * 1088
"""Pixels of a frame above which a decoder may take 100 to 300 MB."""

_asked: list[Callable[[], None]] = []
"""What is called once for the task in hand; empty where nobody is asked, or was already."""


@contextmanager
def asking(ask: Callable[[], None]) -> Iterator[None]:
    """Call ``ask`` before the first large picture of the block is decoded; it may wait."""
    _asked.append(ask)
    try:
        yield
    finally:
        _asked.clear()


def claim_memory(pixels: int) -> None:
    """Ask for the memory that decoding frames of this many pixels takes."""
    if pixels > LARGE_PIXELS and _asked:
        _asked.pop()()

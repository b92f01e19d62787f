"""Batches of items from many streams, by size or by deadline. Pure: time is passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

__all__ = ["Batcher", "Batching"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """The conditions under which a batch is complete."""

    size: int = 32
    """Most items in a batch, where an item is one image."""
    wait: float = 0.01
    """Most seconds that an item waits for others."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"batch size must be 1 or more, got {self.size}")
        if not self.wait >= 0:
            raise ValueError(f"a batch must wait 0 s or more, got {self.wait}")

    def for_items_of(self, images: int) -> Batching:
        """Return the batching for items of this many images each.

        >>> Batching(size=32).for_items_of(8).size
        4
        """
        return replace(self, size=max(1, self.size // images))


class Batcher(Generic[T]):
    """Collects items in order; a batch is due when it is full or when its oldest item has waited
    long enough."""

    def __init__(self, batching: Batching) -> None:
        self._batching = batching
        self._items: deque[tuple[float, T]] = deque()

    def __len__(self) -> int:
        """Return the number of items that wait."""
        return len(self._items)

    def add(self, item: T, *, now: float) -> None:
        """Add an item; ``now`` never decreases."""
        self._items.append((now, item))

    def deadline(self) -> float | None:
        """Return the latest time at which the next batch is due; None while nothing waits."""
        return self._items[0][0] + self._batching.wait if self._items else None

    def take_due(self, *, now: float) -> list[T]:
        """Remove and return the next batch if it is due, else an empty list.

        Several batches may be due: call again until the list is empty.
        """
        deadline = self.deadline()
        if deadline is None or (len(self._items) < self._batching.size and now < deadline):
            return []
        return [self._items.popleft()[1] for _ in range(min(len(self._items), self._batching.size))]

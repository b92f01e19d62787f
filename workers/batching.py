"""Items of many streams become batches, by size or by deadline. Pure: time is passed in."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

__all__ = ["Batcher", "Batching"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """When a batch is closed."""

    size: int = 32
    """Items at most, each of one picture."""
    wait: float = 0.01
    """Seconds that an item waits for others at most."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"batch size must be 1 or more, got {self.size}")
        if not self.wait >= 0:
            raise ValueError(f"a batch must wait 0 s or more, got {self.wait}")

    def of(self, pictures: int) -> Batching:
        """The same for items of so many pictures each.

        >>> Batching(size=32).of(8).size
        4
        """
        return replace(self, size=max(1, self.size // pictures))


class Batcher(Generic[T]):
    """Collects items in order; a batch is due when it is full or when its oldest item has waited
    long enough."""

    def __init__(self, batching: Batching) -> None:
        self._batching = batching
        self._items: deque[tuple[float, T]] = deque()

    def __len__(self) -> int:
        """How many items wait."""
        return len(self._items)

    def add(self, item: T, *, now: float) -> None:
        """One more item; ``now`` never runs backwards."""
        self._items.append((now, item))

    def deadline(self) -> float | None:
        """When the next batch is due at the latest; None while nothing waits."""
        return self._items[0][0] + self._batching.wait if self._items else None

    def due(self, *, now: float) -> list[T]:
        """The next batch if it is due, else nothing. Ask again: more than one may be."""
        deadline = self.deadline()
        if deadline is None or (len(self._items) < self._batching.size and now < deadline):
            return []
        return [self._items.popleft()[1] for _ in range(min(len(self._items), self._batching.size))]

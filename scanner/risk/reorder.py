"""Puts a stream's segments back in order, counts each once, and decides when one that never came is
missing (law 9).

Pure: a ``Reorder`` is frozen, every verb gives the next one. Items that wait are not part of its
JSON: after a restart whoever held them hands them in again, and what was released before has no
effect.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

__all__ = ["Late", "Missing", "Ready", "Release", "Reorder"]

T = TypeVar("T")
PATIENCE: Final = 3
"""Later segments that must be there before one that is not is given up."""
REMEMBERED: Final = 256
"""So many holes are remembered, to tell one that comes late from a duplicate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Generic[T]):
    """Next in order: fold it."""

    sequence: int
    item: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Sequences that are given up: they become a gap."""

    first: int
    last: int
    """Inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(Generic[T]):
    """It came after it was given up: record and report it, do not fold it."""

    sequence: int
    item: T


Release = Ready[T] | Missing | Late[T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(Generic[T]):
    """Where a stream stands in its sequence."""

    patience: int = PATIENCE
    """A sequence is given up when so many later ones are there."""
    next: int | None = 0
    """The sequence to be released next; None: not known, then it is the lowest when ``patience`` of
    them are there."""
    waiting: tuple[tuple[int, T], ...] = ()
    """Came before their turn, in order; fewer than ``patience``."""
    holes: tuple[tuple[int, int], ...] = ()
    """Given up and not come since: first and last of each stretch, in order."""

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience must be 1 or more, got {self.patience}")

    def offer(self, sequence: int, item: T) -> tuple[Reorder[T], tuple[Release[T], ...]]:
        """Take one in, and what it releases. One that was there before has no effect."""
        if any(known == sequence for known, _ in self.waiting):
            return self, ()
        if self.next is not None and sequence < self.next:
            return self._late(sequence, item)
        waiting = list(self.waiting)
        insort(waiting, (sequence, item), key=lambda pair: pair[0])
        return replace(self, waiting=tuple(waiting))._released(self.patience)

    def flush(self) -> tuple[Reorder[T], tuple[Release[T], ...]]:
        """The stream is over: what waits is released, what it waited for is missing."""
        return self._released(1)

    def _late(self, sequence: int, item: T) -> tuple[Reorder[T], tuple[Release[T], ...]]:
        for index, (first, last) in enumerate(self.holes):
            if first <= sequence <= last:
                rest = tuple(
                    part
                    for part in ((first, sequence - 1), (sequence + 1, last))
                    if part[0] <= part[1]
                )
                holes = (*self.holes[:index], *rest, *self.holes[index + 1 :])
                return replace(self, holes=holes[-REMEMBERED:]), (
                    Late(sequence=sequence, item=item),
                )
        return self, ()

    def _released(self, patience: int) -> tuple[Reorder[T], tuple[Release[T], ...]]:
        """All that is in order, and all that lies behind a sequence for which ``patience`` later
        ones are there."""
        following, waiting, holes = self.next, self.waiting, self.holes
        out: list[Release[T]] = []
        while waiting:
            sequence, item = waiting[0]
            if sequence != following and len(waiting) < patience:
                break
            if following is not None and sequence > following:
                out.append(Missing(first=following, last=sequence - 1))
                holes = (*holes, (following, sequence - 1))[-REMEMBERED:]
            out.append(Ready(sequence=sequence, item=item))
            following, waiting = sequence + 1, waiting[1:]
        return replace(self, next=following, waiting=waiting, holes=holes), tuple(out)

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes, without what waits."""
        return {
            "patience": self.patience,
            "next": self.next,
            "holes": [list(hole) for hole in self.holes],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reorder[T]:
        """The place that ``to_json`` wrote; nothing waits."""
        return cls(
            patience=data["patience"],
            next=data["next"],
            holes=tuple((first, last) for first, last in data["holes"]),
        )

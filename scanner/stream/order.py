"""The order of a stream's input, decided from arrivals alone.

    sequence              state of the sequence
    next                  expected; the stream waits for it
    in ``waiting``        arrived early
    in ``missing``        given up; an arrival is late
    below next, else      done; an arrival is a duplicate

The sequence that is expected is given up when ``patience`` later ones wait, or when the first that
waits behind it has waited for ``wait_seconds``; the caller passes the time in. Pure: every method
returns the next value.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Self

__all__ = ["Late", "Missing", "Ready", "Release", "TurnOrder"]

RANGES_KEPT: Final = 1024
"""Missing ranges that are stored. Below the latest one that was dropped, every arrival counts as
late, so that it is recorded and not lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The sequence is next: decode, score and fold it."""

    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """These sequences are given up and become a gap."""

    first: int
    last: int
    """The last sequence, inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """The sequence arrived after it was given up: record it, do not fold it."""

    sequence: int


Release = Ready | Missing | Late
ArrivalKind = Literal["new", "duplicate", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOrder:
    """The sequences of a stream that were released, wait or are missing."""

    patience: int = 3
    """A sequence is given up when this many later ones have arrived."""
    wait_seconds: float | None = None
    """A sequence is given up when a later one has waited this long; None: never for that reason."""
    next: int | None = None
    """The sequence that is released next; None until the stream's first one is known."""
    waiting: tuple[tuple[int, float], ...] = ()
    """Sequences that arrived before their turn, in order, with the time of their arrival."""
    missing: tuple[tuple[int, int], ...] = ()
    """Ranges given up and not arrived since, in order; both ends inclusive."""
    dropped_below: int = 0
    """Missing ranges below this sequence are no longer stored."""
    ended: bool = False
    """True once no new sequence follows."""

    def __post_init__(self) -> None:
        if self.patience < 1:
            raise ValueError(f"patience must be 1 or more, got {self.patience}")
        if self.wait_seconds is not None and not self.wait_seconds > 0:
            raise ValueError(f"wait_seconds must be above 0, got {self.wait_seconds}")

    @classmethod
    def starting_at(cls, first: int, *, patience: int, wait_seconds: float | None = None) -> Self:
        """Return the order of a stream whose first sequence is known; lower ones are late."""
        missing = ((0, first - 1),) if first else ()
        return cls(patience=patience, wait_seconds=wait_seconds, next=first, missing=missing)

    @property
    def is_done(self) -> bool:
        """True once the stream has ended and nothing waits."""
        return self.ended and not self.waiting

    def classify(self, sequence: int) -> ArrivalKind:
        """Return what an arrival of this sequence would be, before anything is stored for it."""
        if any(known == sequence for known, _ in self.waiting):
            return "duplicate"
        if self.next is not None and sequence < self.next:
            return "new" if self._is_missing(sequence) else "duplicate"
        return "ended" if self.ended else "new"

    def add(self, sequence: int, *, now: float = 0.0) -> tuple[Self, tuple[Release, ...]]:
        """Add an arrival and return what it releases; a duplicate and a new sequence after the end
        release nothing."""
        if self.classify(sequence) != "new":
            return self, ()
        if self.next is not None and sequence < self.next:
            return self._without_missing(sequence), (Late(sequence=sequence),)
        waiting = list(self.waiting)
        insort(waiting, (sequence, now), key=lambda pair: pair[0])
        return replace(self, waiting=tuple(waiting))._release(self.patience)

    def expire(self, *, now: float) -> tuple[Self, tuple[Release, ...]]:
        """Give up the expected sequence if a later one has waited too long."""
        if self.wait_seconds is None or not self.waiting:
            return self, ()
        oldest = min(arrived for _, arrived in self.waiting)
        return self._release(1, once=True) if now - oldest >= self.wait_seconds else (self, ())

    def end(self) -> tuple[Self, tuple[Release, ...]]:
        """End the stream: release the sequences that wait, and give up those between them."""
        ended, released = self._release(1)
        return replace(ended, ended=True), released

    def _release(self, patience: int, *, once: bool = False) -> tuple[Self, tuple[Release, ...]]:
        """Release sequences in order. The expected one is given up if ``patience`` later ones wait;
        with ``once``, only the first one is."""
        following, waiting, missing = self.next, self.waiting, self.missing
        out: list[Release] = []
        while waiting:
            sequence = waiting[0][0]
            if sequence != (0 if following is None else following):
                if len(waiting) < patience or (once and out):
                    break
                if following is not None:
                    out.append(Missing(first=following, last=sequence - 1))
                missing = (*missing, (following or 0, sequence - 1))
            out.append(Ready(sequence=sequence))
            following, waiting = sequence + 1, waiting[1:]
        dropped_below = self.dropped_below
        if len(missing) > RANGES_KEPT:
            dropped_below = missing[-RANGES_KEPT - 1][1] + 1
            missing = missing[-RANGES_KEPT:]
        after = replace(
            self, next=following, waiting=waiting, missing=missing, dropped_below=dropped_below
        )
        return after, tuple(out)

    def _is_missing(self, sequence: int) -> bool:
        return sequence < self.dropped_below or any(
            first <= sequence <= last for first, last in self.missing
        )

    def _without_missing(self, sequence: int) -> Self:
        ranges: list[tuple[int, int]] = []
        for first, last in self.missing:
            if first <= sequence <= last:
                parts = ((first, sequence - 1), (sequence + 1, last))
                ranges += (part for part in parts if part[0] <= part[1])
            else:
                ranges.append((first, last))
        return replace(self, missing=tuple(ranges))

    def to_json(self) -> dict[str, Any]:
        """Return the order as ``json.dumps`` takes it."""
        return {
            "patience": self.patience,
            "wait_seconds": self.wait_seconds,
            "next": self.next,
            "waiting": [list(pair) for pair in self.waiting],
            "missing": [list(pair) for pair in self.missing],
            "dropped_below": self.dropped_below,
            "ended": self.ended,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the order that ``to_json`` wrote."""
        return cls(
            patience=data["patience"],
            wait_seconds=data["wait_seconds"],
            next=data["next"],
            waiting=tuple((sequence, arrived) for sequence, arrived in data["waiting"]),
            missing=tuple((first, last) for first, last in data["missing"]),
            dropped_below=data["dropped_below"],
            ended=data["ended"],
        )

"""Whose turn it is: outcomes of one stream are taken in the order of its segments, each once (law
9).

A segment that arrived is pending until it is scored or failed, and never a gap meanwhile. One that
did not arrive is missing when ``patience`` later ones did; one that comes after that is late, and
told but not folded; one that comes twice counts once.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator

from scanner.arrivals import Arrived, Lost
from scanner.risk.reorder import Late, Ready, Release, Reorder
from scanner.runner import Failed, Finished, Outcome
from scanner.types import ScoredSegment

__all__ = ["Queue"]


class Queue:
    """The segments of one stream between their arrival and their turn.

    ``arrive``, ``lose`` and ``end`` are called where arrivals come from, the rest where outcomes
    come to; these may be two threads, and share only what one appends and the other takes.
    """

    def __init__(self, first: int, patience: int) -> None:
        self._over = False
        self._reorder: Reorder[None] = Reorder(next=first, patience=patience)
        self._order: deque[Release[None]] = deque()
        """What is to be taken next, once it is there."""
        self._heard: defaultdict[int, deque[ScoredSegment | Failed | Lost]] = defaultdict(deque)
        self._finished: set[int] = set()
        self._file: int | None = None
        """The sequence of the one job whose outcomes have sequences of their own."""

    def arrive(self, arrived: Arrived) -> bool:
        """Whether it is new, and has to be scored."""
        sequence = arrived.segment.key.sequence
        self._file = sequence if arrived.windowed else None
        return self._offer(sequence)

    def lose(self, lost: Lost) -> None:
        """It is accounted for, and nothing more will be said of it."""
        sequence = lost.key.sequence
        self._heard[sequence].append(lost)
        self._finished.add(sequence)
        self._offer(sequence)

    def end(self) -> None:
        """Nothing more arrives; what was waited for is missing."""
        self._reorder, released = self._reorder.flush()
        self._order.extend(released)
        self._over = True

    def hear(self, outcome: Outcome) -> None:
        """Keep what was said of a job until it is its turn."""
        sequence = outcome.key.sequence if self._file is None else self._file
        if isinstance(outcome, Finished):
            self._finished.add(sequence)
        else:
            self._heard[sequence].append(outcome)

    def turns(self) -> Iterator[tuple[ScoredSegment | Failed | Lost, bool]]:
        """All outcomes whose turn it is, and whether each came too late to be folded."""
        while self._order:
            turn = self._order[0]
            if isinstance(turn, Ready | Late):
                heard = self._heard[turn.sequence]
                while heard:
                    yield heard.popleft(), isinstance(turn, Late)
                if turn.sequence not in self._finished:
                    return
                self._finished.discard(turn.sequence)
                del self._heard[turn.sequence]
            self._order.popleft()

    @property
    def done(self) -> bool:
        """Everything that arrived was taken, and nothing more will arrive."""
        return self._over and not self._order

    def _offer(self, sequence: int) -> bool:
        before = self._reorder
        self._reorder, released = before.offer(sequence, None)
        self._order.extend(released)
        return self._reorder is not before

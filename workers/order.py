"""Outcomes come back in any order and go out stream by stream in the order of the jobs."""

from __future__ import annotations

from collections import deque

from scanner.runner import Finished, Outcome
from scanner.types import StreamId

__all__ = ["InOrder"]


class InOrder:
    """Holds back what came early, so that a stream's owner sees no gap where work is merely still
    under way (law 9)."""

    def __init__(self) -> None:
        self._streams: dict[StreamId, deque[int]] = {}
        self._early: dict[int, list[Outcome]] = {}
        self._ready: deque[tuple[int, Outcome]] = deque()

    def __len__(self) -> int:
        """How many outcomes may go out now."""
        return len(self._ready)

    def expect(self, ticket: int, stream_id: StreamId) -> None:
        """A job of this stream has come, after all that were expected before."""
        self._streams.setdefault(stream_id, deque()).append(ticket)
        self._early[ticket] = []

    def push(self, ticket: int, outcome: Outcome) -> None:
        """An outcome of an expected job; those of one job come in order and end with ``Finished``."""
        self._early[ticket].append(outcome)
        self._let_out(outcome.key.stream_id)

    def pop(self) -> tuple[int, Outcome]:
        """The next ticket and outcome.

        Raises:
            IndexError: nothing may go out.
        """
        return self._ready.popleft()

    def _let_out(self, stream_id: StreamId) -> None:
        tickets = self._streams[stream_id]
        while tickets:
            outcomes = self._early[tickets[0]]
            self._ready.extend((tickets[0], outcome) for outcome in outcomes)
            over = bool(outcomes) and isinstance(outcomes[-1], Finished)
            outcomes.clear()
            if not over:
                return
            del self._early[tickets.popleft()]
        del self._streams[stream_id]

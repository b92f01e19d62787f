"""The decode actor: a key goes in, scores come out; the pixels live and die in its process and its
sandboxed child."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from scanner.runner import Finished, SegmentWorker
from scanner.scoring.scorer import Scorer
from workers.dispatch import News
from workers.leases import Work

__all__ = ["DecodeActor", "Recipe"]

SAY_EVERY = 0.25
"""Seconds between two pieces of news at least, so that short windows travel many in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an actor makes, on its own machine, what it works with.

    Both are pickled, so they hold settings and no sessions.
    """

    scorers: Callable[[], Sequence[Scorer]]
    """Load the models; called where they score."""
    worker: Callable[[Sequence[Scorer]], AbstractContextManager[SegmentWorker]]
    """Open a sandbox and a worker around it; called where decoding is."""


class DecodeActor:
    """Holds one ``SegmentWorker`` and takes leases, one at a time."""

    def __init__(
        self,
        recipe: Recipe,
        scorers: Sequence[Scorer] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``scorers`` that live elsewhere, or None to load the recipe's own here."""
        self._clock = clock
        self._open = ExitStack()
        self._worker = self._open.enter_context(
            recipe.worker(recipe.scorers() if scorers is None else scorers)
        )

    def work(self, work: Sequence[Work]) -> Iterator[list[News]]:
        """Each piece's outcomes in order, gathered for a moment.

        The last outcome of a piece travels with its ``Finished``, so that no retry starts behind
        the last window.
        """
        news: list[News] = []
        said = self._clock()
        for ticket, outcome in self._outcomes(work):
            over = isinstance(outcome, Finished)
            if news and not over and self._clock() - said >= SAY_EVERY:
                yield news
                news, said = [], self._clock()
            news.append((ticket, outcome))
            if over and self._clock() - said >= SAY_EVERY:
                yield news
                news, said = [], self._clock()
        if news:
            yield news

    def _outcomes(self, work: Sequence[Work]) -> Iterator[News]:
        for piece in work:
            for outcome in self._worker.work(piece.job, first_window=piece.first_window):
                yield piece.ticket, outcome

    def close(self) -> None:
        """End the child."""
        self._open.close()

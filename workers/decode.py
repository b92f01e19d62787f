"""The decode actor: streams and their next turns go in, events and new states come out.

Pixels never leave its process and its sandboxed child.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from scanner.compose import LoadScorers, WorkerParts
from scanner.pipeline.worker import StreamWorker
from scanner.stream.state import StreamProgress
from workers.dispatch import StreamWork
from workers.reports import ProgressReport

__all__ = ["DecodeActor"]


class DecodeActor:
    """Owns a sandbox and one ``StreamWorker``, and works on one lease at a time."""

    def __init__(
        self,
        parts: WorkerParts,
        load_scorers: LoadScorers | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``load_scorers`` returns those of an inference actor; None loads those of ``parts``."""
        self._clock = clock
        self._open = ExitStack()
        score = self._open.enter_context(parts.open_score_job(load_scorers or parts.load_scorers))
        self._worker = StreamWorker(score, parts.policies, generation=parts.generation)

    def work(self, work: Sequence[StreamWork]) -> Iterator[list[StreamProgress]]:
        """Yield the progress of each stream's turns, collected as ``ProgressReport`` does; that of
        a suspect turn part by part.

        The part that closes a turn travels with the turn's last events, so that no retry starts
        after the last window.
        """
        report = ProgressReport(now=self._clock())
        for share in work:
            for progress in self._run_turns(share):
                report.add(progress)
                if share.suspect or report.is_due(now=self._clock()):
                    yield report.take()
                    report.restart(now=self._clock())
        if rest := report.take():
            yield rest

    def _run_turns(self, share: StreamWork) -> Iterator[StreamProgress]:
        state = share.state
        for turn in share.turns:
            for progress in self._worker.run_turn(state, turn):
                state = progress.state
                yield progress

    def close(self) -> None:
        """End the sandboxed child."""
        self._open.close()

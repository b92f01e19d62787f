"""Results of turns into the journal: one transaction for everything that is ready."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import takewhile
from typing import Any, Final

from scanner.errors import TransientError
from scanner.report.reasons import GAP_REASONS
from scanner.risk.policy import Policies
from scanner.store.database import JournalBusyError, JournalFullError
from scanner.store.outcomes import SegmentVerdict, StreamResult, TurnResult
from scanner.store.turns import TurnJournal
from scanner.stream.clock import trailing
from scanner.stream.events import (
    FrameRisk,
    SegmentFailed,
    SegmentLate,
    SegmentScored,
    SegmentUnavailable,
    StreamEvent,
)
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import ScoredSegment, SegmentKey, Span, StreamId
from workers.delays import Delays
from workers.feed import JournalFeed

__all__ = ["TurnCommitter", "summary_of", "verdict_of"]

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 60.0
"""Seconds after its last turn for which the state of a stream stays in memory."""


class TurnCommitter:
    """Commits progress as it comes; a stream's turns are committed whole and in order."""

    def __init__(
        self,
        journal: TurnJournal,
        feed: JournalFeed,
        policies: Policies,
        delays: Delays,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._feed = feed
        self._policies = policies
        self._delays = delays
        self._monotonic = monotonic
        self._partial: dict[StreamId, StreamProgress] = {}
        """Progress of streams whose turn is not complete."""
        self._used: dict[StreamId, float] = {}
        """When each stream that may be in memory was last committed, the earliest first."""
        self.committed = 0
        """Turns committed so far."""

    def commit(
        self, ready: Sequence[StreamProgress], *, waiting: Callable[[], None] = lambda: None
    ) -> None:
        """Commit everything that completes a turn; while the journal is full or locked, wait, and
        call ``waiting`` now and then.

        Raises:
            FencedError: another driver has taken over.
            TransientError: the journal has other turns than this driver; it has to start again.
        """
        results = [result for progress in ready for result in self._complete(progress)]
        results = _join(results)
        if not results:
            return
        if refused := self._commit(results, waiting):
            raise TransientError(f"stream {refused[0]}: the journal has other turns of it")
        now = self._monotonic()
        for result in results:
            self._used.pop(result.state.stream_id, None)
            self._used[result.state.stream_id] = now
            self.committed += len(result.turns)
            self._note_delays(result)

    def _commit(
        self, results: Sequence[StreamResult], waiting: Callable[[], None]
    ) -> tuple[str, ...]:
        """Commit results, again and again while nothing can be written; return the streams that
        were refused."""
        while True:
            try:
                return self._journal.commit(results)
            except (JournalBusyError, JournalFullError) as error:
                log.warning("results wait", extra={"reason": str(error)})
                waiting()
                if not self._feed.pause():
                    raise

    def idle_streams(self) -> list[StreamId]:
        """Return the streams whose states need not stay in memory."""
        before = self._monotonic() - IDLE_SECONDS
        idle = takewhile(lambda one: one[1] <= before, self._used.items())
        return [stream_id for stream_id, _ in idle]

    def forget(self, stream_ids: Sequence[StreamId]) -> None:
        """Forget streams whose states were dropped."""
        for stream_id in stream_ids:
            self._used.pop(stream_id, None)
            self._feed.forget(stream_id)

    def _complete(self, progress: StreamProgress) -> Iterator[StreamResult]:
        before = self._partial.pop(progress.stream_id, None)
        joined = progress if before is None else before.followed_by(progress)
        if joined.state.part or not joined.turn_ends:
            self._partial[progress.stream_id] = joined
            return
        yield self._result(joined)

    def _result(self, progress: StreamProgress) -> StreamResult:
        state, facts = progress.state, self._feed.facts(progress.stream_id)
        first = state.turn - len(progress.turn_ends)
        starts = (0, *progress.turn_ends[:-1])
        turns = tuple(
            _turn_result(first + number, progress.events[start:end])
            for number, (start, end) in enumerate(zip(starts, progress.turn_ends, strict=True))
        )
        return StreamResult(
            stream_id=progress.stream_id,
            shard=facts.shard,
            channel=facts.channel,
            state=state,
            turns=turns,
            summary=summary_of(state, self._policies.of_channel(state.channel)),
        )

    def _note_delays(self, result: StreamResult) -> None:
        for turn in result.turns:
            if turn.sequence is None:
                continue
            key = SegmentKey(stream_id=result.state.stream_id, sequence=turn.sequence)
            progress = self._feed.take_progress(key)
            if progress is not None:
                self._delays.add(progress)


def _join(results: Sequence[StreamResult]) -> list[StreamResult]:
    """Return one result for each stream: compare-and-swap needs the last state only."""
    joined: dict[str, StreamResult] = {}
    for result in results:
        before = joined.get(result.stream_id)
        turns = result.turns if before is None else (*before.turns, *result.turns)
        joined[result.stream_id] = StreamResult(
            stream_id=result.stream_id,
            shard=result.shard,
            channel=result.channel,
            state=result.state,
            turns=turns,
            summary=result.summary,
        )
    return list(joined.values())


def _turn_result(turn: int, events: Sequence[StreamEvent]) -> TurnResult:
    verdict = next(filter(None, map(verdict_of, events)), None)
    return TurnResult(
        turn=turn,
        sequence=None if verdict is None else verdict.sequence,
        verdict=verdict,
        events=tuple(events),
    )


def verdict_of(event: StreamEvent) -> SegmentVerdict | None:
    """Return what an event says of its segment; None for an event of no segment."""
    verdict = None
    match event:
        case SegmentScored(segment=segment, span=span):
            verdict = SegmentVerdict(
                sequence=segment.key.sequence,
                verdict="scored",
                span=_as_floats(span),
                detail=_detail_without_frames(segment),
            )
        case SegmentLate(outcome=ScoredSegment(key=key), span=span):
            verdict = SegmentVerdict(sequence=key.sequence, verdict="late", span=_as_floats(span))
        case SegmentLate(outcome=SegmentFailed(key=key) as failed):
            verdict = SegmentVerdict(
                sequence=key.sequence, verdict="late", detail=_detail(failed.kind, failed.message)
            )
        case SegmentFailed(key=key, kind=kind, message=message):
            verdict = SegmentVerdict(
                sequence=key.sequence,
                verdict="quarantined" if event.quarantined else "undecodable",
                detail=_detail(kind, message),
            )
        case SegmentUnavailable(key=key, reason="shed"):
            verdict = SegmentVerdict(sequence=key.sequence, verdict="shed")
        case SegmentUnavailable(key=key, reason="quarantined", kind=kind, message=message):
            verdict = SegmentVerdict(
                sequence=key.sequence, verdict="quarantined", detail=_detail(kind, message)
            )
    return verdict


def _detail_without_frames(segment: ScoredSegment) -> dict[str, Any] | None:
    """Return why no frame of a segment was scored; None if one was."""
    if segment.frames:
        return None
    reason = segment.unseen[0].reason if segment.unseen else "undecodable"
    return _detail(reason, f"no frame was scored: {GAP_REASONS[reason]}")


def _as_floats(span: Span | None) -> tuple[float, float] | None:
    return None if span is None else (float(span.start), float(span.end))


def _detail(kind: str | None, message: str) -> dict[str, Any]:
    return {"kind": kind, "message": message}


def summary_of(state: StreamState, policies: Policies) -> dict[str, Any]:
    """Return what queries show of a stream: risk and level by label, coverage, and its clock in
    rounded seconds. What failed or is missing since the last segment that was placed counts as
    unseen at once; the fold knows it once a later segment or the end is placed."""
    risk, tail = state.risk, trailing(state.clock, state.latest)
    end, unseen = tail.end, dict(risk.coverage.unseen)
    if risk.coverage.until < end and tail.length > 0:
        unseen[state.hole_reason] = unseen.get(state.hole_reason, Fraction(0)) + tail.length
    now = FrameRisk(levels=risk.levels, boosts={label: risk.boost(label) for label in risk.labels})
    return {
        "seconds": float(end),
        "segment_seconds": float(state.clock.length),
        "frames": state.frames,
        "failures": state.failures,
        "needed_from": state.needed_from,
        "coverage": state.risk.coverage.share(end) if end else None,
        "unseen": {reason: float(length) for reason, length in unseen.items()},
        "risk": {label: round(value, 4) for label, value in now.risks(policies).items()},
        "peaks": {label: round(value, 4) for label, value in state.peaks.items()},
    }

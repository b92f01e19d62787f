"""The whole work on one stream's turns in one process: decode in a disposable child, score, fold.

``LocalRunner`` runs it in line; ``workers`` runs the same inside Ray actors, so both give the same
events to the bit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from scanner.errors import DecoderDiedError, InputError, QuarantinedError
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox, Windows
from scanner.scoring.bursts import burst_gates, merge_bursts, wants_bursts
from scanner.scoring.options import BurstSelection, Reuse
from scanner.scoring.scorer import Scorer, is_burst_scorer
from scanner.scoring.segment import (
    score_bursts,
    score_samples,
    separate_shadow,
    shadowed_labels,
)
from scanner.stream.advance import advance, close_turn
from scanner.stream.inputs import (
    FailedSegment,
    Job,
    LateSegment,
    Outcome,
    SegmentTurn,
    StreamInput,
    Turn,
)
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import ScoredFrame, ScoredSegment, SegmentKey, StreamId

__all__ = ["LocalRunner", "ScoreJob", "SegmentWorker", "StreamWorker", "quarantine"]

log = logging.getLogger(__name__)

TRIES: Final = 2
"""Tries of a window whose decoder died; after the second death the window is quarantined."""

ScoreJob = Callable[[Job, int], Iterator[Outcome]]
"""Decodes and scores a job from a window on; ``SegmentWorker.score`` is the real one."""


class SegmentWorker:
    """Decodes and scores one job after another.

    It owns nothing: its sandbox and scorers are closed by whoever made them.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        scorers: Sequence[Scorer],
        request: DecodeRequest,
        reuse: Reuse,
        selection: BurstSelection | None = None,
    ) -> None:
        """``request`` asks for all inputs of the scorers; ``selection`` says for which segments the
        scorers of bursts run.

        Raises:
            SetupError: a scorer wants both frames and bursts.
        """
        self._sandbox = sandbox
        self._frames = tuple(scorer for scorer in scorers if not is_burst_scorer(scorer))
        self._bursts = tuple(scorer for scorer in scorers if is_burst_scorer(scorer))
        self._shadowed = shadowed_labels(scorers)
        for scorer in self._bursts:
            self._warn_of_shut_gates(scorer, selection or BurstSelection())
        self._request = request
        self._reuse = reuse
        self._selection = selection or BurstSelection()

    def score(self, job: Job, first_window: int = 0) -> Iterator[Outcome]:
        """Yield the job's scored segments from ``first_window`` on, and what failed of it.

        A decoder that dies is tried once more from the window that it died on. One that dies on it
        again quarantines that window; the next one is tried, and if the decoder dies there at once
        too, the source is given up.
        """
        at, deaths = first_window, 0
        quarantined: int | None = None
        while True:
            try:
                windows = self._decode(job, first_window=at, again=deaths > 0)
                for decoded in windows:
                    yield self._score(job, decoded, windows)
                    at, deaths = decoded.index + 1, 0
                return
            except DecoderDiedError as error:
                deaths += 1
                log.warning(
                    "decoder died", extra={"source": job.name, "window": at, "kind": error.kind}
                )
                if deaths < TRIES and quarantined != at - 1:
                    continue
                yield _failed(job, at, QuarantinedError(f"{error} (set aside)", kind=error.kind))
                if quarantined == at - 1 or not job.windowed:
                    return
                quarantined, at, deaths = at, at + 1, 0
            except InputError as error:
                yield _failed(job, at, error)
                return

    def _decode(self, job: Job, *, first_window: int, again: bool) -> Windows:
        window = self._request.window if job.windowed else None
        request = replace(
            self._request, first_window=first_window, window=window, second_sample=job.windowed
        )
        return self._sandbox.decode(
            job.segment.source, request, name=job.name, init=job.segment.init, ahead=not again
        )

    def _score(self, job: Job, decoded: DecodedWindow, windows: Windows) -> ScoredSegment:
        first = job.segment.key
        key = SegmentKey(stream_id=first.stream_id, sequence=first.sequence + decoded.index)
        return ScoredSegment(
            key=key,
            times=decoded.times,
            frames=self._score_window(key, decoded, windows),
            unseen=decoded.unseen,
            info=decoded.info,
            begins=decoded.begins,
            discontinuity=decoded.discontinuity
            or (job.segment.discontinuity and decoded.index == 0),
            last=job.windowed and decoded.last,
            whole_file=job.windowed,
            declared=None if job.windowed else job.segment.duration,
        )

    def _score_window(
        self, key: SegmentKey, decoded: DecodedWindow, windows: Windows
    ) -> tuple[ScoredFrame, ...]:
        """Score the window's frames and, where its gates open, its bursts."""
        frames = separate_shadow(
            score_samples(self._frames, decoded.samples, reuse=self._reuse), self._shadowed
        )
        chosen = [
            scorer
            for scorer in self._bursts
            if wants_bursts(
                frames, key, burst_gates(scorer, self._selection), self._selection.base_rate
            )
        ]
        if not chosen:
            return frames
        bursts = separate_shadow(score_bursts(chosen, windows.bursts()), self._shadowed)
        return merge_bursts(frames, bursts)

    def _warn_of_shut_gates(self, scorer: Scorer, selection: BurstSelection) -> None:
        known = {label for frames in self._frames for label in frames.labels}
        for gate in burst_gates(scorer, selection):
            if gate.label not in known:
                log.warning(
                    "gate never opens: no model of frames scores its label",
                    extra={"model": str(scorer.model), "label": gate.label},
                )


class StreamWorker:
    """Advances streams: scores the segments of a turn and folds them where they were scored."""

    def __init__(self, score: ScoreJob, policies: Policies) -> None:
        self._score = score
        self._policies = policies

    def run_turn(self, state: StreamState, turn: Turn) -> Iterator[StreamProgress]:
        """Yield the progress of one turn, part by part; the last part closes the turn.

        A turn that was interrupted continues at ``state.part``. No part of a turn is folded again.
        A part goes out before the next one is worked on, so that whatever ends the worker there is
        not blamed on the part before. Only one that may be the last waits for what follows it:
        nothing may start behind the last part.
        """
        held: StreamProgress | None = None
        for given in self._inputs(state, turn):
            if held is not None:
                yield held
            state, events = advance(state, given, self._policies)
            held = StreamProgress(state=state, events=events)
            if _has_successor(given):
                yield held
                held = None
        last = StreamProgress(state=state, events=()) if held is None else held
        yield replace(last, state=close_turn(last.state))

    def _inputs(self, state: StreamState, turn: Turn) -> Iterator[StreamInput]:
        if not isinstance(turn, SegmentTurn):
            yield turn
            return
        if state.part and not turn.job.windowed:
            return  # its only part is folded
        for outcome in self._score(turn.job, state.part):
            yield LateSegment(outcome=outcome) if turn.late else outcome


class LocalRunner:
    """Runs turns one after another in this process."""

    def __init__(self, worker: StreamWorker) -> None:
        self._worker = worker

    def run(self, turns: Iterable[Turn]) -> Iterator[StreamProgress]:
        """Yield each turn's progress before the next turn is pulled."""
        states: dict[StreamId, StreamState] = {}
        for turn in turns:
            state = states.pop(turn.stream_id, None) or StreamState.new(turn.stream_id)
            for progress in self._worker.run_turn(state, turn):
                state = progress.state
                yield progress
            if not state.ended:
                states[turn.stream_id] = state


def _has_successor(given: StreamInput) -> bool:
    """Return whether more of the same turn follows for certain: behind a window of a file that does
    not end with it."""
    return isinstance(given, ScoredSegment) and given.whole_file and not given.last


def _failed(job: Job, window: int, error: InputError) -> FailedSegment:
    segment = job.segment
    key = replace(segment.key, sequence=segment.key.sequence + window)
    return FailedSegment.from_error(
        key,
        error,
        duration=None if job.windowed else segment.duration,
        discontinuity=segment.discontinuity and window == 0,
    )


def quarantine(
    state: StreamState, turn: SegmentTurn, error: QuarantinedError, policies: Policies
) -> StreamProgress:
    """Return the progress of a turn whose segment ended its workers: failed, the rest of a file
    with it."""
    failed = _failed(turn.job, state.part, error)
    given = LateSegment(outcome=failed) if turn.late else failed
    after, events = advance(state, given, policies)
    return StreamProgress(state=close_turn(after), events=events)

"""The work on a stream's turns: decode in a disposable child process, score, fold.

``LocalRunner`` does it in this process; ``workers`` runs the same classes in Ray actors, so both
give the same events to the bit.

``SegmentWorker.score`` tries a window again whose decoder died (invariant "Media is opened only in
a sandbox"):

    first death at a window              decode again from this window
    second death at it                   quarantine it, continue with the next window of the file
    death at the very next window        quarantine it too and give up the file
    budget of time or answers spent      the rest of the file fails

Whatever else goes wrong over the answers about one stream fails its segment and no other stream.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from scanner.errors import DecoderDiedError, InputError, QuarantinedError, ScannerError
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.pipeline.burst_scoring import BurstScoring
from scanner.risk.policy import Policies
from scanner.sandbox.answers import printable
from scanner.sandbox.sandbox import Sandbox, Windows
from scanner.sandbox.watch import SourceBudget
from scanner.scoring.options import BurstSelection, Reuse
from scanner.scoring.scorer import Scorer, is_burst_scorer
from scanner.scoring.segment import score_samples, separate_shadow, shadowed_labels
from scanner.stream.advance import advance, close_turn
from scanner.stream.burst_account import BurstAccount
from scanner.stream.events import StreamEvent
from scanner.stream.inputs import (
    FailedSegment,
    Job,
    LateSegment,
    Outcome,
    SegmentTurn,
    StreamInput,
    Turn,
)
from scanner.stream.run import run_before
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import (
    Label,
    ScoredFrame,
    ScoredSegment,
    ScoringWork,
    Segment,
    SegmentKey,
    StreamId,
)

__all__ = ["LocalRunner", "ScoreJob", "SegmentWorker", "StreamWorker", "quarantine"]

log = logging.getLogger(__name__)

TRIES: Final = 2
"""Tries of a window whose decoder died; after the second death the window is quarantined."""

NO_KEYFRAME: Final = (
    "segment does not begin with a keyframe, and the segments before it are not at hand: "
    "set the encoder's keyframe interval to the duration of a segment"
)
ScoreJob = Callable[[Job, int, BurstAccount], Iterator[Outcome]]
"""Decodes and scores a job from a window on, as ``SegmentWorker.score`` does."""


class SegmentWorker:
    """Decodes and scores one job after another. The caller closes the sandbox and the scorers."""

    def __init__(
        self,
        sandbox: Sandbox,
        scorers: Sequence[Scorer],
        request: DecodeRequest,
        reuse: Reuse,
        selection: BurstSelection | None = None,
        live: frozenset[Label] = frozenset(),
    ) -> None:
        """``request`` has the inputs of all scorers; ``selection`` chooses the segments of which
        bursts are scored, with the higher budget for models with a label in ``live``.

        Raises:
            SetupError: a scorer takes both frames and bursts.
        """
        self._sandbox = sandbox
        self._frames = tuple(scorer for scorer in scorers if not is_burst_scorer(scorer))
        self._shadowed = shadowed_labels(scorers)
        self._bursts = BurstScoring(scorers, selection or BurstSelection(), live)
        self._request = request
        self._reuse = reuse

    def score(
        self, job: Job, first_window: int = 0, account: BurstAccount | None = None
    ) -> Iterator[Outcome]:
        """Yield the outcomes of the job's windows from ``first_window`` on: scored, or failed.

        ``account`` is that of the stream before that window; each window adds to it.
        """
        account = BurstAccount() if account is None else account
        window, deaths, budget = first_window, 0, self._sandbox.new_budget()
        quarantined: int | None = None
        while True:
            try:
                parts = self._decode(job, budget, first_window=window, is_retry=deaths > 0)
                for decoded, windows in parts:
                    scored = self._score_segment(job, decoded, windows, account)
                    account = account.record(scored)
                    yield scored
                    window, deaths = decoded.index + 1, 0
                return
            except DecoderDiedError as error:
                deaths += 1
                log.warning(
                    "decoder died", extra={"source": job.name, "window": window, "kind": error.kind}
                )
                if deaths < TRIES and quarantined != window - 1:
                    continue
                failure = QuarantinedError(f"{error} (quarantined)", kind=error.kind)
                yield _failed_segment(job, window, failure)
                if quarantined == window - 1 or not job.windowed:
                    return
                quarantined, window, deaths = window, window + 1, 0
            except InputError as error:
                yield _failed_segment(job, window, error)
                return

    def _decode(
        self, job: Job, budget: SourceBudget, *, first_window: int, is_retry: bool
    ) -> Iterator[tuple[DecodedWindow, Windows]]:
        """Yield the job's windows, each with what makes its bursts.

        The segments before it are given to the decoder only if it does not begin with a keyframe,
        which is known once it was decoded, or is likely if the segment before it did not.
        """
        previous = job.previous if len(job.previous) > 1 else ()
        windows = self._open(job, budget, previous, first_window=first_window, is_retry=is_retry)
        for decoded in windows:
            if decoded.lacks_start and job.previous and not previous:
                windows.close()
                again = self._open(job, budget, job.previous, first_window=0, is_retry=is_retry)
                yield from ((one, again) for one in again)
                return
            if decoded.lacks_start and not job.windowed:
                log.warning(NO_KEYFRAME, extra={"source": job.name})
            yield decoded, windows

    def _open(
        self,
        job: Job,
        budget: SourceBudget,
        previous: Sequence[Segment],
        *,
        first_window: int,
        is_retry: bool,
    ) -> Windows:
        window = self._request.window if job.windowed else None
        request = replace(
            self._request,
            first_window=first_window,
            window=window,
            second_sample=job.windowed,
            declared=None if job.windowed else job.segment.duration,
        )
        return self._sandbox.decode(
            job.segment.source,
            request,
            name=job.name,
            # a file is a stream of its own: its child ends with it
            stream=None if job.windowed else job.segment.key.stream_id,
            init=job.segment.init,
            previous=[segment.source for segment in previous],
            ahead=not is_retry,
            budget=budget,
        )

    def _score_segment(
        self, job: Job, decoded: DecodedWindow, windows: Windows, account: BurstAccount
    ) -> ScoredSegment:
        first = job.segment.key
        key = SegmentKey(stream_id=first.stream_id, sequence=first.sequence + decoded.index)
        frames, work = self._score_window(key, decoded, windows, account)
        damaged = self._score_frames(decoded.damaged) if decoded.damaged else ()
        return ScoredSegment(
            key=key,
            times=decoded.times,
            frames=frames,
            work=work,
            unseen=decoded.unseen,
            info=decoded.info,
            begins=decoded.begins,
            discontinuity=decoded.discontinuity
            or (job.segment.discontinuity and decoded.index == 0),
            last=job.windowed and decoded.last,
            whole_file=job.windowed,
            declared=None if job.windowed else job.segment.duration,
            has_keyframe=decoded.has_keyframe,
            damaged=damaged,
        )

    def _score_window(
        self, key: SegmentKey, decoded: DecodedWindow, windows: Windows, account: BurstAccount
    ) -> tuple[tuple[ScoredFrame, ...], ScoringWork]:
        """Score the window's frames and, where bursts of it are wanted and paid for, those; also
        return the work."""
        frames = self._score_frames(decoded.samples)
        return self._bursts.add_to(key, decoded, frames, windows, account)

    def _score_frames(self, samples: Sequence[Sample]) -> tuple[ScoredFrame, ...]:
        scored = score_samples(self._frames, samples, reuse=self._reuse)
        return separate_shadow(scored, self._shadowed)


class StreamWorker:
    """Advances streams: scores the segments of a turn and folds them where they were scored."""

    def __init__(self, score: ScoreJob, policies: Policies, *, generation: int = 0) -> None:
        """``generation`` names the configuration in force; states record it."""
        self._score = score
        self._policies = policies
        self._generation = generation

    def run_turn(self, state: StreamState, turn: Turn) -> Iterator[StreamProgress]:
        """Yield the progress of one turn, part by part; the last part closes the turn.

        A turn that was interrupted continues at ``state.part``; no part is folded twice. A part is
        yielded before the next one is decoded, so that it is not blamed if the worker dies there.
        Only a part that may be the last is kept until it is known whether another one follows,
        because the last one has to close the turn: a retry must not start after it.
        """
        pending: StreamProgress | None = None
        for stream_input in self._inputs(state, turn):
            if pending is not None:
                yield pending
            state, events = self._fold(state, stream_input)
            pending = StreamProgress(state=state, events=events)
            if _has_successor(stream_input):
                yield pending
                pending = None
        last = StreamProgress(state=state, events=()) if pending is None else pending
        yield replace(
            last,
            state=close_turn(last.state, generation=self._generation),
            turn_ends=(len(last.events),),
        )

    def _inputs(self, state: StreamState, turn: Turn) -> Iterator[StreamInput]:
        if not isinstance(turn, SegmentTurn):
            yield turn
            return
        if state.part and not turn.job.windowed:
            return  # its only part is folded
        previous = () if turn.late else run_before(state.run, turn.job)
        for outcome in self._outcomes(replace(turn.job, previous=previous), state):
            yield LateSegment(outcome=outcome) if turn.late else outcome

    def _outcomes(self, job: Job, state: StreamState) -> Iterator[Outcome]:
        """Yield the outcomes of a job. An unexpected error fails the window in hand: what
        a taken-over decoder answers must not end the other streams."""
        window = state.part
        try:
            for outcome in self._score(job, state.part, state.bursts):
                yield outcome
                window = outcome.key.sequence - job.segment.key.sequence + 1
        except ScannerError:
            raise
        except Exception as error:
            log.exception("unexpected error", extra={"source": job.name, "window": window})
            yield _failed_segment(job, window, _unexpected_error(job.name, error))

    def _fold(
        self, state: StreamState, stream_input: StreamInput
    ) -> tuple[StreamState, tuple[StreamEvent, ...]]:
        """Fold one part. A segment whose values cannot be folded fails, as in ``_outcomes``."""
        late = isinstance(stream_input, LateSegment)
        outcome = stream_input.outcome if isinstance(stream_input, LateSegment) else stream_input
        try:
            return advance(state, stream_input, self._policies)
        except Exception as error:
            if not isinstance(outcome, ScoredSegment):
                raise
            log.exception("unexpected error", extra={"segment": str(outcome.key)})
            failed = FailedSegment.from_error(
                outcome.key, _unexpected_error(str(outcome.key), error)
            )
            return advance(state, LateSegment(outcome=failed) if late else failed, self._policies)


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


def _has_successor(part: StreamInput) -> bool:
    """Return whether another part of the turn is certain to follow, as after a window of a file
    that is not its last."""
    return isinstance(part, ScoredSegment) and part.whole_file and not part.last


def _unexpected_error(name: str, error: Exception) -> InputError:
    text = printable(f"{type(error).__name__}: {error}")
    return InputError(f"{name}: unexpected error: {text}", kind="unexpected")


def _failed_segment(job: Job, window: int, error: InputError) -> FailedSegment:
    segment = job.segment
    key = replace(segment.key, sequence=segment.key.sequence + window)
    return FailedSegment.from_error(
        key,
        error,
        duration=None if job.windowed else segment.duration,
        discontinuity=segment.discontinuity and window == 0,
    )


def quarantine(
    state: StreamState,
    turn: SegmentTurn,
    error: QuarantinedError,
    policies: Policies,
    *,
    generation: int = 0,
) -> StreamProgress:
    """Return the progress of a turn whose segment ended its workers: it failed, and so did the rest
    of a file."""
    failed = _failed_segment(turn.job, state.part, error)
    stream_input = LateSegment(outcome=failed) if turn.late else failed
    after, events = advance(state, stream_input, policies)
    closed = close_turn(after, generation=generation)
    return StreamProgress(state=closed, events=events, turn_ends=(len(events),))

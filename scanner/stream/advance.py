"""The fold of a whole stream: one input in, the stream's next state and the events it caused out.

    ScoredSegment   placed on the clock; its frames and gaps are folded in order of time
    FailedSegment   becomes part of the gap before the next segment
    LateSegment     recorded at its place in the hole it left; not folded
    LostTurn        reported by the sender; becomes part of the gap before the next segment
    MissingTurn     given up; its place is known once the next segment is placed
    SignalTurn      folded at once, or with the segment of its time if it lies ahead
    HistoryTurn     incidents of the channel count from now on as earlier ones
    StallTurn       open incidents close as unseen; stream time does not move
    EndTurn         open incidents close, and the summary follows

Pure: the same inputs in the same order give the same events, on any machine and from any
checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Final

from scanner.errors import NoVideoError
from scanner.risk.fold import fold_observation
from scanner.risk.incident import Closed
from scanner.risk.observation import Ended, Gap, Observation, Sampled, Signal, Stalled
from scanner.risk.policy import Policies
from scanner.risk.stream import StreamRisk
from scanner.stream.burst_account import BurstAccount
from scanner.stream.clock import (
    Clock,
    add_missing,
    is_gap_before,
    place,
    place_picture,
    trailing,
)
from scanner.stream.events import (
    FrameRisk,
    GapFound,
    HistoryReceived,
    NothingDecoded,
    SegmentScored,
    SegmentsMissing,
    SegmentUnavailable,
    SignalReceived,
    StreamEvent,
    StreamFinished,
    StreamStalled,
)
from scanner.stream.inputs import (
    EndTurn,
    FailedSegment,
    HistoryTurn,
    LateSegment,
    LostTurn,
    MissingTurn,
    SignalTurn,
    StallTurn,
    StreamInput,
)
from scanner.stream.run import extend_run
from scanner.stream.state import Hole, StillScores, StreamState
from scanner.stream.summary import summarize_still, summarize_stream
from scanner.stream.unfolded import failed_event, record_late
from scanner.types import GapReason, ScoredFrame, ScoredSegment, Span, Unseen

__all__ = ["advance", "close_turn"]

Advance = tuple[StreamState, tuple[StreamEvent, ...]]

HOLES_KEPT: Final = 64
"""Holes whose place is stored, for segments that arrive late."""
SIGNALS_KEPT: Final = 32
"""Signals that may lie ahead of the clock; of more, those that expire first are dropped."""
PICTURE_SECONDS: Final = Fraction(2)
"""Duration of a picture among a stream's segments, if it is not known otherwise."""


def advance(state: StreamState, stream_input: StreamInput, policies: Policies) -> Advance:
    """Fold one input into the stream and return its next state and the events it caused, under
    the policies of its channel.

    Raises:
        ValueError: the stream has ended, or a segment is not above the last one that was placed.
    """
    if state.ended:
        raise ValueError(f"stream {state.stream_id}: ended, got {type(stream_input).__name__}")
    policies = policies.of_channel(state.channel)
    match stream_input:
        case ScoredSegment():
            after, events = _fold_segment(state, stream_input, policies)
        case FailedSegment():
            after, events = _fold_failure(state, stream_input)
        case LateSegment(outcome=outcome):
            after, events = record_late(state, outcome)
        case LostTurn():
            after, events = _fold_loss(state, stream_input)
        case MissingTurn(first=first, last=last):
            after = replace(state, missing=(*state.missing, (first, last))[-HOLES_KEPT:])
            events = (SegmentsMissing(stream_id=state.stream_id, first=first, last=last),)
        case SignalTurn(signal=signal):
            after, events = _fold_signal(state, signal, policies)
        case HistoryTurn(incidents=incidents):
            after = replace(state, risk=state.risk.with_history(incidents))
            events = (HistoryReceived(stream_id=state.stream_id, incidents=incidents),)
        case StallTurn():
            after, events = _fold_stall(state, policies)
        case EndTurn(path=path):
            after, events = _finish(state, path, policies)
    return replace(after, part=state.part + 1, bursts=_account(state, stream_input)), events


def close_turn(state: StreamState, *, generation: int = 0) -> StreamState:
    """Return the state once all parts of its turn are folded."""
    return replace(state, turn=state.turn + 1, part=0, generation=generation)


# Segments


def _account(state: StreamState, stream_input: StreamInput) -> BurstAccount:
    """Return the account of bursts after an input; what is not folded was scored all the same."""
    outcome = stream_input.outcome if isinstance(stream_input, LateSegment) else stream_input
    return state.bursts.record(outcome) if isinstance(outcome, ScoredSegment) else state.bursts


def _fold_segment(state: StreamState, segment: ScoredSegment, policies: Policies) -> Advance:
    sequence, before = segment.key.sequence, state.clock
    clock, offset = _place_segment(before, segment)
    placed = replace(
        _count_frames(state, segment.frames),
        clock=clock,
        latest=max(state.latest, sequence),
        run=extend_run(state.run, segment),
    )
    if segment.info.still and segment.whole_file:
        scored = SegmentScored(segment=segment, offset=offset, risks=())
        return replace(placed, still=StillScores.of_segment(segment)), (scored,)
    hole = Span(start=before.end, end=offset) if offset > before.end else None
    is_gap = hole is not None and is_gap_before(before, sequence, hole)
    with_holes = _place_missing(placed, hole or Span(start=offset, end=offset))
    observations, later = _observe(with_holes, segment, offset, hole if is_gap else None)
    ready = replace(with_holes, hole_reason="missing", signals=later)
    after, caused, risks = _fold_all(ready, observations, policies)
    after, gaps = _drain_gaps(after)
    after, other_tracks = _exclude_other_tracks(after, segment, offset)
    scored = SegmentScored(segment=segment, offset=offset, risks=risks)
    return after, (scored, *caused, *gaps, *other_tracks)


def _exclude_other_tracks(
    state: StreamState, segment: ScoredSegment, offset: Fraction
) -> tuple[StreamState, tuple[GapFound, ...]]:
    """Count the spans of tracks that are not scanned as unseen; they are no gap of the risk, which
    is that of the track that is scanned."""
    others = [one for one in segment.unseen if one.reason == "not_scanned"]
    if not others:
        return state, ()
    coverage = state.risk.coverage
    for one in others:
        coverage = coverage.exclude(one.span.length, one.reason)
    found = tuple(
        GapFound(unseen=Unseen(span=one.span.shift(offset), reason=one.reason)) for one in others
    )
    return replace(state, risk=replace(state.risk, coverage=coverage)), found


def _place_segment(clock: Clock, segment: ScoredSegment) -> tuple[Clock, Fraction]:
    """Return the clock after the segment, and the stream second of its first frame."""
    sequence, discontinuity = segment.key.sequence, segment.discontinuity
    if segment.info.still and not segment.whole_file:
        length = segment.times.duration or segment.declared or clock.length or PICTURE_SECONDS
        return place_picture(clock, sequence=sequence, length=length, discontinuity=discontinuity)
    return place(
        clock if clock.sequence >= 0 else replace(clock, end=segment.begins),
        segment.times,
        sequence=sequence,
        discontinuity=discontinuity,
        declared=segment.declared,
    )


def _count_frames(state: StreamState, frames: Iterable[ScoredFrame]) -> StreamState:
    peaks, count = dict(state.peaks), state.frames
    for frame in frames:
        count += 1
        for label, value in frame.values.items():
            peaks[label] = max(value, peaks.get(label, 0.0))
    return replace(state, frames=count, peaks=peaks)


def _place_missing(state: StreamState, hole: Span) -> StreamState:
    """Place the sequences that were given up: in the hole before the segment just placed."""
    if not state.missing:
        return state
    new = tuple(
        Hole(first=first, last=last, span=hole, shift=state.clock.shift)
        for first, last in state.missing
    )
    return replace(state, missing=(), holes=(*state.holes, *new)[-HOLES_KEPT:])


def _observe(
    state: StreamState, segment: ScoredSegment, offset: Fraction, hole: Span | None
) -> tuple[tuple[Observation, ...], tuple[Signal, ...]]:
    """Return the observations of a segment in order of time, with the signals of its span merged
    in; and the signals that lie after it.

    The gap before the segment comes first. Signals are clamped to the first frame, because nothing
    older may be folded after the gap.
    """
    samples = [
        Sampled(
            at=max(offset + frame.at, state.risk.settled),  # segments may overlap a little
            values=frame.values,
            medium=frame.medium,
            is_burst=frame.burst is not None,
        )
        for frame in segment.frames
    ]
    gaps = [
        Gap(span=gap.span.shift(offset), reason=gap.reason)
        for gap in segment.unseen
        if gap.reason != "not_scanned"
    ]
    inside: list[Sampled | Gap | Signal] = [*gaps, *samples]
    due = [signal for signal in state.signals if signal.at <= state.clock.end]
    earliest = max(state.risk.settled, offset)
    inside += [clamped for s in due if (clamped := _clamp(s, earliest)) is not None]
    ordered = sorted(inside, key=lambda observation: observation.at)
    first = () if hole is None else (Gap(span=hole, reason=state.hole_reason),)
    return (*first, *ordered), tuple(s for s in state.signals if s.at > state.clock.end)


def _fold_all(
    state: StreamState, observations: Iterable[Observation], policies: Policies
) -> tuple[StreamState, tuple[StreamEvent, ...], tuple[FrameRisk, ...]]:
    """Fold observations; also return the risk after each sample."""
    risk, flagged = state.risk, state.flagged
    events: list[StreamEvent] = []
    risks: list[FrameRisk] = []
    for observation in observations:
        risk, caused = fold_observation(risk, observation, policies)
        for event in caused:
            if isinstance(event, Closed) and not event.incident.shadow:
                flagged |= frozenset(event.incident.labels)
        events += caused
        if isinstance(observation, Sampled):
            risks.append(_frame_risk(risk, policies))
    return replace(state, risk=risk, flagged=flagged), tuple(events), tuple(risks)


def _frame_risk(risk: StreamRisk, policies: Policies) -> FrameRisk:
    boosts = {label: risk.boost(label) for label in policies.labels} if risk.signals else {}
    return FrameRisk(levels=risk.levels, boosts=boosts)


def _drain_gaps(
    state: StreamState, *, final: bool = False
) -> tuple[StreamState, tuple[GapFound, ...]]:
    coverage, stretches = state.risk.coverage.drain()
    done = (*stretches, *coverage.recent) if final else stretches
    gaps = tuple(GapFound(unseen=one) for one in done if isinstance(one, Unseen))
    return replace(state, risk=replace(state.risk, coverage=coverage)), gaps


def _fold_failure(state: StreamState, failed: FailedSegment) -> Advance:
    reason: GapReason = "quarantined" if failed.quarantined else "undecodable"
    after = replace(
        state,
        clock=add_missing(
            state.clock,
            sequence=failed.key.sequence,
            duration=failed.duration,
            discontinuity=failed.discontinuity,
        ),
        latest=max(state.latest, failed.key.sequence),
        hole_reason=reason,
        failures=state.failures + 1,
    )
    return after, (failed_event(failed),)


# Other turns


def _fold_loss(state: StreamState, lost: LostTurn) -> Advance:
    after = replace(
        state,
        clock=add_missing(
            state.clock,
            sequence=lost.key.sequence,
            duration=lost.duration,
            discontinuity=lost.discontinuity,
        ),
        latest=max(state.latest, lost.key.sequence),
        hole_reason=lost.reason,
        failures=state.failures + (lost.kind is not None),
    )
    unavailable = SegmentUnavailable(
        key=lost.key,
        reason=lost.reason,
        kind=lost.kind,
        message=lost.message,
        duration=lost.duration,
        discontinuity=lost.discontinuity,
    )
    return after, (unavailable,)


def _fold_signal(state: StreamState, signal: Signal, policies: Policies) -> Advance:
    received = SignalReceived(stream_id=state.stream_id, signal=signal)
    if signal.at > state.risk.settled:
        others = [s for s in state.signals if s.name != signal.name]
        kept = sorted([*others, signal], key=lambda s: s.until)[-SIGNALS_KEPT:]
        return replace(state, signals=tuple(kept)), (received,)
    clamped = _clamp(signal, state.risk.settled)
    if clamped is None:
        return state, (received,)
    after, caused, _ = _fold_all(state, [clamped], policies)
    return after, (received, *caused)


def _clamp(signal: Signal, earliest: Fraction) -> Signal | None:
    """Return the signal moved to ``earliest`` or later; None if it is over by then."""
    if signal.at >= earliest:
        return signal
    return replace(signal, at=earliest) if signal.until > earliest else None


def _fold_stall(state: StreamState, policies: Policies) -> Advance:
    signals = _due_signals(state)
    stalled = Stalled(at=state.risk.at)
    after, caused, _ = _fold_all(replace(state, signals=()), [*signals, stalled], policies)
    return after, (StreamStalled(stream_id=state.stream_id), *caused)


def _due_signals(state: StreamState) -> Iterator[Signal]:
    """Yield the signals that lie ahead, moved back to the time up to which the stream is folded."""
    for signal in state.signals:
        yield replace(signal, at=state.risk.at)


def _finish(state: StreamState, path: str, policies: Policies) -> Advance:
    """End the stream: open incidents close, and its summary comes last.

    A stream without a decoded frame and without an error gets an error of its own.
    """
    events: list[StreamEvent] = []
    ended = replace(state, ended=True, signals=())
    if not state.frames and not state.failures:
        error = NoVideoError(f"{path}: no frame of it could be decoded")
        events.append(NothingDecoded(kind=error.kind, message=str(error)))
    if state.clock.sequence < 0:
        events.append(StreamFinished(stream_id=state.stream_id, summary=None))
        return ended, tuple(events)
    if state.still is not None:
        summary = summarize_still(state, state.still, policies)
    else:
        ended, caused = _fold_end(ended, policies)
        events += caused
        summary = summarize_stream(ended, policies)
    events.append(StreamFinished(stream_id=state.stream_id, summary=summary))
    return ended, tuple(events)


def _fold_end(state: StreamState, policies: Policies) -> Advance:
    tail = trailing(state.clock, state.latest)
    hole = [Gap(span=tail, reason=state.hole_reason)] if tail.length > 0 else []
    end = Ended(at=max(tail.end, state.risk.at))
    after, caused, _ = _fold_all(state, [*hole, end], policies)
    after, gaps = _drain_gaps(after, final=True)
    return after, (*caused, *gaps)

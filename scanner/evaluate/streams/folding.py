"""Streams through the product's own fold, so that evaluation measures what runs in production."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import nan
from typing import Final

from scanner.evaluate.streams.assemble import GRACE, AssembledStream, StagedEvent
from scanner.evaluate.streams.levels import TICK, ticks_of
from scanner.evaluate.streams.outcome import (
    EventOutcome,
    LabelOutcomes,
    PieceOutcome,
    rate_of,
    safe_pieces,
)
from scanner.evaluate.streams.pieces import FootageKind
from scanner.evaluate.streams.rate import Rate
from scanner.risk.incident import Opened
from scanner.risk.observation import Sampled
from scanner.risk.policy import Policies
from scanner.risk.stream import StreamRisk
from scanner.stream.advance import advance
from scanner.stream.inputs import EndTurn, StreamInput
from scanner.stream.state import StreamState
from scanner.types import (
    Burst,
    Label,
    MediaInfo,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    SegmentKey,
    SegmentTimes,
    StreamId,
)

__all__ = ["FoldedStream", "delay_of", "fold_stream", "incident_rates", "label_outcomes"]

ASSEMBLED: Final = ModelRef(name="assembled", version="1")
"""Stands for the models that scored the pieces; the fold does not use it."""
INFO: Final = MediaInfo(container="assembled", codec="none", width=1, height=1)
SOME_BURST: Final = Burst(frames=2, rate=1)
"""Marks a sample as a burst; the fold does not use its format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedStream:
    """The fold's results for one stream."""

    stream: AssembledStream
    openings: tuple[tuple[Label, Fraction], ...]
    """When each label rose above its threshold."""
    incidents: tuple[Fraction, ...]
    """When incidents opened that would be delivered: over all labels, without those in shadow."""


def fold_stream(stream: AssembledStream, policies: Policies) -> FoldedStream:
    """Fold the stream as ``scan`` folds a live one.

    Each sample is a segment of its own, so that the state after it tells which labels rose. A scan
    reports no cuts, so the cuts of the stream are not folded.
    """
    state = StreamState.new(StreamId(stream.name))
    openings: list[tuple[Label, Fraction]] = []
    incidents: list[Fraction] = []
    for at, stream_input in _inputs(stream):
        before = state.risk
        state, events = advance(state, stream_input, policies)
        openings += [
            (label, at) for label in state.risk.labels if _has_opened(before, state.risk, label)
        ]
        incidents += [
            event.at for event in events if isinstance(event, Opened) and not event.incident.shadow
        ]
    return FoldedStream(stream=stream, openings=tuple(openings), incidents=tuple(incidents))


def _inputs(stream: AssembledStream) -> Iterator[tuple[Fraction, StreamInput]]:
    """Yield each sample as a segment that lasts until the next one, with its time; then the end."""
    samples = tuple(stream.samples())
    ends = (*(sample.at for sample in samples[1:]), stream.length)
    for number, (sample, end) in enumerate(zip(samples, ends, strict=True)):
        key = SegmentKey(stream_id=StreamId(stream.name), sequence=number)
        yield sample.at, _segment(key, sample, end - sample.at)
    yield stream.length, EndTurn(stream_id=StreamId(stream.name), path=stream.name)


def _segment(key: SegmentKey, sample: Sampled, duration: Fraction) -> ScoredSegment:
    pts = ticks_of(sample.at)
    scores = Scores(model=ASSEMBLED, values=sample.values, medium=sample.medium)
    return ScoredSegment(
        key=key,
        times=SegmentTimes(
            first_pts=pts, last_pts=pts, duration=duration, time_base=Fraction(1, TICK)
        ),
        frames=(
            ScoredFrame(
                at=Fraction(0),
                pts=pts,
                keyframe=False,
                scores=(scores,),
                burst=SOME_BURST if sample.is_burst else None,
                start=Fraction(0) if sample.is_burst else None,
            ),
        ),
        unseen=(),
        info=INFO,
        begins=sample.at,
    )


def _has_opened(before: StreamRisk, after: StreamRisk, label: Label) -> bool:
    now = after.labels[label].excursion
    if now is None:
        return False
    was = before.labels[label].excursion if label in before.labels else None
    return was is None or was.opened != now.opened


def label_outcomes(folded: Sequence[FoldedStream], label: Label) -> LabelOutcomes:
    """Return the outcome of each of the label's events, and of all footage that is safe for it."""
    streams = [one.stream for one in folded]
    events = [
        EventOutcome(
            event=one.stream.event,
            delay=delay_of(
                one.stream.event, [at for opened_label, at in one.openings if opened_label == label]
            ),
        )
        for one in folded
        if one.stream.event is not None and one.stream.event.label == label
    ]
    opened = Counter(
        (number, place_of(one.stream, at))
        for number, one in enumerate(folded)
        if one.stream.event is None
        for opened_label, at in one.openings
        if opened_label == label
    )
    pieces_watched = [
        PieceOutcome(
            group=piece.group, kind=piece.kind, seconds=piece.length, openings=opened[number, place]
        )
        for number, place, piece in safe_pieces(streams, label)
    ]
    return LabelOutcomes(label=label, events=tuple(events), pieces_watched=tuple(pieces_watched))


def delay_of(event: StagedEvent, openings: Sequence[Fraction]) -> float:
    """Return the seconds from the onset to the first opening that detects the event; NaN if there
    is none.

    An incident that was open before the onset was false, and detects nothing.
    """
    within = [at for at in openings if event.span.start <= at <= event.span.end + GRACE]
    return float(min(within) - event.span.start) if within else nan


def place_of(stream: AssembledStream, at: Fraction) -> int:
    """Return the index of the stream's piece at this time."""
    return max(bisect_right([placed.start for placed in stream.placed], at) - 1, 0)


def incident_rates(folded: Sequence[FoldedStream]) -> dict[str, Rate]:
    """Return the rate of false incidents over all labels, as they would be delivered, for each kind
    of moving safe footage."""
    pieces_watched = [
        PieceOutcome(
            group=placed.piece.group,
            kind=placed.piece.kind,
            seconds=placed.piece.length,
            openings=0,
        )
        for one in folded
        if one.stream.event is None
        for placed in one.stream.placed
    ]
    found = Counter(
        one.stream.placed[place_of(one.stream, at)].piece.kind
        for one in folded
        if one.stream.event is None
        for at in one.incidents
    )
    hours = {
        kind: rate_of([one for one in pieces_watched if one.kind is kind]).hours
        for kind in (FootageKind.ORDINARY, FootageKind.GAMES, FootageKind.FRAMES)
    }
    return {kind: Rate(count=found[kind], hours=spent) for kind, spent in hours.items() if spent}

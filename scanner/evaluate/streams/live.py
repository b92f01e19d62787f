"""Streams through the product's own fold: what runs is what is measured."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import nan

from scanner.evaluate.streams.assemble import GRACE, Event, Stream
from scanner.evaluate.streams.footage import Kind
from scanner.evaluate.streams.outcome import Met, Outcomes, Watched, rate_of, safe_pieces
from scanner.evaluate.streams.rate import Rate
from scanner.risk.fold import advance
from scanner.risk.incident import Opened
from scanner.risk.policy import Policies
from scanner.risk.stream import StreamRisk
from scanner.types import Label, StreamId

__all__ = ["Folded", "delay_of", "fold_stream", "incident_rates", "outcomes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """What the fold made of one stream."""

    stream: Stream
    openings: tuple[tuple[Label, Fraction], ...]
    """When each label rose over its threshold."""
    incidents: tuple[Fraction, ...]
    """When incidents opened that would be delivered: labels together, those in shadow left out."""


def fold_stream(stream: Stream, policies: Policies) -> Folded:
    """The stream as it would have been judged live."""
    risk = StreamRisk(stream_id=StreamId(stream.name))
    openings: list[tuple[Label, Fraction]] = []
    incidents: list[Fraction] = []
    for observation in stream.observations():
        before = risk
        risk, events = advance(risk, observation, policies)
        openings += [(label, observation.at) for label in risk.labels if _rose(before, risk, label)]
        incidents += [
            event.at for event in events if isinstance(event, Opened) and not event.incident.shadow
        ]
    return Folded(stream=stream, openings=tuple(openings), incidents=tuple(incidents))


def _rose(before: StreamRisk, after: StreamRisk, label: Label) -> bool:
    now = after.labels[label].excursion
    if now is None:
        return False
    was = before.labels[label].excursion if label in before.labels else None
    return was is None or was.opened != now.opened


def outcomes(folded: Sequence[Folded], label: Label) -> Outcomes:
    """What became of the label's events, and of all that is safe for it."""
    streams = [one.stream for one in folded]
    met = [
        Met(
            event=one.stream.event,
            delay=delay_of(one.stream.event, [at for said, at in one.openings if said == label]),
        )
        for one in folded
        if one.stream.event is not None and one.stream.event.label == label
    ]
    opened = Counter(
        (number, place_of(one.stream, at))
        for number, one in enumerate(folded)
        if one.stream.event is None
        for said, at in one.openings
        if said == label
    )
    watched = [
        Watched(
            group=piece.group, kind=piece.kind, seconds=piece.length, openings=opened[number, place]
        )
        for number, place, piece in safe_pieces(streams, label)
    ]
    return Outcomes(label=label, met=tuple(met), watched=tuple(watched))


def delay_of(event: Event, openings: Sequence[Fraction]) -> float:
    """Seconds from the onset to the first opening that can be owed to the event; NaN where there is
    none.

    An incident that was open before the onset was false, and finds nothing.
    """
    within = [at for at in openings if event.span.start <= at <= event.span.end + GRACE]
    return float(min(within) - event.span.start) if within else nan


def place_of(stream: Stream, at: Fraction) -> int:
    """Which of the stream's pieces is shown."""
    return max(bisect_right([placed.start for placed in stream.placed], at) - 1, 0)


def incident_rates(folded: Sequence[Folded]) -> dict[str, Rate]:
    """False incidents of all labels together, as they would be delivered, for each kind of moving
    safe footage."""
    watched = [
        Watched(
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
        kind: rate_of([one for one in watched if one.kind is kind]).hours
        for kind in (Kind.ORDINARY, Kind.GAMES, Kind.FRAMES)
    }
    return {kind: Rate(count=found[kind], hours=spent) for kind, spent in hours.items() if spent}

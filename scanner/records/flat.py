"""The events of a turn as one record and flat scores, exact: together they give the events again.

    record   the JSON of the events, where each score is left out and its label stays
    scores   one value for each label that stayed, in the same order

A reader of flat scores needs no record. The risks that the fold computed are beside the scores they
belong to and are not part of the events that are read again: folding computes them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, NamedTuple

from scanner.errors import FormatError
from scanner.rational import load_fraction
from scanner.records.events import PACK_VERSION, load_event
from scanner.records.segments import Json, load_span
from scanner.stream.events import StreamEvent
from scanner.types import Span

__all__ = ["FlatScore", "FlatTurn", "flatten_events", "restore_events"]


class FlatScore(NamedTuple):
    """One score of one sample; a tuple, because a busy service makes thousands a second."""

    at: Fraction | None
    """Stream seconds of the sample, exact; None if its segment has no place on the clock."""
    pts: int
    label: str
    score: float
    """Calibrated probability in [0, 1]."""
    model: str
    version: str
    level: float | None
    """Log-odds of the label's evidence just after the sample was folded; None if it was not, or
    too little was seen."""
    boost: float
    """Log-odds that signals in force add to the level."""
    is_folded: bool
    """Whether the sample was folded; those of late segments, stills and damaged frames are not."""
    is_shadow: bool
    """Whether the model is in shadow for this label, so that the score is not judged."""
    is_superseded: bool
    """Whether a nearby burst is judged instead."""
    is_damaged: bool
    is_late: bool
    is_reused: bool
    is_keyframe: bool
    burst_frames: int | None
    """Frames of the burst; None for a single frame."""
    medium: str | None
    """The most probable medium of the sample; None if no model reports one."""
    medium_probability: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatTurn:
    """The events of one turn."""

    record: str
    """JSON, for ``restore_events``."""
    scores: tuple[FlatScore, ...]
    span: Span | None
    """The part of the stream that its segment shows; without a segment that has a place, that of
    its gaps; None without a gap."""
    unseen: Fraction
    """Seconds of the stream that were found not to be seen."""
    kind: str
    """Class of the event that has the turn's input, such as ``SegmentScored``."""
    opened: tuple[str, ...]
    """Leading label of each live incident that opened."""
    opened_shadow: tuple[str, ...]
    """The same of incidents in shadow."""


def flatten_events(packed: bytes) -> FlatTurn:
    """Return what ``pack_events`` wrote as a record and flat scores.

    Raises:
        FormatError: the events have another version, or are no events.
    """
    try:
        rows = json.loads(zlib.decompress(packed))
        if rows["v"] != PACK_VERSION:
            raise FormatError(f"events: version {rows['v']!r}, this release reads {PACK_VERSION}")
        return _flatten(rows)
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"events: cannot be read: {error}") from error


def restore_events(record: str, scores: Sequence[float]) -> tuple[StreamEvent, ...]:
    """Return the events of a record and the scores of its turn, in order.

    Raises:
        FormatError: the record has another version, is no record, or has another number of scores.
    """
    try:
        rows = json.loads(record)
        if rows["v"] != PACK_VERSION:
            raise FormatError(f"record: version {rows['v']!r}, this release reads {PACK_VERSION}")
        rest = iter(scores)
        for entry in _score_entries(rows["events"]):
            for place in _PLACES:
                entry[place] = {label: next(rest) for label in entry[place]}
        if next(rest, None) is not None:
            raise FormatError(f"record: it has fewer scores than the {len(scores)} of its turn")
        return tuple(load_event(row) for row in rows["events"])
    except StopIteration as error:
        raise FormatError(f"record: it has more scores than the {len(scores)} found") from error
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"record: cannot be read: {error}") from error


_PLACES: Final = (2, 4)
"""Places of live scores and of scores in shadow in the list of one model's result."""
_DERIVED: Final = frozenset({"GapFound", "NothingDecoded", "Opened", "Extended", "Closed"})
"""Events that follow from the one that has the turn's input."""


def _flatten(rows: Json) -> FlatTurn:
    events: list[Json] = rows["events"]
    scores = tuple(score for event in events for score in _scores_of(event))
    gaps = [load_span(event["unseen"][:2]) for event in events if event["event"] == "GapFound"]
    unseen = sum((gap.length for gap in gaps), Fraction(0))
    opened = [event["incident"] for event in events if event["event"] == "Opened"]
    span = next(filter(None, map(_span_of, events)), None)
    if span is None and gaps:
        span = Span(start=min(gap.start for gap in gaps), end=max(gap.end for gap in gaps))
    kinds = [event["event"] for event in events]
    for entry in _score_entries(events):
        for place in _PLACES:
            entry[place] = list(entry[place])
    for event in events:
        if "risks" in event:
            event["risks"] = []
    return FlatTurn(
        record=json.dumps(rows, allow_nan=False, separators=(",", ":")),
        scores=scores,
        span=span,
        unseen=unseen,
        kind=next((kind for kind in kinds if kind not in _DERIVED), kinds[0] if kinds else ""),
        opened=tuple(one["label"] for one in opened if not one["shadow"]),
        opened_shadow=tuple(one["label"] for one in opened if one["shadow"]),
    )


def _frames_of(event: Json) -> Iterator[tuple[Json, bool]]:
    """Yield the frames of an event, and whether they are damaged."""
    segment: Json | None = event.get("segment") or event.get("scored")
    if segment is not None:
        yield from ((frame, False) for frame in segment["frames"])
        yield from ((frame, True) for frame in segment.get("damaged", ()))


def _score_entries(events: Sequence[Json]) -> Iterator[list[Any]]:
    """Yield the result of each model for each sample, in the order of flat scores."""
    for event in events:
        for frame, _ in _frames_of(event):
            yield from frame["scores"]


def _span_of(event: Json) -> Span | None:
    if event["event"] == "SegmentScored":
        start = load_fraction(event["offset"])
        return Span(start=start, end=start + load_fraction(event["segment"]["times"][2]))
    if event["event"] == "SegmentLate" and event["span"] is not None:
        return load_span(event["span"])
    return None


def _scores_of(event: Json) -> Iterator[FlatScore]:
    span = _span_of(event)
    is_late = event["event"] == "SegmentLate"
    risks: Sequence[Any] = event.get("risks", ())
    for number, (frame, is_damaged) in enumerate(_frames_of(event)):
        is_folded = not is_damaged and number < len(risks)
        levels, boosts = risks[number] if is_folded else ({}, {})
        medium, probability = _medium_of(frame)
        superseded = frame.get("superseded", ())
        burst = frame.get("burst")
        at = None if span is None else span.start + load_fraction(frame["at"])
        for model, version, values, _, shadow in frame["scores"]:
            for is_shadow, scored in ((False, values), (True, shadow)):
                for label, score in scored.items():
                    yield FlatScore(
                        at=at,
                        pts=frame["pts"],
                        label=label,
                        score=score,
                        model=model,
                        version=version,
                        level=levels.get(label),
                        boost=boosts.get(label, 0.0),
                        is_folded=is_folded,
                        is_shadow=is_shadow,
                        is_superseded=label in superseded,
                        is_damaged=is_damaged,
                        is_late=is_late,
                        is_reused=frame.get("reused", False),
                        is_keyframe=frame["keyframe"],
                        burst_frames=None if burst is None else burst[0],
                        medium=medium,
                        medium_probability=probability,
                    )


def _medium_of(frame: Json) -> tuple[str | None, float | None]:
    """Return the most probable medium, of the first model that reports media."""
    reported = (media for _, _, _, media, _ in frame["scores"] if media)
    media: Mapping[str, float] = next(reported, frame.get("context_medium", {}))
    if not media:
        return None, None
    name = max(media, key=lambda one: media[one])
    return name, media[name]

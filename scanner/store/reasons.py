"""Why incidents opened: the scores, models and policies behind each label, from recorded turns.

Everything is read from what the driver committed: the events of the turns that support a label, and
the configuration generation that they were folded with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import Connection, select

from scanner.records.events import unpack_events
from scanner.risk.incident import Extended, Incident, Opened
from scanner.store.configured import policies_of_generation
from scanner.store.schema import incident_revisions, streams, turn_records
from scanner.stream.events import FrameRisk, SegmentScored, SignalReceived, StreamEvent
from scanner.types import Label, ScoredFrame

__all__ = ["incident_reasons"]

MOST_REVISIONS: Final = 500
"""First revisions of an incident among which labels that joined are found."""
MOST_TURNS: Final = 32
"""Turns before a label joined in which its evidence is looked for."""
MOST_SAMPLES: Final = 64
"""Latest samples of a label that are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _JoinedLabel:
    """A label that joined an incident at a revision."""

    label: Label
    revision: int
    turn: int
    generation: int
    event: Opened | Extended


@dataclass(frozen=True, slots=True, kw_only=True)
class _ScoredSample:
    """One sample that has a score of the label."""

    at: Fraction
    frame: ScoredFrame
    risk: FrameRisk


def incident_reasons(connection: Connection, incident_id: str) -> list[dict[str, Any]]:
    """Return why each label of an incident opened, in the order in which they joined it; a label
    whose turns are no longer kept is left out."""
    rows = connection.execute(
        select(incident_revisions)
        .where(incident_revisions.c.incident_id == incident_id)
        .order_by(incident_revisions.c.revision)
        .limit(MOST_REVISIONS)
    ).all()
    known: set[str] = set()
    reasons: list[dict[str, Any]] = []
    for row in rows:
        new = [label for label in json.loads(row.body)["labels"] if label not in known]
        known.update(new)
        if new:
            reasons += _reasons_at(connection, row, new)
    return reasons


def _reasons_at(
    connection: Connection, row: Any, labels: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Yield why these labels joined at one revision."""
    turns = connection.execute(
        select(turn_records.c.events)
        .where(
            turn_records.c.stream_id == row.stream_id,
            turn_records.c.turn <= row.turn,
            turn_records.c.turn > row.turn - MOST_TURNS,
        )
        .order_by(turn_records.c.turn)
    ).scalars()
    events = [event for packed in turns for event in unpack_events(packed)]
    event = _revision_event(events, row.incident_id, row.revision)
    if event is None:
        return
    channel = connection.execute(
        select(streams.c.channel).where(streams.c.stream_id == row.stream_id)
    ).scalar_one_or_none()
    policies = policies_of_generation(connection, row.generation, channel)
    for label in labels:
        joined = _JoinedLabel(
            label=Label(label),
            revision=row.revision,
            turn=row.turn,
            generation=row.generation,
            event=event,
        )
        yield _reason(joined, events, policies.get(label))


def _revision_event(
    events: Sequence[StreamEvent], incident_id: str, revision: int
) -> Opened | Extended | None:
    for event in reversed(events):
        if isinstance(event, Opened | Extended):
            incident: Incident = event.incident
            if (incident.id, incident.revision) == (incident_id, revision):
                return event
    return None


def _reason(
    joined: _JoinedLabel, events: Sequence[StreamEvent], policy: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the document about one label."""
    at, since = joined.event.at, _since(joined, policy)
    samples = [one for one in _samples(events, joined.label) if since <= one.at <= at]
    scores = [one.frame.values[joined.label] for one in samples]
    last = samples[-1].risk if samples else None
    return {
        "label": joined.label,
        "revision": joined.revision,
        "generation": joined.generation,
        "at": _seconds(at),
        "score": max(scores, default=None),
        "level": None if last is None else last.levels.get(joined.label),
        "boost": 0.0 if last is None else last.boosts.get(joined.label, 0.0),
        "models": sorted({name for one in samples for name, _ in _by_model(one, joined.label)}),
        "evidence": [_seconds(samples[0].at), _seconds(samples[-1].at)] if samples else None,
        "samples": [
            {
                "at": _seconds(one.at),
                "score": one.frame.values[joined.label],
                "models": dict(_by_model(one, joined.label)),
            }
            for one in samples[-MOST_SAMPLES:]
        ],
        "signals": _signals(events, joined.label, at),
        "policy": None if policy is None else dict(policy),
    }


def _since(joined: _JoinedLabel, policy: Mapping[str, Any] | None) -> Fraction:
    """Return the stream second from which scores support a label: for the label that opened the
    incident its start, for a further one the beginning of its policy's window."""
    incident = joined.event.incident
    if isinstance(joined.event, Opened) or policy is None:
        return incident.start
    return joined.event.at - Fraction(policy["window"])


def _samples(events: Sequence[StreamEvent], label: Label) -> Iterator[_ScoredSample]:
    for event in events:
        if isinstance(event, SegmentScored):
            for frame, risk in zip(event.segment.frames, event.risks, strict=False):
                if label in frame.values:
                    yield _ScoredSample(at=event.offset + frame.at, frame=frame, risk=risk)


def _by_model(sample: _ScoredSample, label: Label) -> Iterator[tuple[str, float]]:
    """Yield each model, as name and version, that scored the label, with its score."""
    for scores in sample.frame.scores:
        if label in scores.values:
            yield str(scores.model), scores.values[label]


def _signals(
    events: Sequence[StreamEvent], label: Label, at: Fraction
) -> list[dict[str, str | float]]:
    """Return the signals in force for a label at a time."""
    signals = (event.signal for event in events if isinstance(event, SignalReceived))
    return [
        {"name": one.name, "ratio": one.ratio, "at": _seconds(one.at), "until": _seconds(one.until)}
        for one in signals
        if one.at <= at < one.until and (one.labels is None or label in one.labels)
    ]


def _seconds(value: Fraction) -> float:
    return round(float(value), 3)

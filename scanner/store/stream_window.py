"""The recorded turns of a part of one stream, for people who look at it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from scanner.records.events import unpack_events
from scanner.store.configured import policies_on_channel
from scanner.store.database import Journal
from scanner.store.schema import configurations, segments, streams, turn_records
from scanner.stream.events import StreamEvent

__all__ = ["StreamWindow", "read_window"]

MOST_TURNS: Final = 600
"""Turns that are read, the first ones of the part."""
LATER_TURNS: Final = 2
"""Turns after the part: they say that something before them was not seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamWindow:
    """A part of a stream, in stream seconds."""

    start: float
    end: float
    """No later than what is folded."""
    events: tuple[StreamEvent, ...]
    policies: Mapping[str, Mapping[str, Any]]
    """Values of each label's policy; empty where the configuration did not record them."""
    models: tuple[str, ...]
    """Name and version of each model in use."""


def read_window(journal: Journal, stream_id: str, start: float, end: float) -> StreamWindow | None:
    """Return the turns of the scored segments that overlap a part of a stream; None without one."""
    columns = segments.c
    overlapping = (
        select(func.min(columns.turn), func.max(columns.turn), func.max(columns.span_end))
        .where(columns.stream_id == stream_id, columns.turn.is_not(None))
        .where(columns.span_end > start, columns.span_start < end)
    )
    with journal.read() as connection:
        first, last, known = connection.execute(overlapping).one()
        if first is None:
            return None
        rows = connection.execute(
            select(turn_records.c.events)
            .where(turn_records.c.stream_id == stream_id, turn_records.c.turn >= first)
            .where(turn_records.c.turn <= last + LATER_TURNS)
            .order_by(turn_records.c.turn)
            .limit(MOST_TURNS)
        ).scalars()
        events = tuple(event for packed in rows for event in unpack_events(packed))
        row = connection.execute(
            select(configurations.c.body, streams.c.channel)
            .join(streams, streams.c.generation == configurations.c.generation)
            .where(streams.c.stream_id == stream_id)
        ).one_or_none()
    facts: Mapping[str, Any] = {} if row is None else json.loads(row.body)
    return StreamWindow(
        start=max(0.0, start),
        end=min(end, known),
        events=events,
        policies=policies_on_channel(facts, None if row is None else row.channel),
        models=tuple(facts.get("models", ())),
    )

"""Signals on their way to a stream's risk: marks that wait for the next turn."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from sqlalchemy import Connection, bindparam, func, select

from scanner.risk.observation import Signal
from scanner.store.schema import marks, streams
from scanner.store.writes import insert_mark
from scanner.types import Label

__all__ = ["MOST_WAITING", "NewSignal", "add_signal", "signal_at"]

MOST_WAITING: Final = 256
"""Signals of one stream that may wait for a turn; a sender of more is asked to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSignal:
    """A signal as a sender delivers it."""

    stream_id: str
    name: str
    ratio: float
    """Likelihood ratio."""
    seconds: float
    """Time for which it is in force."""
    labels: frozenset[Label] | None
    """The labels that it concerns; None for all."""
    at: float | None = None
    """Seconds of the stream's clock; None for the latest scored moment."""
    channels: frozenset[str] | None = None
    """Channels that the sender may see; None for all."""


def signal_at(new: NewSignal, latest: float | None) -> Signal:
    """Return a signal on the clock of its stream, which is scored up to ``latest``.

    Raises:
        ValueError: it is not valid.
    """
    at = new.at if new.at is not None else latest or 0.0
    begin = Fraction(round(at * 1000), 1000)
    length = Fraction(round(new.seconds * 1000), 1000)
    return Signal(at=begin, name=new.name, ratio=new.ratio, until=begin + length, labels=new.labels)


def add_signal(
    connection: Connection, new: NewSignal, *, now: float
) -> Literal["accepted", "unknown", "ended", "too_many"]:
    """Add a signal, which becomes part of the risk with the next turn of its stream."""
    known = connection.execute(_STREAM, {"of_stream": new.stream_id}).one_or_none()
    if known is None or (new.channels is not None and known.channel not in new.channels):
        return "unknown"
    if known.ended_at is not None:
        return "ended"
    if connection.execute(_WAITING, {"of_stream": new.stream_id}).scalar_one() >= MOST_WAITING:
        return "too_many"
    latest = None if known.summary is None else json.loads(known.summary).get("seconds")
    body = signal_at(new, latest).to_json()
    insert_mark(connection, new.stream_id, known.shard, "signal", body, now=now)
    return "accepted"


_STREAM = select(streams.c.shard, streams.c.channel, streams.c.ended_at, streams.c.summary).where(
    streams.c.stream_id == bindparam("of_stream")
)
_WAITING = (
    select(func.count())
    .select_from(marks)
    .where(
        marks.c.stream_id == bindparam("of_stream"),
        marks.c.kind == "signal",
        marks.c.turn.is_(None),
    )
)

"""The journal's feed in a simulation: rows in memory, turns by the decisions of the service."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import islice
from typing import Final

from scanner.store.objects import ObjectStore
from scanner.store.pending import PendingSegment, PendingStream
from scanner.stream.inputs import Turn
from workers.decide import DecideRules, decide
from workers.feed import MOST_STREAMS, spread_turns

__all__ = ["SimulatedFeed"]

_RULES: Final = DecideRules(patience=3, hole_seconds=10.0, max_age=300.0)


class SimulatedFeed:
    """Segments that arrived and have no place yet; ``decide`` gives them their places."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._streams: dict[str, PendingStream] = {}
        self._waiting: dict[str, None] = {}
        """Streams with segments that have no place, in the order of arrival."""

    def __bool__(self) -> bool:
        """Return whether segments wait for a place."""
        return bool(self._waiting)

    def arrive(self, stream_id: str, sequence: int, seconds: float, *, now: float) -> None:
        """Add a segment, as the web process does."""
        stream = self._streams.get(stream_id) or _new_stream(stream_id, seconds)
        segment = _new_segment(sequence, seconds, now)
        self._streams[stream_id] = replace(stream, segments=(*stream.segments, segment))
        self._waiting[stream_id] = None

    def take_batch(self, *, now: float) -> list[Turn]:
        """Give places to the segments of at most ``MOST_STREAMS`` streams; return their turns."""
        names = list(islice(self._waiting, MOST_STREAMS))
        made = []
        for name in names:
            stream = self._streams[name]
            del self._waiting[name]
            decision = decide(stream, _RULES, self._objects, now=now)
            if decision is None:
                continue
            made.append(decision)
            self._streams[name] = replace(
                stream,
                order=decision.assignment.order,
                assigned=stream.assigned + len(decision.turns),
                segments=(),
            )
        return list(spread_turns(made)) if made else []


def _new_stream(stream_id: str, seconds: float) -> PendingStream:
    return PendingStream(
        stream_id=stream_id,
        shard=0,
        kind="stream",
        channel=None,
        order=None,
        first_sequence=0,
        assigned=0,
        turn=0,
        phase="live",
        open_incidents=0,
        target_duration=seconds,
        segments=(),
        marks=(),
    )


def _new_segment(sequence: int, seconds: float, now: float) -> PendingSegment:
    return PendingSegment(
        sequence=sequence,
        object="segment",
        init_object=None,
        bytes=0,
        discontinuity=False,
        duration=Fraction(seconds).limit_denominator(1000),
        received_at=now,
        turn=None,
        late=False,
        tries=0,
        lone_deaths=0,
        level=None,
    )

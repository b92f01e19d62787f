"""Rows of the journal, written without decoding anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from sqlalchemy import select, update

from scanner.records.events import pack_events
from scanner.risk.incident import Closed, Extended, Incident, Opened, Reason
from scanner.store.database import Journal
from scanner.store.intake import Intake, NewSegment, NewStream
from scanner.store.schema import effects, segments, shard_of, streams, turn_records
from scanner.store.writes import write_revisions
from scanner.stream.events import SegmentScored, StreamEvent
from scanner.types import Label, StreamId
from tests.evidence.build import scored

KINDS = {"opened": Opened, "extended": Extended, "closed": Closed}
SECONDS = 4
"""Length of each segment."""


def incident(
    incident_id: str = "5f1e",
    *,
    stream_id: str = "s",
    revision: int = 1,
    start: float = 0,
    end: float | None = None,
    shadow: bool = False,
) -> Incident:
    """Return an incident that opened 2 s after its start; over if it has an end."""
    return Incident(
        id=incident_id,
        stream_id=StreamId(stream_id),
        label=Label("fire"),
        labels=(Label("fire"),),
        category="hazard",
        severity=2,
        start=Fraction(start),
        opened=Fraction(start) + 2,
        end=None if end is None else Fraction(end),
        peak=0.7,
        revision=revision,
        reason=None if end is None else Reason.QUIET,
        shadow=shadow,
    )


def add_revisions(
    journal: Journal,
    kinds: Sequence[str],
    *,
    incident_id: str = "5f1e",
    stream_id: str = "s",
    first: int = 1,
    turn: int = 0,
    sinks: Sequence[str] = ("hook",),
    shadow: bool = False,
) -> None:
    """Commit revisions of one incident, one in each turn from ``turn`` on."""
    for number, kind in enumerate(kinds):
        noun = incident(
            incident_id,
            stream_id=stream_id,
            revision=first + number,
            end=9 if kind == "closed" else None,
            shadow=shadow,
        )
        with journal.write() as connection:
            write_revisions(
                connection,
                [KINDS[kind](at=Fraction(9), incident=noun)],
                turn=turn + number,
                shard=shard_of(stream_id),
                channel="c",
                generation=0,
                sinks=sinks,
                now=journal.now(),
            )


def statuses(journal: Journal, sink: str = "hook") -> list[tuple[int, str]]:
    """Return revision and status of the effects of one receiver, in order."""
    columns = effects.c
    with journal.read() as connection:
        rows = connection.execute(
            select(columns.revision, columns.status)
            .where(columns.sink == sink)
            .order_by(columns.incident_id, columns.revision)
        )
        return [(row.revision, row.status) for row in rows]


def add_segments(
    journal: Journal, stream_id: str, count: int, *, first: int = 0, verdict: str | None = "scored"
) -> None:
    """Put segments of 4 s that follow one another, each of them a turn."""
    with journal.write() as connection:
        intake = Intake(connection, now=journal.now(), shard_count=64)
        for sequence in range(first, first + count):
            new = NewSegment(
                stream=NewStream(stream_id=stream_id, channel="c"),
                sequence=sequence,
                object=f"segments/00/{stream_id}-{sequence}",
                bytes=3,
                sha256="00" * 32,
            )
            assert intake.add_segment(new) == "accepted"
        if verdict is None:
            return
        start = segments.c.sequence * float(SECONDS)
        connection.execute(
            update(segments)
            .where(segments.c.stream_id == stream_id, segments.c.sequence >= first)
            .values(
                verdict=verdict,
                verdict_at=journal.now(),
                turn=segments.c.sequence,
                span_start=start,
                span_end=start + SECONDS,
            )
        )


def add_turn(journal: Journal, stream_id: str, turn: int, *events: StreamEvent) -> None:
    """Record a folded turn that counts as compacted, with the revisions among its events."""
    revisions = [one for one in events if isinstance(one, Opened | Extended | Closed)]
    with journal.write() as connection:
        connection.execute(
            turn_records.insert(),
            {
                "stream_id": stream_id,
                "turn": turn,
                "shard": 0,
                "sequence": turn,
                "generation": 0,
                "events": pack_events(events),
                "created_at": journal.now(),
            },
        )
        connection.execute(
            update(streams)
            .where(streams.c.stream_id == stream_id)
            .values(turn=turn + 1, compacted=turn + 1)
        )
        write_revisions(
            connection,
            revisions,
            turn=turn,
            shard=0,
            channel="c",
            generation=0,
            sinks=(),
            now=journal.now(),
        )


def segment_event(stream_id: str, sequence: int) -> SegmentScored:
    """Return what a segment of 4 s leaves in its turn's record."""
    event = scored(sequence, {1.0: 3.0, 3.0: 3.0}, seconds=SECONDS)
    key = replace(event.segment.key, stream_id=StreamId(stream_id))
    return replace(event, segment=replace(event.segment, key=key))


def finish(journal: Journal, stream_id: str) -> None:
    """Record that a stream is over."""
    with journal.write() as connection:
        connection.execute(
            update(streams).where(streams.c.stream_id == stream_id).values(phase="finished")
        )

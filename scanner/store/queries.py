"""Queries about segments, streams and channels: documents of plain values for HTTP."""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select

from scanner.records.events import unpack_events
from scanner.store.database import Journal
from scanner.store.pushed import PushedQueries
from scanner.store.schema import segments, streams, turn_records
from scanner.stream.events import SegmentScored, StreamEvent, StreamFinished

__all__ = ["Document", "Queries"]

Document = dict[str, Any]
LATEST: Final = 20
"""Streams of a channel that are told."""
_ONGOING: Final = ("live", "stalled")


class Queries:
    """Reads of one journal; each one sees a consistent state. Safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def segment(self, stream_id: str, sequence: int) -> Document | None:
        """Return the state and verdict of a segment, or None."""
        with self._journal.read() as connection:
            names = {"of_stream": stream_id, "of_sequence": sequence}
            row = connection.execute(_SEGMENT, names).one_or_none()
        return None if row is None else _segment_document(row)

    def known_segment(self, stream_id: str, sequence: int) -> Document | None:
        """Return digests, size, channel and kind of a segment that was accepted, or None."""
        with self._journal.read() as connection:
            names = {"of_stream": stream_id, "of_sequence": sequence}
            row = connection.execute(_SEGMENT, names).one_or_none()
        if row is None:
            return None
        wanted = ("sha256", "meta_digest", "bytes", "channel", "kind")
        return {name: getattr(row, name) for name in wanted}

    def stream(self, stream_id: str) -> Document | None:
        """Return a stream with the verdicts of its segments, or None."""
        with self._journal.read() as connection:
            row = _stream_row(connection, stream_id)
            if row is None:
                return None
            counts = connection.execute(_VERDICTS, {"of_stream": stream_id}).all()
        document = _stream_document(row)
        document["segments"] = {one.verdict or "pending": one.segments for one in counts}
        return document

    def streams(
        self,
        *,
        channel: str | None = None,
        state: str | None = None,
        kind: str = "live",
        channels: frozenset[str] | None = None,
        before: tuple[float, str] | None = None,
        limit: int = 100,
    ) -> list[Document]:
        """Return streams, the newest first; of ``channels`` only, if they are given."""
        columns = streams.c
        query = select(streams).where(columns.kind == kind)
        if channel is not None:
            query = query.where(columns.channel == channel)
        if channels is not None:
            query = query.where(columns.channel.in_(sorted(channels)))
        if before is not None:
            at, name = before
            query = query.where(
                or_(
                    columns.created_at < at,
                    and_(columns.created_at == at, columns.stream_id > name),
                )
            )
        query = _where_state(query, state).order_by(columns.created_at.desc(), columns.stream_id)
        with self._journal.read() as connection:
            rows = connection.execute(query.limit(limit)).all()
        return [_stream_document(row) for row in rows]

    def channel(self, channel: str) -> Document | None:
        """Return the latest streams of a channel, or None if it has none."""
        found = self.streams(channel=channel, limit=LATEST)
        publication = PushedQueries(self._journal).publication(channel)
        if not found and publication is None:
            return None
        states = [one["state"] for one in found]
        if len(found) == LATEST:  # an older one may go on
            older = (self.streams(channel=channel, state=one, limit=1) for one in _ONGOING)
            states += [one["state"] for rows in older for one in rows]
        if publication is not None:
            states.insert(0, publication["state"])
        state = next((one for one in _ONGOING if one in states), "ended")
        return {
            "channel": channel,
            "state": state,
            "publication": publication,
            "streams": found,
        }

    def risk_over_time(
        self, stream_id: str, *, after_turn: int = -1, limit: int = 100
    ) -> Document | None:
        """Return the levels at the samples of a stream's turns, or None if there is no stream."""
        query = (
            select(turn_records.c.turn, turn_records.c.events)
            .where(turn_records.c.stream_id == stream_id, turn_records.c.turn > after_turn)
            .order_by(turn_records.c.turn)
            .limit(limit)
        )
        with self._journal.read() as connection:
            row = _stream_row(connection, stream_id)
            records = connection.execute(query).all()
        if row is None:
            return None
        samples = [
            sample
            for record in records
            for event in unpack_events(record.events)
            for sample in _samples(event)
        ]
        following = records[-1].turn if len(records) == limit else None
        return {
            "stream_id": stream_id,
            "channel": row.channel,
            "samples": samples,
            "next_turn": following,
        }

    def image(self, stream_id: str) -> Document | None:
        """Return the verdict and scores of a picture, or None if there is no such picture; of one
        whose records were deleted the channel, with the state ``gone``."""
        with self._journal.read() as connection:
            row = _stream_row(connection, stream_id)
            if row is None or row.kind != "image":
                return None
            names = {"of_stream": stream_id, "of_sequence": 0}
            segment = connection.execute(_SEGMENT, names).one_or_none()
            records = connection.execute(_TURNS, {"of_stream": stream_id}).all()
        if segment is None or (row.phase == "finished" and not records):
            return {"channel": row.channel, "state": "gone"}
        events = [event for record in records for event in unpack_events(record.events)]
        return {
            "image_id": stream_id,
            "channel": row.channel,
            "state": "pending" if row.phase != "finished" else "finished",
            "verdict": segment.verdict,
            "detail": None if segment.detail is None else json.loads(segment.detail),
            "sha256": segment.sha256,
            "received_at": segment.received_at,
            **_scores(events),
        }

    def finished(self, stream_ids: list[str]) -> set[str]:
        """Return which of the streams are finished."""
        query = select(streams.c.stream_id).where(
            streams.c.phase == "finished", streams.c.stream_id.in_(stream_ids)
        )
        with self._journal.read() as connection:
            return set(connection.execute(query).scalars())


def _where_state(query: Select[Any], state: str | None) -> Select[Any]:
    """Select streams by the word that ``_state_of_stream`` gives them."""
    if state is None:
        return query
    if state == "finished":
        return query.where(streams.c.phase == "finished")
    query = query.where(streams.c.phase != "finished")
    if state == "ended":
        return query.where(streams.c.ended_at.is_not(None))
    return query.where(streams.c.ended_at.is_(None), streams.c.phase == state)


def _state_of_stream(row: Any) -> str:
    """Return ``live``, ``stalled``, ``ended`` (nothing more is accepted or expected) or
    ``finished`` (its end is scored too)."""
    if row.phase != "finished" and row.ended_at is not None:
        return "ended"
    return str(row.phase)


def _stream_row(connection: Connection, stream_id: str) -> Any:
    return connection.execute(select(streams).where(streams.c.stream_id == stream_id)).one_or_none()


def _stream_document(row: Any) -> Document:
    summary = {} if row.summary is None else json.loads(row.summary)
    return {
        "stream_id": row.stream_id,
        "kind": row.kind,
        "channel": row.channel,
        "state": _state_of_stream(row),
        "created_at": row.created_at,
        "last_arrival": row.last_arrival,
        "folded_at": row.folded_at,
        "ended_at": row.ended_at,
        "end_reason": row.end_reason,
        "first_sequence": row.first_sequence,
        "last_sequence": row.last_sequence,
        "declared": json.loads(row.declared),
        "turns": row.turn,
        "open_incidents": row.open_incidents,
        "generation": row.generation,
        "seconds": summary.get("seconds"),
        "coverage": summary.get("coverage"),
        "unseen": summary.get("unseen", {}),
        "risk": summary.get("risk", {}),
        "peaks": summary.get("peaks", {}),
    }


def _segment_document(row: Any) -> Document:
    span = None if row.span_start is None else {"start": row.span_start, "end": row.span_end}
    return {
        "stream_id": row.stream_id,
        "sequence": row.sequence,
        "channel": row.channel,
        "state": _state_of_segment(row),
        "verdict": row.verdict,
        "verdict_at": row.verdict_at,
        "detail": None if row.detail is None else json.loads(row.detail),
        "span": span,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "received_at": row.received_at,
        "stage": row.stage,
    }


def _state_of_segment(row: Any) -> str:
    """Return the word for where a segment is: pending, leased, or its verdict."""
    if row.verdict is not None:
        return str(row.verdict)
    return "pending" if row.leased_generation is None else "leased"


def _samples(event: StreamEvent) -> list[Document]:
    if not isinstance(event, SegmentScored):
        return []
    return [
        {"at": round(float(at), 3), "levels": dict(risk.levels), "boosts": dict(risk.boosts)}
        for at, risk in event.samples
    ]


def _scores(events: list[StreamEvent]) -> Document:
    """Return what a picture's events say of it."""
    summary = next((e.summary for e in events if isinstance(e, StreamFinished)), None)
    frames = [f for e in events if isinstance(e, SegmentScored) for f in e.segment.frames]
    models = sorted({str(scores.model) for frame in frames for scores in frame.scores})
    if summary is None:
        return {"scores": {}, "medium": {}, "flagged": [], "models": models}
    return {
        "scores": dict(summary.peak_score),
        "medium": dict(summary.medium),
        "flagged": list(summary.flagged),
        "models": models,
    }


_SEGMENT = (
    select(segments, streams.c.channel, streams.c.kind)
    .join(streams, streams.c.stream_id == segments.c.stream_id)
    .where(
        segments.c.stream_id == bindparam("of_stream"),
        segments.c.sequence == bindparam("of_sequence"),
    )
)
_VERDICTS = (
    select(segments.c.verdict, func.count().label("segments"))
    .where(segments.c.stream_id == bindparam("of_stream"))
    .group_by(segments.c.verdict)
)
_TURNS = (
    select(turn_records.c.events)
    .where(turn_records.c.stream_id == bindparam("of_stream"))
    .order_by(turn_records.c.turn)
)

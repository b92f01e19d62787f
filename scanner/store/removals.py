"""Deletion of a stream on request: its media first, then every row of it.

    requested --the stream has ended--> media and scores marked --unlinked--> rows deleted

A hold stops it at every step. What remains is the request itself, and the audit log.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, or_, select, update

from scanner.store.audit import AuditEntry, append_entries
from scanner.store.database import Journal
from scanner.store.holds import is_on_hold
from scanner.store.ingest_schema import channel_changes, ingest_objects
from scanner.store.people_schema import removals
from scanner.store.review_schema import decision_effects, decisions, mutes, reviews
from scanner.store.schema import (
    alarms,
    effects,
    evidence,
    incident_revisions,
    incidents,
    inits,
    marks,
    published,
    segments,
    streams,
    turn_records,
)
from scanner.store.score_parts import score_part_streams
from scanner.store.stream_changes import stream_changes
from scanner.store.writes import upsert

__all__ = ["Removal", "Removals"]

BLIND: Final = "stream.blind"
"""The kind of alarm whose subject is a stream."""
SILENT_SECONDS: Final = 3600.0
"""A stream without an end that sent nothing for so long counts as ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A stream whose deletion was requested."""

    stream_id: str
    actor: str
    reason: str
    requested_at: float
    removed_at: float | None
    """None until all of it is deleted."""
    is_held: bool = False
    """Whether a hold stops it."""


class Removals:
    """The requested deletions of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def request(self, stream_ids: Sequence[str], *, actor: str, reason: str) -> None:
        """Request the deletion of streams; a request that exists is replaced."""
        now = self._journal.now()
        with self._journal.write() as connection:
            for stream_id in stream_ids:
                row = {"stream_id": stream_id, "shard": 0, "actor": actor, "reason": reason}
                row |= {"requested_at": now, "removed_at": None}
                upsert(connection, removals, row)

    def streams_of(self, channel: str) -> list[str]:
        """Return the streams of a channel."""
        query = select(streams.c.stream_id).where(streams.c.channel == channel)
        with self._journal.read() as connection:
            return list(connection.execute(query.order_by(streams.c.stream_id)).scalars())

    def channel_of(self, stream_id: str) -> tuple[str | None] | None:
        """Return the channel of a stream, as a tuple of one; None if there is no such stream."""
        query = select(streams.c.channel).where(streams.c.stream_id == stream_id)
        with self._journal.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else (row.channel,)

    def held(self, stream_ids: Sequence[str]) -> list[str]:
        """Return which of some streams are on hold."""
        query = select(streams.c.stream_id).where(is_on_hold(streams.c.stream_id))
        with self._journal.read() as connection:
            return list(
                connection.execute(query.where(streams.c.stream_id.in_(stream_ids))).scalars()
            )

    def list_all(self, *, limit: int = 1000) -> list[Removal]:
        """Return the requests, the latest first."""
        query = select(removals, is_on_hold(removals.c.stream_id).label("is_held"))
        with self._journal.read() as connection:
            rows = connection.execute(
                query.order_by(removals.c.requested_at.desc()).limit(limit)
            ).all()
        return [
            Removal(
                stream_id=row.stream_id,
                actor=row.actor,
                reason=row.reason,
                requested_at=row.requested_at,
                removed_at=row.removed_at,
                is_held=bool(row.is_held),
            )
            for row in rows
        ]

    def step(self, *, clock_is_steady: bool = True) -> bool:
        """Advance the requests whose streams have ended; return whether a stream was deleted.

        While the wall clock is not steady, none counts as ended because it is silent.
        """
        query = self._ready(count_silent=clock_is_steady)
        with self._journal.read() as connection:
            ready = list(connection.execute(query).scalars())
        removed = False
        for stream_id in ready:
            with self._journal.write() as connection:
                still = query.where(removals.c.stream_id == stream_id)
                if connection.execute(still).first() is None:  # held, or live, since it was read
                    continue
                media_left = _mark_media(connection, stream_id)
                if not _mark_scores(connection, stream_id) and not media_left:
                    _delete_rows(connection, stream_id, now=self._journal.now())
                    removed = True
        return removed

    def _ready(self, *, count_silent: bool) -> Any:
        silent = self._journal.now() - SILENT_SECONDS
        ended: ColumnElement[bool] = streams.c.phase == "finished"
        if count_silent:
            ended |= func.coalesce(streams.c.last_arrival, streams.c.created_at) < silent
        is_waiting = exists().where(
            segments.c.stream_id == streams.c.stream_id, segments.c.verdict.is_(None)
        )
        return (
            select(removals.c.stream_id)
            .join(streams, streams.c.stream_id == removals.c.stream_id)
            .where(removals.c.removed_at.is_(None), ended, ~is_waiting)
            .where(~is_on_hold(removals.c.stream_id))
            .limit(100)
        )


def _mark_media(connection: Connection, stream_id: str) -> bool:
    """Mark the media of a stream as to be deleted; return whether there are some left."""
    of_incidents = select(incidents.c.incident_id).where(incidents.c.stream_id == stream_id)
    left = False
    for table, column, which in (
        (segments, segments.c.stage, segments.c.stream_id == stream_id),
        (inits, inits.c.stage, inits.c.stream_id == stream_id),
        (evidence, evidence.c.status, evidence.c.incident_id.in_(of_incidents)),
    ):
        stored = column.in_(("stored", "cut"))
        connection.execute(update(table).where(which, stored).values({column: "deleting"}))
        waiting = select(func.count()).select_from(table).where(which, column == "deleting")
        left = left or bool(connection.execute(waiting).scalar_one())
    return left


def _mark_scores(connection: Connection, stream_id: str) -> bool:
    """Mark the scores of a stream in files as to be deleted; return whether there are some left."""
    of_stream = score_part_streams.c.stream_id == stream_id
    stored = of_stream & (score_part_streams.c.stage == "stored")
    connection.execute(update(score_part_streams).where(stored).values(stage="deleting"))
    return bool(connection.execute(select(exists().where(of_stream))).scalar_one())


def _delete_rows(connection: Connection, stream_id: str, *, now: float) -> None:
    """Delete every row of a stream, and record that it is gone."""
    of_stream = select(incidents.c.incident_id).where(incidents.c.stream_id == stream_id)
    names = [*connection.execute(of_stream).scalars()]
    items = [*names, stream_id]
    items += connection.execute(
        select(reviews.c.item_id).where(reviews.c.stream_id == stream_id)
    ).scalars()
    for table, which in _rows_of(stream_id, names, items):
        connection.execute(delete(table).where(which))
    _empty_latest(connection, stream_id, items)
    gone = removals.c.stream_id == stream_id
    row = connection.execute(select(removals).where(gone)).one()
    connection.execute(update(removals).where(gone).values(removed_at=now))
    details = {"requested_by": row.actor, "reason": row.reason}
    entry = AuditEntry(actor="system", action="removed", subject=stream_id, details=details)
    append_entries(connection, [entry], now=now)


def _empty_latest(connection: Connection, stream_id: str, items: Sequence[str]) -> None:
    """Take what names the stream out of the latest event and decision, which keep their numbers;
    readers of events get it as a gap."""
    kept = select(published.c.number).where(_is_event_of(stream_id))
    for number in connection.execute(kept).scalars().all():
        body = json.dumps({"missing_before": number + 1})
        emptied = update(published).where(published.c.number == number)
        connection.execute(emptied.values(kind="gap", body=body))
    nobody = {"item_id": "", "note": "", "reviewer": "", "person": None, "mute_id": None}
    connection.execute(update(decisions).where(decisions.c.item_id.in_(items)).values(**nobody))


def _is_event_of(stream_id: str) -> ColumnElement[bool]:
    quoted = json.dumps(stream_id)
    parts = f'"stream_id": {quoted}', f'"kind": "{BLIND}", "subject": {quoted}'
    return or_(*(published.c.body.contains(one, autoescape=True) for one in parts))


def _rows_of(
    stream_id: str, names: Sequence[str], items: Sequence[str]
) -> list[tuple[Table, ColumnElement[bool]]]:
    """Return the tables that have rows of a stream, with those rows. The latest event and decision
    keep their number, from which the next ones are counted."""
    latest_event = select(func.max(published.c.number)).scalar_subquery()
    latest_decision = select(func.max(decisions.c.number)).scalar_subquery()
    return [
        (decision_effects, decision_effects.c.item_id.in_(items)),
        (decisions, decisions.c.item_id.in_(items) & (decisions.c.number < latest_decision)),
        (reviews, reviews.c.item_id.in_(items)),
        (mutes, (mutes.c.scope == "stream") & (mutes.c.subject == stream_id)),
        (effects, effects.c.incident_id.in_(names)),
        (evidence, evidence.c.incident_id.in_(names)),
        (incident_revisions, incident_revisions.c.incident_id.in_(names)),
        (incidents, incidents.c.incident_id.in_(names)),
        (turn_records, turn_records.c.stream_id == stream_id),
        (marks, marks.c.stream_id == stream_id),
        (segments, segments.c.stream_id == stream_id),
        (inits, inits.c.stream_id == stream_id),
        (ingest_objects, (ingest_objects.c.stream_id == stream_id) & ingest_objects.c.folded),
        (channel_changes, (channel_changes.c.stream_id == stream_id) & channel_changes.c.published),
        (stream_changes, (stream_changes.c.stream_id == stream_id) & stream_changes.c.published),
        (alarms, (alarms.c.kind == BLIND) & (alarms.c.subject == stream_id)),
        (published, _is_event_of(stream_id) & (published.c.number < latest_event)),
        (streams, streams.c.stream_id == stream_id),
    ]

"""Incidents of a channel, for the streams that share it: a stream learns of those of the others by
an input in its own log, so that folding it again gives the same severities.

    first turn of a stream     the recent incidents of its channel
    opening of an incident     a mark for every other stream of the channel that is not finished
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Final

from sqlalchemy import Connection, Row, or_, select

from scanner.risk.escalation import PAST_KEPT
from scanner.risk.incident import Incident, Opened, PastIncident, RiskEvent
from scanner.store.database import Journal
from scanner.store.pending import PendingStream
from scanner.store.review_schema import reviews
from scanner.store.schema import streams
from scanner.store.writes import insert_mark
from scanner.types import Label

__all__ = ["HISTORY", "ChannelHistory"]

HISTORY: Final = "history"
"""Kind of the mark with incidents of other streams."""
MOST_STREAMS: Final = 64
"""Streams of one channel that learn of an incident at once, the newest ones."""


class ChannelHistory:
    """The incidents of channels that count for their streams."""

    def __init__(self, journal: Journal, *, seconds: float) -> None:
        """``seconds`` is the age up to which incidents count; 0 for none."""
        self._journal = journal
        self._seconds = seconds

    def before(self, stream: PendingStream) -> Mapping[str, Any] | None:
        """Return the body of the mark that comes before a stream's first turn; None if the channel
        has no incidents, or the stream has turns.

        The ages are inputs from then on. Incidents that people found to be no violation do not
        count.
        """
        is_new = stream.kind == "live" and not stream.assigned
        if not is_new or stream.channel is None or not self._seconds:
            return None
        now = self._journal.now()
        with self._journal.read() as connection:
            rows = _read_incidents(connection, stream, since=now - self._seconds)
        past = [
            PastIncident(
                id=row.item_id,
                opened=-Fraction(round(1000 * max(0.0, now - row.flagged_at)), 1000),
                labels=tuple(map(Label, json.loads(row.labels))),
            )
            for row in rows
        ]
        return _body(past) if past else None

    def share(
        self,
        connection: Connection,
        revisions: Iterable[RiskEvent],
        *,
        channel: str | None,
        now: float,
    ) -> None:
        """Tell the other streams of a channel of the incidents that opened, in the transaction of
        their opening."""
        if channel is None or not self._seconds:
            return
        for event in revisions:
            if isinstance(event, Opened) and not event.incident.shadow:
                _share_opening(connection, event.incident, channel, now)


def _body(past: Iterable[PastIncident]) -> Mapping[str, Any]:
    return {"incidents": [one.to_json() for one in past]}


def _read_incidents(
    connection: Connection, stream: PendingStream, *, since: float
) -> list[Row[Any]]:
    """Return the latest incidents of the other streams of a channel, the latest first."""
    columns = reviews.c
    query = (
        select(columns.item_id, columns.labels, columns.flagged_at)
        .where(
            columns.channel == stream.channel,
            columns.flagged_at >= since,
            columns.kind == "incident",
            columns.stream_id != stream.stream_id,
            or_(columns.verdict.is_(None), columns.verdict != "no_violation"),
        )
        .order_by(columns.flagged_at.desc())
        .limit(PAST_KEPT)
    )
    return list(connection.execute(query))


def _share_opening(connection: Connection, incident: Incident, channel: str, now: float) -> None:
    columns = streams.c
    query = (
        select(columns.stream_id, columns.shard)
        .where(
            columns.channel == channel,
            columns.stream_id != incident.stream_id,
            columns.kind == "live",
            columns.phase != "finished",
        )
        .order_by(columns.created_at.desc())
        .limit(MOST_STREAMS)
    )
    body = _body([PastIncident(id=incident.id, opened=Fraction(0), labels=incident.labels)])
    for row in connection.execute(query).all():
        insert_mark(connection, row.stream_id, row.shard, HISTORY, body, now=now)

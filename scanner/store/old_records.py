"""Records that are deleted at an age: events of turns, rows of segments without bytes, marks,
published events, alarms that ended."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, select, tuple_

from scanner.store.database import Journal
from scanner.store.holds import is_on_hold
from scanner.store.retention import BATCH, IS_HELD
from scanner.store.review_schema import decision_effects, decisions
from scanner.store.schema import (
    alarms,
    incidents,
    marks,
    published,
    segments,
    streams,
    turn_records,
)
from scanner.store.stream_changes import stream_changes
from scanner.store.writes import add_to_counters

__all__ = ["OldRecords"]


class OldRecords:
    """The records of one journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def delete_decisions(self, *, before: float) -> int:
        """Delete one batch of old decisions, and of what became of their deliveries;
        return how many. The latest decision stays, the next one is counted from it; so do those
        that follow a younger one, which were made while the clock was behind."""
        latest, made = select(func.max(decisions.c.number)).scalar_subquery(), decisions.alias()
        young = select(func.min(made.c.number)).where(made.c.created_at >= before)
        end = func.coalesce(young.scalar_subquery(), latest)
        old = and_(decisions.c.number < latest, decisions.c.number < end)
        sent = and_(decision_effects.c.updated_at < before, decision_effects.c.status != "pending")
        return self._delete(decisions, old) + self._delete(decision_effects, sent)

    def delete_records(self, *, before: float) -> int:
        """Delete one batch of records, rows of deleted segments, marks, events and alarms that are
        older than a time; return how many.

        Records of streams with an incident that is open, or of which evidence is due, stay, and
        so do those that are not compacted.
        """
        return sum(self._delete(table, which) for table, which in _old_rows(before))

    def _delete(self, table: Table, which: ColumnElement[bool]) -> int:
        keys = tuple_(*table.primary_key.columns)
        with self._journal.read() as connection:
            rows = connection.execute(
                select(*table.primary_key.columns).where(which).limit(BATCH)
            ).all()
        if not rows:
            return 0
        with self._journal.write() as connection:
            gone = connection.execute(
                delete(table).where(keys.in_([tuple(row) for row in rows]), which)
            )
            add_to_counters(connection, 0, "deleted", {f"{table.name}_rows": gone.rowcount})
            return int(gone.rowcount)


def _old_rows(before: float) -> list[tuple[Table, ColumnElement[bool]]]:
    """Return tables with the rows that are old; each statement uses an index of its table."""

    def on_hold(table: Table) -> ColumnElement[bool]:
        return is_on_hold(table.c.stream_id)

    held = exists().where(incidents.c.stream_id == turn_records.c.stream_id, IS_HELD)
    compacted = exists().where(
        streams.c.stream_id == turn_records.c.stream_id, streams.c.compacted > turn_records.c.turn
    )
    is_old = and_(turn_records.c.created_at < before, compacted, ~held, ~on_hold(turn_records))
    latest = select(func.max(published.c.number)).scalar_subquery()
    return [
        (turn_records, is_old),
        (
            segments,
            and_(segments.c.stage == "deleted", segments.c.verdict_at < before, ~on_hold(segments)),
        ),
        (marks, and_(marks.c.created_at < before, marks.c.turn.is_not(None), ~on_hold(marks))),
        (published, and_(published.c.created_at < before, published.c.number < latest)),
        (alarms, and_(alarms.c.until < before, alarms.c.published == 2)),
        (stream_changes, and_(stream_changes.c.at < before, stream_changes.c.published)),
    ]

"""What each person saw on each day: counts for the person's own reminders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, select

from scanner.store.database import Journal
from scanner.store.people_schema import exposure
from scanner.store.writes import upsert

__all__ = ["Exposure", "ExposureDay"]

BREAK_SECONDS: Final = 300.0
"""Time without an action that counts as a break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureDay:
    """What one person saw on one day (UTC)."""

    day: str = ""
    items: int = 0
    severe_items: int = 0
    unblurred_seconds: float = 0.0
    active_since: float | None = None
    """Begin of the work that had no break since."""
    active_at: float | None = None
    """The latest action."""

    def active_seconds(self, now: float) -> float:
        """Return the seconds of work without a break; 0 after one."""
        if self.active_since is None or self.active_at is None:
            return 0.0
        return 0.0 if now - self.active_at > BREAK_SECONDS else now - self.active_since


class Exposure:
    """The counts of one journal; safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def add(
        self,
        user_id: str,
        *,
        items: int = 0,
        severe_items: int = 0,
        unblurred_seconds: float = 0.0,
    ) -> None:
        """Add to what a person saw today; the call counts as an action."""
        now = self._journal.now()
        day = _day(now)
        with self._journal.write() as connection:
            before = _read(connection, user_id, day)
            rested = before.active_seconds(now) <= 0
            row = {
                "items": before.items + items,
                "severe_items": before.severe_items + severe_items,
                "unblurred_seconds": before.unblurred_seconds + unblurred_seconds,
                "active_since": now if rested else before.active_since,
                "active_at": now,
            }
            upsert(connection, exposure, {"user_id": user_id, "day": day, "shard": 0, **row})

    def today(self, user_id: str) -> ExposureDay:
        """Return what a person saw today."""
        with self._journal.read() as connection:
            return _read(connection, user_id, _day(self._journal.now()))

    def days(self, user_id: str, *, limit: int = 31) -> list[ExposureDay]:
        """Return what a person saw, the latest day first."""
        query = select(exposure).where(exposure.c.user_id == user_id)
        with self._journal.read() as connection:
            rows = connection.execute(query.order_by(exposure.c.day.desc()).limit(limit)).all()
        return [_of_row(row) for row in rows]


def _read(connection: Connection, user_id: str, day: str) -> ExposureDay:
    row = connection.execute(
        select(exposure).where(exposure.c.user_id == user_id, exposure.c.day == day)
    ).one_or_none()
    if row is not None:
        return _of_row(row)
    before = connection.execute(  # work goes on at midnight, and so does the time without a break
        select(exposure)
        .where(exposure.c.user_id == user_id, exposure.c.day < day)
        .order_by(exposure.c.day.desc())
        .limit(1)
    ).one_or_none()
    if before is None:
        return ExposureDay(day=day)
    return ExposureDay(day=day, active_since=before.active_since, active_at=before.active_at)


def _of_row(row: object) -> ExposureDay:
    return ExposureDay(**{name: getattr(row, name) for name in ExposureDay.__slots__})


def _day(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")

"""When a worker reports its progress. Pure: time is passed in."""

from __future__ import annotations

from typing import Final

from scanner.stream.state import StreamProgress

__all__ = ["REPORT_SECONDS", "ProgressReport"]

REPORT_SECONDS: Final = 0.25
"""Least time between two reports, so that several short windows travel in one message."""


class ProgressReport:
    """The progress of a worker that is not reported yet."""

    def __init__(self, *, now: float) -> None:
        self._since = now
        self._collected: list[StreamProgress] = []

    def add(self, new: StreamProgress) -> None:
        """Add progress; in a row of one stream's progress only the last state is kept."""
        last = self._collected[-1] if self._collected else None
        if last is None or last.stream_id != new.stream_id:
            self._collected.append(new)
            return
        self._collected[-1] = last.followed_by(new)

    def is_due(self, *, now: float) -> bool:
        """Return whether the last report is long enough ago."""
        return now - self._since >= REPORT_SECONDS

    def take(self) -> list[StreamProgress]:
        """Remove and return what is to be reported; empty if nothing is."""
        collected, self._collected = self._collected, []
        return collected

    def restart(self, *, now: float) -> None:
        """Count the time until the next report from now on."""
        self._since = now

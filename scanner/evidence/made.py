"""What was made of one incident, while a scan plans more of it and the queue's thread makes it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from scanner.report.nouns import Clip, IncidentReport, Sheet
from scanner.risk.incident import Incident
from scanner.sandbox.answers import printable

__all__ = ["IncidentEvidence", "log_missing"]

log = logging.getLogger(__name__)


class IncidentEvidence:
    """The evidence of one incident, which the queue's thread adds to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._clips: dict[int, Clip] = {}
        self._failed: set[int] = set()
        self._sheet: Sheet | None = None
        self._missing: dict[str, list[int]] = {}
        """Reasons why evidence is missing, in order, and the clips that each is for; 0 is the
        sheet."""

    def add_clip(self, number: int, clip: Clip) -> None:
        """Add a clip that was cut."""
        with self._lock:
            self._clips[number] = clip

    def add_sheet(self, sheet: Sheet) -> None:
        """Add the contact sheet."""
        with self._lock:
            self._sheet = sheet

    def add_missing(self, reason: str) -> None:
        """Add a reason why evidence is missing."""
        with self._lock:
            self._missing.setdefault(reason, [])

    def fail(self, number: int, incident_id: str, reason: str | Exception) -> None:
        """Add the reason why a clip, or the sheet with number 0, cannot be made."""
        log_missing("no clip" if number else "no contact sheet", incident_id, reason)
        with self._lock:
            self._failed.add(number)
            self._missing.setdefault(_describe(reason, self._folder), []).append(number)

    def first_clip(self, planned: int) -> int | None:
        """Return the first of the planned clips that did not fail so far."""
        with self._lock:
            return next((one for one in range(1, planned + 1) if one not in self._failed), None)

    def report(self, incident: Incident) -> IncidentReport:
        """Return the report of what is there so far."""
        with self._lock:
            return IncidentReport(
                incident=incident,
                clips=tuple(clip for _, clip in sorted(self._clips.items())),
                sheet=self._sheet,
                missing="; ".join(map(_join, self._missing.values(), self._missing)) or None,
            )


def _join(numbers: list[int], reason: str) -> str:
    """Return a reason with its clips.

    >>> _join([3, 4, 0], "no time left"), _join([], "only 2 clips were cut")
    ('clips 3, 4, contact sheet: no time left', 'only 2 clips were cut')
    """
    clips = ", ".join(str(number) for number in numbers if number)
    subjects = [f"{'clips' if ',' in clips else 'clip'} {clips}"] if clips else []
    if 0 in numbers:
        subjects.append("contact sheet")
    return f"{', '.join(subjects)}: {reason}" if subjects else reason


def _describe(reason: str | Exception, folder: Path) -> str:
    if isinstance(reason, OSError):
        return f"{reason.filename or folder}: {reason.strerror}"
    return printable(str(reason))


def log_missing(message: str, subject: str, reason: str | Exception) -> None:
    """Log that evidence is missing; the reason itself is in the report."""
    kind = reason if isinstance(reason, str) else type(reason).__name__
    log.warning(message, extra={"subject": subject, "error": kind})

"""Exit statuses."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """The exit status of any command; if two apply, the lower one above 0 is returned."""

    NOTHING = 0
    """Nothing to report."""
    FAILED = 1
    """Some path failed, or a check did; the rest was done."""
    WRONG = 2
    """Wrong usage or set-up; one line says what to do."""
    FLAGGED = 3
    """Something was flagged, and no path failed."""

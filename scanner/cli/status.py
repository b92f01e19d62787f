"""What the exit status says."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """Of any command; where two are true, the lower one of those above 0 is given."""

    NOTHING = 0
    """Nothing to say."""
    FAILED = 1
    """Some path failed, or something is not as it must be; the rest was done."""
    WRONG = 2
    """Wrong usage or set-up: one line says what to do."""
    FLAGGED = 3
    """Something was flagged, and no path failed."""

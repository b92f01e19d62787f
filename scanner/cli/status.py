"""The exit statuses of all commands."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """The exit status of any command; if two of 1 to 3 apply, the lower one is returned.

    A command that a signal ended has 128 and the number of the signal.
    """

    NOTHING = 0
    """Nothing to report."""
    FAILED = 1
    """Some path failed, or a check did; the rest was done."""
    WRONG = 2
    """Wrong usage or set-up; one line says what to do."""
    FLAGGED = 3
    """Something was flagged, and no path failed."""
    PIPE_CLOSED = 141
    """The reader of standard output left; as of a program that SIGPIPE ended."""

"""When rows that are tried again are due."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

__all__ = ["is_due"]


def is_due(columns: Any, now: float) -> ColumnElement[bool]:
    """Return the condition that a row is due, by its columns ``next_at`` and ``updated_at``.

    A row of the future was written before the wall clock was set back: it is due at once, because
    its own time would come too late by as much.
    """
    due: ColumnElement[bool] = (columns.next_at <= now) | (columns.updated_at > now)
    return due

"""Queries of the HTTP interface: the journal as documents of plain values."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import bindparam, select

from scanner.store.database import Journal
from scanner.store.schema import api_keys, segments

__all__ = ["Document", "Queries"]

Document = dict[str, Any]


class Queries:
    """Reads of one journal; each one sees a consistent state. Safe to use from several threads."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def has_keys(self) -> bool:
        """Return whether an API key exists that is not revoked."""
        with self._journal.read() as connection:
            found = select(api_keys.c.key_id).where(api_keys.c.revoked_at.is_(None)).limit(1)
            return connection.execute(found).first() is not None

    def segment(self, stream_id: str, sequence: int) -> Document | None:
        """Return the state and verdict of a segment, or None."""
        with self._journal.read() as connection:
            names = {"of_stream": stream_id, "of_sequence": sequence}
            row = connection.execute(_SEGMENT, names).one_or_none()
        return None if row is None else _segment_document(row)


def _segment_document(row: Any) -> Document:
    span = None if row.span_start is None else {"start": row.span_start, "end": row.span_end}
    return {
        "stream_id": row.stream_id,
        "sequence": row.sequence,
        "state": _state_of(row),
        "verdict": row.verdict,
        "verdict_at": row.verdict_at,
        "detail": None if row.detail is None else json.loads(row.detail),
        "span": span,
        "bytes": row.bytes,
        "sha256": row.sha256,
        "received_at": row.received_at,
        "stage": row.stage,
    }


def _state_of(row: Any) -> str:
    """Return the word for where a segment is: pending, leased, or its verdict."""
    if row.verdict is not None:
        return str(row.verdict)
    return "pending" if row.leased_generation is None else "leased"


_SEGMENT = select(segments).where(
    segments.c.stream_id == bindparam("of_stream"), segments.c.sequence == bindparam("of_sequence")
)

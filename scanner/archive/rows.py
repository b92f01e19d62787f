"""Rows of the files of scores: one for each score of a turn, or one for a turn without a score.

Columns that begin with ``turn_`` are set on the first row of each turn only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple

from scanner.errors import FormatError
from scanner.records.flat import FlatScore, FlatTurn, flatten_events
from scanner.risk.policy import Policies
from scanner.store.score_parts import TurnRow
from scanner.types import Label

__all__ = ["COLUMNS", "UNREADABLE", "ColumnType", "Row", "rows_of_turn"]

ColumnType = Literal["text", "texts", "whole", "real", "flag", "time"]
"""UTF-8 text, list of texts, 64-bit integer, 64-bit float, Boolean, microseconds UTC."""

UNREADABLE: Final = "unreadable"
"""Event of a turn whose record is of another release's version; only its place is kept."""
LARGEST: Final = 2**63 - 1


class Row(NamedTuple):
    """The values of one row, in the order of the columns."""

    stream_id: str
    channel: str | None
    turn: int
    sequence: int | None
    generation: int
    committed_at: int
    received_at: int | None
    at_seconds: float | None
    at_num: int | None
    at_den: int | None
    pts: int | None
    label: str | None
    score: float | None
    risk: float | None
    model: str | None
    version: str | None
    shadow: bool | None
    superseded: bool | None
    damaged: bool | None
    late: bool | None
    reused: bool | None
    keyframe: bool | None
    burst_frames: int | None
    medium: str | None
    medium_probability: float | None
    turn_event: str | None
    turn_start: float | None
    turn_end: float | None
    turn_unseen: float | None
    turn_opened: list[str] | None
    turn_opened_shadow: list[str] | None
    turn_record: str | None


COLUMNS: Final[dict[str, ColumnType]] = {
    "stream_id": "text",
    "channel": "text",
    "turn": "whole",
    "sequence": "whole",
    "generation": "whole",
    "committed_at": "time",
    "received_at": "time",
    "at_seconds": "real",
    "at_num": "whole",
    "at_den": "whole",
    "pts": "whole",
    "label": "text",
    "score": "real",
    "risk": "real",
    "model": "text",
    "version": "text",
    "shadow": "flag",
    "superseded": "flag",
    "damaged": "flag",
    "late": "flag",
    "reused": "flag",
    "keyframe": "flag",
    "burst_frames": "whole",
    "medium": "text",
    "medium_probability": "real",
    "turn_event": "text",
    "turn_start": "real",
    "turn_end": "real",
    "turn_unseen": "real",
    "turn_opened": "texts",
    "turn_opened_shadow": "texts",
    "turn_record": "text",
}
"""Type of each column of ``Row``."""


def rows_of_turn(
    stream_id: str, channel: str | None, turn: TurnRow, policies_of: Callable[[int], Policies]
) -> Iterator[Row]:
    """Yield the rows of one turn; one row if its record cannot be read."""
    head = (stream_id, channel, turn.turn, turn.sequence, turn.generation)
    times: tuple[Any, ...] = (_microseconds(turn.created_at), _microseconds(turn.received_at))
    try:
        flat = flatten_events(turn.events)
    except FormatError:
        yield Row._make((*head, *times, *_NO_SCORE, UNREADABLE, *_NO_TURN[1:]))
        return
    if not flat.scores:
        yield Row._make((*head, *times, *_NO_SCORE, *_turn_values(flat)))
        return
    policies, first = policies_of(turn.generation), _turn_values(flat)
    for score in flat.scores:
        yield Row._make((*head, *times, *_score_values(score, policies), *first))
        first = _NO_TURN


_NO_SCORE: Final[tuple[Any, ...]] = (None,) * 18
_NO_TURN: Final[tuple[Any, ...]] = (None,) * 7


def _score_values(score: FlatScore, policies: Policies) -> tuple[Any, ...]:
    policy = policies.labels.get(Label(score.label))
    is_known = score.is_folded and not score.is_shadow and policy is not None
    return (
        None if score.at is None else float(score.at),
        *_exact(score.at),
        score.pts,
        score.label,
        score.score,
        policy.risk(score.level, score.boost) if is_known and policy is not None else None,
        score.model,
        score.version,
        score.is_shadow,
        score.is_superseded,
        score.is_damaged,
        score.is_late,
        score.is_reused,
        score.is_keyframe,
        score.burst_frames,
        score.medium,
        score.medium_probability,
    )


def _exact(at: Fraction | None) -> tuple[int | None, int | None]:
    """Return numerator and denominator; None each where they do not fit into 64 bits."""
    if at is None or max(abs(at.numerator), at.denominator) > LARGEST:
        return None, None
    return at.numerator, at.denominator


def _turn_values(flat: FlatTurn) -> tuple[Any, ...]:
    return (
        flat.kind,
        None if flat.span is None else float(flat.span.start),
        None if flat.span is None else float(flat.span.end),
        float(flat.unseen),
        list(flat.opened),
        list(flat.opened_shadow),
        flat.record,
    )


def _microseconds(at: float | None) -> int | None:
    return None if at is None else round(at * 1e6)

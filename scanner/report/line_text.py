"""The text of lines: JSON, one object a line, and the exact times of lines that were read again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Any, Final

from scanner.errors import FormatError
from scanner.report.lines import (
    DamagedLine,
    ErrorLine,
    FrameLine,
    GapLine,
    IncidentLine,
    Line,
    OpenIncidentLine,
    SkippedLine,
    SummaryLine,
)

__all__ = ["dumps", "exact", "exact_at", "loads", "read_lines"]

FINEST: Final = 10_000_000
"""The largest denominator that ``exact`` gives a time: the ticks of Matroska and Windows are not
finer."""
SLACK: Final = 1e-9
"""Seconds by which a float may differ from the tick that it was made of."""
_TYPES: Mapping[str, type[Line]] = {
    **{
        line.type: line
        for line in (
            FrameLine,
            DamagedLine,
            GapLine,
            IncidentLine,
            ErrorLine,
            SkippedLine,
            SummaryLine,
        )
    },
    "opened": OpenIncidentLine,
    "extended": OpenIncidentLine,
}
_TUPLES = frozenset({"models", "labels", "flagged", "escalation"})
_ABSENT: Mapping[type[Line], frozenset[str]] = {
    FrameLine: frozenset({"burst", "superseded", "shadow"}),
    OpenIncidentLine: frozenset({"escalation"}),
    IncidentLine: frozenset({"escalation"}),
}
"""Keys of a line that are left out where they are empty."""


def dumps(line: Line) -> str:
    """Return the line as JSON in ASCII, ``type`` first.

    A path may hold any bytes: the line stays one line, sends no command to a terminal, and gives
    the same path again (bytes that are not UTF-8 as lone surrogates, as from ``os.fsdecode``).
    """
    values = {one.name: getattr(line, one.name) for one in fields(line)}
    if optional := _ABSENT.get(type(line)):
        values = {key: value for key, value in values.items() if value or key not in optional}
    return json.dumps({"type": line.type, **values}, allow_nan=False)


def loads(text: str) -> Line:
    """Return the line that ``dumps`` wrote.

    Unknown keys are ignored, so that older readers read newer lines.

    Raises:
        FormatError: not JSON, not an object, an unknown ``type`` or a missing key.
    """
    try:
        raw: Any = json.loads(text)
        cls = _TYPES[raw["type"]]
        known = {f.name for f in fields(cls)}
        values: dict[str, Any] = {
            k: tuple(v) if k in _TUPLES else v for k, v in raw.items() if k in known
        }
        return cls(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"not a line of `scan --json`: {text[:60].strip()}") from error


def read_lines(rows: Iterable[str]) -> Iterator[Line]:
    """Yield the lines of a recorded scan; blank ones are skipped."""
    return (loads(row) for row in rows if row.strip())


def exact_at(line: FrameLine) -> Fraction:
    """Return the frame's exact time, restored from its float and its time base.

    >>> exact_at(FrameLine(path="a", sequence=0, at=1/3, pts=30000, time_base="1/90000", scores={},
    ...     medium={}, models=()))
    Fraction(1, 3)
    """
    tick = Fraction(line.time_base)
    nearest = round(line.at / tick) * tick
    return nearest if abs(float(nearest) - line.at) < SLACK else exact(line.at)


def exact(seconds: float) -> Fraction:
    """Return the fraction that a float most likely stands for, where its time base is not known.

    >>> exact(1/3)
    Fraction(1, 3)
    """
    return Fraction(seconds).limit_denominator(FINEST)

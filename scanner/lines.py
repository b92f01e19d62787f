"""What ``streamwarden scan --json`` says: one object a line, each with its ``type``.

These lines are a public contract: ``replay`` and the report read them, and so do strangers'
programs. Times are seconds of the path's own timeline (a stream's clock), first frame 0 for a
single file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from fractions import Fraction
from typing import Any, ClassVar, Final

from scanner.errors import FormatError
from scanner.types import GapReason

__all__ = [
    "ErrorLine",
    "FrameLine",
    "GapLine",
    "IncidentLine",
    "Line",
    "SummaryLine",
    "dumps",
    "exact",
    "exact_at",
    "loads",
    "read_lines",
]

FINEST: Final = 10_000_000
"""The largest denominator of a second that is looked for behind a float: Matroska's and Windows'
ticks are none finer."""
SLACK: Final = 1e-9
"""Seconds by which a float may miss the tick that it was made of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLine:
    """One sample and its scores."""

    type: ClassVar[str] = "frame"
    path: str
    sequence: int
    at: float
    pts: int
    time_base: str
    """Exact seconds per tick, as ``1/90000``."""
    scores: Mapping[str, float]
    medium: Mapping[str, float]
    """Probability of each medium; empty where no model tells it."""
    models: tuple[str, ...]
    """``name@version`` of every model that scored it."""
    burst: Mapping[str, float] | None = None
    """Of a burst: its ``frames``, their ``rate`` a second and when it ``start``s; ``at`` is its
    last frame's. Absent: it is one frame."""
    superseded: Mapping[str, float] = field(default_factory=dict)
    """Scores of labels that a burst nearby judges in their place; absent where there are none."""
    shadow: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By model, scores of labels for which it is in shadow while another model judges them; absent
    where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapLine:
    """A span that was not seen."""

    type: ClassVar[str] = "gap"
    path: str
    start: float
    end: float
    reason: GapReason


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """An incident as it stood when it closed, or at the end of its path."""

    type: ClassVar[str] = "incident"
    path: str
    id: str
    label: str
    """The leading one."""
    labels: tuple[str, ...]
    category: str
    severity: int
    start: float
    """Where it began; may lie before it was known."""
    opened: float
    """The sample at which it was known."""
    end: float
    peak: float
    """The highest risk (not score) of any of its labels."""
    clip: str | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLine:
    """A path, or one segment of it, that could not be scanned."""

    type: ClassVar[str] = "error"
    path: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryLine:
    """The last line of each path that could be scanned."""

    type: ClassVar[str] = "summary"
    path: str
    duration: float
    frames: int
    medium: Mapping[str, float]
    """Share of the seen time that each medium took."""
    coverage: float
    """Share of the duration that was seen."""
    peak_risk: Mapping[str, float]
    peak_level: Mapping[str, float | None]
    """The highest level (log-odds) of each label; null where too little was seen to know."""
    peak_score: Mapping[str, float]
    flagged: tuple[str, ...]


Line = FrameLine | GapLine | IncidentLine | ErrorLine | SummaryLine
_TYPES: Mapping[str, type[Line]] = {
    c.type: c for c in (FrameLine, GapLine, IncidentLine, ErrorLine, SummaryLine)
}
_TUPLES = frozenset({"models", "labels", "flagged"})
_ABSENT = frozenset({"burst", "superseded", "shadow"})
"""Keys of a frame line that are left out where they have nothing to say."""


def dumps(line: Line) -> str:
    """One line of JSON in ASCII, ``type`` first.

    A path is any bytes: whatever is in it, and whatever the reader's encoding is, the line stays
    whole, drives no terminal, and gives the same path again (bytes that are not UTF-8 as lone
    surrogates, as ``os.fsdecode`` has them).
    """
    said = asdict(line)
    if isinstance(line, FrameLine):
        said = {key: value for key, value in said.items() if value or key not in _ABSENT}
    return json.dumps({"type": line.type, **said}, allow_nan=False)


def loads(text: str) -> Line:
    """The line that ``dumps`` wrote. Unknown keys are ignored, so that older readers read newer
    lines.

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
    except (ValueError, KeyError, TypeError) as why:
        raise FormatError(f"not a line of scan --json: {text[:80]!r} ({why})") from why


def read_lines(rows: Iterable[str]) -> Iterator[Line]:
    """All lines of a recorded scan, blank ones skipped."""
    return (loads(row) for row in rows if row.strip())


def exact_at(line: FrameLine) -> Fraction:
    """The frame's exact time, found again from its float and its time base.

    >>> exact_at(FrameLine(path="a", sequence=0, at=1/3, pts=30000, time_base="1/90000", scores={}, medium={}, models=()))
    Fraction(1, 3)
    """
    tick = Fraction(line.time_base)
    nearest = round(line.at / tick) * tick
    return nearest if abs(float(nearest) - line.at) < SLACK else exact(line.at)


def exact(seconds: float) -> Fraction:
    """The fraction that a line's float most likely stands for, where no time base is told.

    >>> exact(1/3)
    Fraction(1, 3)
    """
    return Fraction(seconds).limit_denominator(FINEST)

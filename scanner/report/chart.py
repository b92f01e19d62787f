"""The geometry of the risk timeline: where each line, span and mark lies.

Pure; the template draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from scanner.report.nouns import Finding, PathReport, PolicyUsed
from scanner.report.text import clock, percent
from scanner.report.thin import Series, series

__all__ = ["Band", "Chart", "Mark", "Row", "chart", "height_of"]

LOWEST = 0.0001
"""The risk at the foot of the chart, and what is missing to 1 at its head; the scale between them
is of log-odds, because risk is."""
GRID = (0.01, 0.1, 0.5, 0.9)
"""Risks at which a line goes across."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
"""Seconds between the marks of the time axis."""
MOST_MARKS = 7
"""Of the time axis: so many stand apart from each other on a narrow screen."""
LINE_WIDTH, LINE_HEIGHT = 1000.0, 100.0
"""The line's own coordinates; it is stretched over the chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place on an axis, in percent of its length, and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of time, in percent of the duration."""

    at: float
    width: float
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One label."""

    label: str
    peak: str
    fitted: bool
    flagged: bool
    line: str
    """SVG path data, ``LINE_WIDTH`` x ``LINE_HEIGHT``."""
    area: str
    opens: Mark | None
    """Where an incident opens; None without a policy."""
    incidents: tuple[Band, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The timeline of one path: labels below each other on one clock."""

    rows: tuple[Row, ...]
    """Those with incidents first, then by their highest risk."""
    unseen: tuple[Band, ...]
    grid: tuple[Mark, ...]
    """Heights in percent from above."""
    clock: tuple[Mark, ...]


def chart(path: PathReport, policies: Sequence[PolicyUsed]) -> Chart | None:
    """The path's timeline; None where there is nothing on it."""
    if not path.timeline or not path.duration > 0:
        return None
    labels = {label for point in path.timeline for label in point.risk}
    by_label = {policy.label: policy for policy in policies}
    rows = [_row(label, path, by_label.get(label)) for label in labels]
    peaks = {label: max(series(path.timeline, label).risk) for label in labels}
    rows.sort(key=lambda row: (not row.incidents, -peaks[row.label], row.label))
    return Chart(
        rows=tuple(rows),
        unseen=tuple(
            _band(float(h.span.start), float(h.span.end), path.duration, f"not seen: {h.reason}")
            for h in path.unseen
        ),
        grid=tuple(Mark(at=height_of(risk), text=percent(risk)) for risk in GRID),
        clock=_clock(path.duration),
    )


def height_of(risk: float) -> float:
    """Percent from above, on a scale of log-odds.

    >>> height_of(0.5), height_of(0.0)
    (50.0, 100.0)
    """
    held = min(max(risk, LOWEST), 1.0 - LOWEST)
    return round(50.0 - 50.0 * log(held / (1.0 - held)) / log((1.0 - LOWEST) / LOWEST), 2)


def _row(label: str, path: PathReport, policy: PolicyUsed | None) -> Row:
    shown = series(path.timeline, label)
    line = _line(shown, path.duration)
    found = [
        (number, finding)
        for number, finding in enumerate(path.incidents, 1)
        if label in finding.labels
    ]
    return Row(
        label=label,
        peak=percent(max(shown.risk)),
        fitted=policy is not None and policy.fitted,
        flagged=bool(found),
        line=line,
        area=f"{line}V{LINE_HEIGHT:g}H{_x(shown.at[0], path.duration):g}Z",
        opens=None
        if policy is None
        else Mark(at=height_of(policy.open_risk), text=f"opens at {percent(policy.open_risk)}"),
        incidents=tuple(_incident(number, finding, path.duration) for number, finding in found),
    )


def _line(shown: Series, duration: float) -> str:
    points = (
        f"{_x(at, duration):g} {height_of(risk):g}"
        for at, risk in zip(shown.at, shown.risk, strict=True)
    )
    return "M" + "L".join(points)


def _x(at: float, duration: float) -> float:
    return round(LINE_WIDTH * min(max(at / duration, 0.0), 1.0), 1)


def _incident(number: int, finding: Finding, duration: float) -> Band:
    title = f"incident {number}: {', '.join(finding.labels)}, {clock(finding.start)} to {clock(finding.end)}"
    return _band(finding.start, finding.end, duration, title, text=str(number))


def _band(start: float, end: float, duration: float, title: str, text: str = "") -> Band:
    left, right = (min(max(100.0 * at / duration, 0.0), 100.0) for at in (start, end))
    return Band(at=round(left, 3), width=round(max(right - left, 0.15), 3), title=title, text=text)


def _clock(duration: float) -> tuple[Mark, ...]:
    step = next((step for step in STEPS if duration / step < MOST_MARKS), STEPS[-1])
    count = int(duration // step)
    return tuple(
        Mark(at=round(100.0 * i * step / duration, 3), text=_minutes(i * step))
        for i in range(count + 1)
    )


def _minutes(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

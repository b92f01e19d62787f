"""The geometry of the risk timeline: where each line, span and mark lies.

The template ``report.html`` draws it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from scanner.report.nouns import IncidentReport, PathReport, PolicyUsed
from scanner.report.text import clock, percent
from scanner.report.timeline import RiskSeries, thin
from scanner.types import Label, Span

__all__ = ["AxisMark", "ChartBand", "ChartRow", "RiskChart", "height_of", "make_chart"]

LOWEST = 0.0001
"""The risk at the foot of the chart, and 1 minus the risk at its head; the scale between them is in
log-odds, because risk is."""
GRID = (0.01, 0.1, 0.5, 0.9)
"""Risks that have a horizontal line."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
"""Seconds between the marks of the time axis."""
MOST_MARKS = 7
"""Most marks of the time axis, so that their texts do not overlap on a narrow screen."""
LINE_WIDTH, LINE_HEIGHT = 1000.0, 100.0
"""Coordinates of a row's line, which is stretched over the chart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisMark:
    """A place on an axis, in percent of its length, and its text."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartBand:
    """A stretch of time, in percent of the duration."""

    at: float
    width: float
    title: str
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    """The risk of one label."""

    label: str
    peak: str
    fitted: bool
    flagged: bool
    line: str
    """SVG path data, ``LINE_WIDTH`` x ``LINE_HEIGHT``."""
    area: str
    opens: AxisMark | None
    """The risk at which an incident opens; None without a policy."""
    incidents: tuple[ChartBand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskChart:
    """The timeline of one path: labels below each other on one clock."""

    rows: tuple[ChartRow, ...]
    """Rows with incidents first, then by their highest risk."""
    unseen: tuple[ChartBand, ...]
    grid: tuple[AxisMark, ...]
    """Heights in percent from above."""
    clock: tuple[AxisMark, ...]


def make_chart(path: PathReport, policies: Sequence[PolicyUsed]) -> RiskChart | None:
    """Return the path's timeline; None where it has no duration or no sample."""
    duration = float(path.summary.duration)
    if not path.timeline or not duration > 0:
        return None
    by_label = {policy.label: policy for policy in policies}
    shown = {label: thin(series) for label, series in path.timeline.items()}
    rows = [
        _row(label, series, path.incidents, by_label.get(label), duration)
        for label, series in shown.items()
    ]
    peaks = {str(label): max(series.risk) for label, series in shown.items()}
    rows.sort(key=lambda row: (not row.incidents, -peaks[row.label], row.label))
    return RiskChart(
        rows=tuple(rows),
        unseen=tuple(
            _band(unseen.span, duration, f"not seen: {unseen.reason}") for unseen in path.unseen
        ),
        grid=tuple(AxisMark(at=height_of(risk), text=percent(risk)) for risk in GRID),
        clock=_clock_marks(duration),
    )


def height_of(risk: float) -> float:
    """Return the height of a risk in percent from above, on a scale of log-odds.

    >>> height_of(0.5), height_of(0.0)
    (50.0, 100.0)
    """
    bounded = min(max(risk, LOWEST), 1.0 - LOWEST)
    return round(50.0 - 50.0 * log(bounded / (1.0 - bounded)) / log((1.0 - LOWEST) / LOWEST), 2)


def _row(
    label: Label,
    series: RiskSeries,
    incidents: Sequence[IncidentReport],
    policy: PolicyUsed | None,
    duration: float,
) -> ChartRow:
    line = _line(series, duration)
    bands = tuple(
        _incident_band(number, found, duration)
        for number, found in enumerate(incidents, 1)
        if label in found.incident.labels
    )
    return ChartRow(
        label=str(label),
        peak=percent(max(series.risk)),
        fitted=policy is not None and policy.fitted,
        flagged=bool(bands),
        line=line,
        area=f"{line}V{LINE_HEIGHT:g}H{_x(series.at[0], duration):g}Z",
        opens=None
        if policy is None
        else AxisMark(at=height_of(policy.open_risk), text=f"opens at {percent(policy.open_risk)}"),
        incidents=bands,
    )


def _line(series: RiskSeries, duration: float) -> str:
    points = (
        f"{_x(at, duration):g} {height_of(risk):g}"
        for at, risk in zip(series.at, series.risk, strict=True)
    )
    return "M" + "L".join(points)


def _x(at: float, duration: float) -> float:
    return round(LINE_WIDTH * min(max(at / duration, 0.0), 1.0), 1)


def _incident_band(number: int, found: IncidentReport, duration: float) -> ChartBand:
    incident = found.incident
    end = incident.opened if incident.end is None else incident.end
    times = f"{clock(float(incident.start))} to {clock(float(end))}"
    title = f"incident {number}: {', '.join(incident.labels)}, {times}"
    return _band(Span(start=incident.start, end=end), duration, title, text=str(number))


def _band(span: Span, duration: float, title: str, text: str = "") -> ChartBand:
    left, right = (
        min(max(100.0 * float(at) / duration, 0.0), 100.0) for at in (span.start, span.end)
    )
    width = round(max(right - left, 0.15), 3)
    return ChartBand(at=round(left, 3), width=width, title=title, text=text)


def _clock_marks(duration: float) -> tuple[AxisMark, ...]:
    step = next((step for step in STEPS if duration / step < MOST_MARKS), STEPS[-1])
    count = int(duration // step)
    return tuple(
        AxisMark(at=round(100.0 * i * step / duration, 3), text=_clock_text(i * step))
        for i in range(count + 1)
    )


def _clock_text(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

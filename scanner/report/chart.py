"""The geometry of the risk timeline: where each line, span and mark lies.

The template ``report.html`` draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from math import ceil, log

from scanner.report.nouns import IncidentReport, PathReport, PolicyUsed
from scanner.report.text import clock, percent
from scanner.report.timeline import RiskSeries, thin
from scanner.types import Label, Span

__all__ = ["AxisMark", "ChartBand", "ChartRow", "RiskChart", "height_of", "make_chart"]

LOWEST = 0.0001
"""The risk at the foot of the chart, and 1 minus the risk at its head; the scale between them is in
log-odds, because risk is."""
GRID = (0.01, 0.5, 0.99)
"""Risks that have a horizontal line with its value, far enough apart for their texts."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
"""Seconds between the marks of the time axis; whole days beyond."""
DAY = 86_400
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
    shadow: bool = False
    """True for an incident in shadow and what follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    """The risk of one label."""

    label: str
    peak: str
    """The highest risk of the whole path."""
    fitted: bool
    line: str
    """SVG path data, ``LINE_WIDTH`` x ``LINE_HEIGHT``; interrupted where the level is unknown."""
    area: str
    opens: AxisMark | None
    """The risk at which an incident opens; None without a policy."""
    incidents: tuple[ChartBand, ...]
    tails: tuple[ChartBand, ...]
    """After each incident, the time in which the method's window still reaches back to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskChart:
    """The timeline of one path: labels below each other on one clock."""

    rows: tuple[ChartRow, ...]
    """Rows with incidents first, then by their highest risk."""
    unknown: tuple[str, ...]
    """Labels without a row: their level was never known, and they have no incident."""
    unseen: tuple[ChartBand, ...]
    grid: tuple[AxisMark, ...]
    """Heights in percent from above."""
    clock: tuple[AxisMark, ...]


def make_chart(
    path: PathReport, policies: Sequence[PolicyUsed], *, clock_start: float = 0.0
) -> RiskChart | None:
    """Return the path's timeline; None where it has no duration or no sample.

    ``clock_start`` is what the clock shows at its left edge, for a part of a stream.
    """
    duration = float(path.summary.duration)
    if not path.timeline or not duration > 0:
        return None
    by_label = {policy.label: policy for policy in policies}
    found = {label for one in path.incidents for label in one.incident.labels}
    shown = {
        label: thin(series)
        for label, series in path.timeline.items()
        if label in found or any(level is not None for level in series.level)
    }
    rows = [
        _row(label, series, path, by_label.get(label), clock_start)
        for label, series in shown.items()
    ]
    peaks = {str(label): _peak_risk(label, series, path) for label, series in shown.items()}
    rows.sort(key=lambda row: (not row.incidents, -peaks[row.label], row.label))
    return RiskChart(
        rows=tuple(rows),
        unknown=tuple(str(label) for label in path.timeline if label not in shown),
        unseen=tuple(
            _band(unseen.span, duration, f"not seen: {unseen.reason}") for unseen in path.unseen
        ),
        grid=tuple(AxisMark(at=height_of(risk), text=percent(risk)) for risk in GRID),
        clock=_clock_marks(duration, clock_start),
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
    path: PathReport,
    policy: PolicyUsed | None,
    clock_start: float,
) -> ChartRow:
    duration = float(path.summary.duration)
    found = [
        (number, one)
        for number, one in enumerate(path.incidents, 1)
        if label in one.incident.labels
    ]
    pieces = [_points(piece, duration) for piece in _known_pieces(series)]
    return ChartRow(
        label=str(label),
        peak=percent(_peak_risk(label, series, path)),
        fitted=policy is not None and policy.fitted,
        line="".join(f"M{'L'.join(f'{x:g} {y:g}' for x, y in piece)}h0" for piece in pieces),
        area="".join(_area(piece) for piece in pieces),
        opens=None
        if policy is None
        else AxisMark(
            at=height_of(policy.open_risk), text=f"opens at risk {percent(policy.open_risk)}"
        ),
        incidents=tuple(
            _incident_band(number, one, duration, clock_start) for number, one in found
        ),
        tails=tuple(_tails((one for _, one in found), policy, duration, clock_start)),
    )


def _peak_risk(label: Label, series: RiskSeries, path: PathReport) -> float:
    """Return the label's highest risk as everything else in a report states it: that of the
    summary, which has what the end of a short stream adds."""
    return path.summary.peak_risk.get(label, max(series.risk))


def _known_pieces(series: RiskSeries) -> Iterator[list[tuple[float, float]]]:
    """Yield the (time, risk) of each run of samples whose level is known."""
    points = zip(series.at, series.risk, series.level, strict=True)
    for is_known, run in groupby(points, key=lambda point: point[2] is not None):
        if is_known:
            yield [(at, risk) for at, risk, _ in run]


def _points(piece: Sequence[tuple[float, float]], duration: float) -> list[tuple[float, float]]:
    return [(_x(at, duration), height_of(risk)) for at, risk in piece]


def _area(points: Sequence[tuple[float, float]]) -> str:
    line = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f"M{line}V{LINE_HEIGHT:g}H{points[0][0]:g}Z"


def _tails(
    found: Iterable[IncidentReport],
    policy: PolicyUsed | None,
    duration: float,
    clock_start: float,
) -> Iterator[ChartBand]:
    """Yield the time after each incident in which the window of dwell still holds its samples."""
    if policy is None or policy.method != "dwell":
        return
    for one in found:
        end = _end_of(one)
        until = min(end + Fraction(policy.window), Fraction(duration))
        if until > end:
            falls = clock(clock_start + float(until))
            title = f"the risk looks back {policy.window:g} s, so it falls by {falls}"
            band = _band(Span(start=end, end=until), duration, title)
            yield replace(band, shadow=one.incident.shadow)


def _x(at: float, duration: float) -> float:
    return round(LINE_WIDTH * min(max(at / duration, 0.0), 1.0), 1)


def _incident_band(
    number: int, found: IncidentReport, duration: float, clock_start: float
) -> ChartBand:
    incident, end = found.incident, _end_of(found)
    start, until = (clock(clock_start + float(at)) for at in (incident.start, end))
    times = f"{start} to {until}"
    title = f"incident {number}: {', '.join(incident.labels)}, {times}"
    if incident.shadow:
        title += ", in shadow"
    band = _band(Span(start=incident.start, end=end), duration, title)
    return replace(band, text=str(number), shadow=incident.shadow)


def _end_of(found: IncidentReport) -> Fraction:
    incident = found.incident
    return incident.opened if incident.end is None else incident.end


def _band(span: Span, duration: float, title: str) -> ChartBand:
    left, right = (
        min(max(100.0 * float(at) / duration, 0.0), 100.0) for at in (span.start, span.end)
    )
    width = round(max(right - left, 0.15), 3)
    return ChartBand(at=round(left, 3), width=width, title=title)


def _clock_marks(duration: float, start: float) -> tuple[AxisMark, ...]:
    days = ceil(duration / MOST_MARKS / DAY) * DAY
    step = next((step for step in STEPS if duration / step < MOST_MARKS), days)
    first, last = ceil(start / step), int((start + duration) // step)
    return tuple(
        AxisMark(at=round(100.0 * (i * step - start) / duration, 3), text=_clock_text(i * step))
        for i in range(first, last + 1)
    )


def _clock_text(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"

"""What streams say, as sections of the evaluation's page: tables, and curves of every method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis, percents
from scanner.evaluate.charts.lines import Line, Mark, line_chart
from scanner.evaluate.page import Section, environment
from scanner.evaluate.streams.fit import Curve
from scanner.evaluate.streams.outcome import LAST, Summary
from scanner.evaluate.streams.rate import Rate
from scanner.evaluate.streams.result import Compared, LabelResult, StreamsResult

__all__ = ["sections"]

LEAST_SHARE = 0.001
"""Of photographs, at the left end of a chart; what is less lies there too."""
MOST_RATE = 1000.0
ABOUT = "Each line is a method at every threshold, all groups together; the mark is the threshold that was fitted."
MISSED = Axis(title="events missed", low=0.0, high=1.0, write=percents)


def sections(result: StreamsResult) -> list[Section]:
    """One for the footage and the policies in force, and one for each label."""
    overview = environment().get_template("streams.html").render(result=result, rate=_rate)
    about = Section(title="Streams", body=Markup(overview))
    return [about, *(_section(label) for label in result.labels)]


def _section(label: LabelResult) -> Section:
    charts = list(_charts(label))
    body = (
        environment()
        .get_template("streams_label.html")
        .render(label=label, charts=charts, rate=_rate, missed=_missed, delay=_delay)
    )
    return Section(title=f"Streams: {label.label}", body=Markup(body))


def _charts(label: LabelResult) -> Iterator[Markup]:
    curves = [
        (one.name, one.curve, one.fitted.threshold)
        for one in label.compared
        if one.curve is not None
    ]
    hours = label.in_force.summary.false["all"].hours
    rates = Axis(
        title="false incidents an hour; left end: none was seen",
        low=0.5 / hours if hours > 0 else 1.0,
        high=MOST_RATE,
        log=True,
    )
    lines = [
        _against(name, curve, curve.false, threshold, rates) for name, curve, threshold in curves
    ]
    yield line_chart(f"{label.label}: missed against false incidents", ABOUT, rates, MISSED, lines)
    if label.in_force.summary.photographs[1]:
        shares = Axis(
            title="harmless held photographs that open an incident",
            low=LEAST_SHARE,
            high=1.0,
            log=True,
            write=percents,
        )
        lines = [
            _against(name, curve, curve.pictures, threshold, shares)
            for name, curve, threshold in curves
        ]
        yield line_chart(f"{label.label}: missed against photographs", ABOUT, shares, MISSED, lines)
    seconds = Axis(title="seconds from onset to flag", low=0.0, high=float(LAST))
    flagged = Axis(title="events flagged", low=0.0, high=1.0, write=percents)
    held_out = "Share of all events that were flagged within so many seconds, groups that had no part in the fit."
    yield line_chart(
        f"{label.label}: delay",
        held_out,
        seconds,
        flagged,
        [_delays(one) for one in label.compared],
    )


def _against(
    name: str, curve: Curve, counted: Sequence[float], threshold: float, axis: Axis
) -> Line:
    """Missed events over what was counted at each threshold, from the highest to the lowest; the
    fitted one is marked."""
    x = tuple(max(value, axis.low) for value in reversed(counted))
    y = tuple(reversed(curve.missed))
    at = len(x) - 1 - min(range(len(x)), key=lambda index: abs(curve.thresholds[index] - threshold))
    return Line(name=name, x=x, y=y, marks=(Mark(x=x[at], y=y[at], text=f"{threshold:g}"),))


def _delays(one: Compared) -> Line:
    return Line(
        name=one.name,
        x=tuple(float(second) for second in range(LAST + 1)),
        y=one.summary.flagged,
        step=True,
    )


def _rate(rate: Rate) -> str:
    """What was seen and what is known.

    >>> _rate(Rate(count=0, hours=0.5))
    '0 in 0.50 h, < 6.0 / h'
    """
    return f"{rate.count} in {rate.hours:.2f} h, " + (
        f"< {rate.upper:.1f} / h" if isfinite(rate.upper) else "not bounded"
    )


def _missed(summary: Summary, leads: Sequence[str]) -> str:
    """Missed events after these leads, of how many."""
    parts = [summary.parts[f"after {lead}"] for lead in leads if f"after {lead}" in summary.parts]
    return (
        f"{sum(part.missed for part in parts)} of {sum(part.events for part in parts)}"
        if parts
        else "–"
    )


def _delay(summary: Summary) -> str:
    """Median with its interval, and how long the slowest take."""
    if not isfinite(summary.median.value):
        return "–"
    interval = (
        f" [{summary.median.low:.1f}, {summary.median.high:.1f}]"
        if isfinite(summary.median.low)
        else ""
    )
    return f"{summary.median.value:.1f}{interval}, {summary.p90:.1f}, {summary.p99:.1f} s"

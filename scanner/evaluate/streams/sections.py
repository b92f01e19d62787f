"""Sections of the evaluation's page for streams: tables, and curves of every method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis, percents
from scanner.evaluate.charts.lines import ChartLine, PointMark, line_chart
from scanner.evaluate.page import PageSection, environment
from scanner.evaluate.streams.fit import ThresholdCurve
from scanner.evaluate.streams.outcome import MAX_DELAY, OutcomeSummary
from scanner.evaluate.streams.rate import Rate
from scanner.evaluate.streams.result import LabelResult, MethodResult, StreamsResult

__all__ = ["build_sections"]

MIN_SHARE = 0.001
"""Share of photographs at the left end of a chart; smaller shares are drawn there."""
MAX_RATE = 1000.0
CURVE_NOTE = (
    "Each line is a method at every threshold, all groups together;"
    " the mark is the threshold that was fitted."
)
DELAY_NOTE = (
    "Share of all events that were flagged within the given seconds,"
    " groups that had no part in the fit."
)
MISSED_AXIS = Axis(title="events missed", low=0.0, high=1.0, write=percents)


def build_sections(result: StreamsResult) -> list[PageSection]:
    """Return one section for the footage and the policies in force, and one for each label."""
    overview = environment().get_template("streams.html").render(result=result, rate=_format_rate)
    about = PageSection(title="Streams", body=Markup(overview))
    return [about, *(_label_section(label) for label in result.labels)]


def _label_section(label: LabelResult) -> PageSection:
    charts = list(_label_charts(label))
    body = (
        environment()
        .get_template("streams_label.html")
        .render(
            label=label,
            charts=charts,
            rate=_format_rate,
            missed=_format_missed,
            delay=_format_delay,
        )
    )
    return PageSection(title=f"Streams: {label.label}", body=Markup(body))


def _label_charts(label: LabelResult) -> Iterator[Markup]:
    yield _incident_chart(label)
    if label.in_force.summary.photographs[1]:
        yield _photograph_chart(label)
    seconds = Axis(title="seconds from onset to flag", low=0.0, high=float(MAX_DELAY))
    flagged = Axis(title="events flagged", low=0.0, high=1.0, write=percents)
    lines = [_delay_line(one) for one in label.compared]
    yield line_chart(f"{label.label}: delay", DELAY_NOTE, seconds, flagged, lines)


def _incident_chart(label: LabelResult) -> Markup:
    hours = label.in_force.summary.false["all"].hours
    rates = Axis(
        title="false incidents an hour; left end: none was seen",
        low=0.5 / hours if hours > 0 else 1.0,
        high=MAX_RATE,
        log=True,
    )
    lines = [
        _missed_against(one.name, one.curve, one.curve.false, one.fitted.threshold, rates)
        for one in label.compared
        if one.curve is not None
    ]
    title = f"{label.label}: missed against false incidents"
    return line_chart(title, CURVE_NOTE, rates, MISSED_AXIS, lines)


def _photograph_chart(label: LabelResult) -> Markup:
    shares = Axis(
        title="harmless held photographs that open an incident",
        low=MIN_SHARE,
        high=1.0,
        log=True,
        write=percents,
    )
    lines = [
        _missed_against(one.name, one.curve, one.curve.pictures, one.fitted.threshold, shares)
        for one in label.compared
        if one.curve is not None
    ]
    title = f"{label.label}: missed against photographs"
    return line_chart(title, CURVE_NOTE, shares, MISSED_AXIS, lines)


def _missed_against(
    name: str, curve: ThresholdCurve, counted: Sequence[float], threshold: float, axis: Axis
) -> ChartLine:
    """Return a line of missed events over ``counted`` at each threshold, from the highest to the
    lowest, with a mark at the fitted one."""
    x = tuple(max(value, axis.low) for value in reversed(counted))
    y = tuple(reversed(curve.missed))
    at = len(x) - 1 - min(range(len(x)), key=lambda index: abs(curve.thresholds[index] - threshold))
    return ChartLine(
        name=name, x=x, y=y, marks=(PointMark(x=x[at], y=y[at], text=f"{threshold:g}"),)
    )


def _delay_line(one: MethodResult) -> ChartLine:
    return ChartLine(
        name=one.name,
        x=tuple(float(second) for second in range(MAX_DELAY + 1)),
        y=one.summary.flagged,
        step=True,
    )


def _format_rate(rate: Rate) -> str:
    """Return a rate as count, hours and upper bound.

    >>> _format_rate(Rate(count=0, hours=0.5))
    '0 in 0.50 h, < 6.0 / h'
    """
    return f"{rate.count} in {rate.hours:.2f} h, " + (
        f"< {rate.upper:.1f} / h" if isfinite(rate.upper) else "not bounded"
    )


def _format_missed(summary: OutcomeSummary, leads: Sequence[str]) -> str:
    """Return the number of missed events after these lead-ins, and their total."""
    parts = [summary.parts[f"after {lead}"] for lead in leads if f"after {lead}" in summary.parts]
    return (
        f"{sum(part.missed for part in parts)} of {sum(part.events for part in parts)}"
        if parts
        else "–"
    )


def _format_delay(summary: OutcomeSummary) -> str:
    """Return the median delay with its interval, and the 90th and 99th percentiles."""
    if not isfinite(summary.median.value):
        return "–"
    interval = (
        f" [{summary.median.low:.1f}, {summary.median.high:.1f}]"
        if isfinite(summary.median.low)
        else ""
    )
    return f"{summary.median.value:.1f}{interval}, {summary.p90:.1f}, {summary.p99:.1f} s"

"""The risk of a part of a stream as the item page draws it: the chart of reports, on the clock of
the stream, with the kinds of picture below it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from scanner.report.chart import ChartBand, RiskChart, make_chart
from scanner.report.collect import policy_used
from scanner.report.nouns import IncidentReport, PathReport
from scanner.report.timeline import RiskRecorder, RiskSeries
from scanner.risk.incident import Closed, Extended, Incident, Opened
from scanner.risk.policy import Policies
from scanner.settings.policies import policies_of_rows
from scanner.store.stream_window import StreamWindow
from scanner.stream.events import GapFound, SegmentScored, StreamEvent, StreamSummary
from scanner.types import Label, Span, Unseen

__all__ = ["RiskView", "make_risk_view", "restrict_window"]

MARGIN: Final = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskView:
    """A part of a stream, ready to be drawn."""

    start: float
    """Stream seconds at the left edge."""
    end: float
    chart: RiskChart
    media: tuple[ChartBand, ...]
    """Which kind of picture it is, over time."""
    series: dict[str, RiskSeries]
    """The risk by label, in seconds from ``start``."""

    def risk_at(self, label: str, at: float) -> float | None:
        """Return the latest risk of a label at a stream second; None before the first."""
        series = self.series.get(label)
        if series is None:
            return None
        known = [
            risk
            for when, risk in zip(series.at, series.risk, strict=True)
            if when <= at - self.start + MARGIN
        ]
        return known[-1] if known else None


def restrict_window(window: StreamWindow, hidden: Collection[str]) -> StreamWindow:
    """Return a part of a stream without the labels and incidents of hidden categories."""
    policies = {
        label: values
        for label, values in window.policies.items()
        if values.get("category") not in hidden
    }
    events = tuple(
        event
        for event in window.events
        if not (isinstance(event, Opened | Extended | Closed) and event.incident.category in hidden)
    )
    return replace(window, policies=policies, events=events)


def make_risk_view(window: StreamWindow) -> RiskView | None:
    """Return what is to be drawn of a part of a stream; None without policies or samples."""
    policies = policies_of_rows(window.policies)
    length = Fraction(window.end) - Fraction(window.start)
    if not policies.labels or length <= 0:
        return None
    timeline = _record(window, policies)
    peaks = {label: max(one.risk) for label, one in timeline.items()}
    path = PathReport(
        path="",
        summary=_summary(length, peaks),
        unseen=tuple(_unseen(window)),
        incidents=tuple(_incidents(window)),
        timeline=timeline,
    )
    used = [policy_used(label, policies.labels[label]) for label in policies.by_severity()]
    chart = make_chart(path, used, clock_start=window.start)
    if chart is None:
        return None
    rows = tuple(replace(row, label=row.label.replace("_", " ")) for row in chart.rows)
    return RiskView(
        start=window.start,
        end=window.end,
        chart=replace(chart, rows=rows),
        media=tuple(_media_bands(window)),
        series={str(label): one for label, one in timeline.items()},
    )


def _record(window: StreamWindow, policies: Policies) -> dict[Label, RiskSeries]:
    recorder, start, end = RiskRecorder(), Fraction(window.start), Fraction(window.end)
    for event in window.events:
        if isinstance(event, SegmentScored):
            for at, risk in event.samples:
                if start <= at <= end:
                    recorder.add(at - start, risk.risks(policies), risk.levels)
    return recorder.series()


def _summary(length: Fraction, peaks: dict[Label, float]) -> StreamSummary:
    return StreamSummary(
        duration=length,
        frames=1,
        coverage=1.0,
        medium={},
        peak_risk=peaks,
        peak_level={},
        peak_score={},
        flagged=(),
    )


def _unseen(window: StreamWindow) -> Iterator[Unseen]:
    for event in window.events:
        if isinstance(event, GapFound):
            span = _clipped(event.span, window)
            if span is not None:
                yield Unseen(span=span, reason=event.reason)


def _incidents(window: StreamWindow) -> Iterator[IncidentReport]:
    for incident in _latest_revisions(window.events):
        end = Fraction(window.end) if incident.end is None else incident.end
        span = _clipped(Span(start=incident.start, end=end), window)
        if span is None:
            continue
        opened = min(max(span.start, incident.opened - Fraction(window.start)), span.end)
        shifted = replace(incident, start=span.start, opened=opened, end=span.end)
        yield IncidentReport(incident=shifted)


def _latest_revisions(events: Iterable[StreamEvent]) -> Sequence[Incident]:
    latest: dict[str, Incident] = {}
    for event in events:
        if isinstance(event, Opened | Extended | Closed):
            latest[event.incident.id] = event.incident
    return tuple(latest.values())


def _clipped(span: Span, window: StreamWindow) -> Span | None:
    """Return the part of a span within the window, in seconds from its start."""
    start, end = Fraction(window.start), Fraction(window.end)
    first, last = max(span.start, start), min(span.end, end)
    return Span(start=first - start, end=last - start) if first < last else None


def _media_bands(window: StreamWindow) -> Iterator[ChartBand]:
    """Yield runs of segments that show the same kind of picture."""
    length = window.end - window.start
    runs: list[tuple[str, float, float]] = []
    for event in window.events:
        span = _clipped(event.span, window) if isinstance(event, SegmentScored) else None
        if span is None or not isinstance(event, SegmentScored):
            continue
        name, start, end = _medium_of(event), float(span.start), float(span.end)
        if runs and runs[-1][0] == name and start - runs[-1][2] < 0.1:
            runs[-1] = (name, runs[-1][1], end)
        else:
            runs.append((name, start, end))
    for name, start, end in runs:
        yield ChartBand(
            at=round(100 * start / length, 3),
            width=round(100 * (end - start) / length, 3),
            title=f"kind of picture: {name}",
            text=name,
        )


def _medium_of(event: SegmentScored) -> str:
    """Return the most probable kind of picture of a segment."""
    sums: dict[str, float] = {}
    for frame in event.segment.frames:
        for medium, share in frame.medium.items():
            sums[medium.value] = sums.get(medium.value, 0.0) + share
    return max(sums, key=lambda name: sums[name], default="unknown")

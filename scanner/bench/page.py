"""A report of ``streamwarden bench`` as one static page with charts, without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scanner.bench.document import BenchReport
from scanner.bench.measure import BenchResult
from scanner.bench.tables import BenchTable, describe_capacity, describe_input, make_tables
from scanner.evaluate.charts.axis import Axis
from scanner.evaluate.charts.bars import Bar, bar_chart
from scanner.evaluate.charts.lines import ChartLine, line_chart
from scanner.report.html import content_policy, page_environment, read_asset

__all__ = ["to_bench_page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _BenchSection:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: str
    charts: tuple[Markup, ...]


def to_bench_page(report: BenchReport) -> str:
    """Render the page; its own style sheet is the only one that its policy allows."""
    style = read_asset("scanner.evaluate", "evaluation.css")
    return (
        page_environment("scanner.bench", {})
        .get_template("bench.html")
        .render(
            report=report,
            capacity=describe_capacity(report.results, report.machine.cores),
            video="" if report.video is None else describe_input(report.video),
            sections=[_section(table) for table in make_tables(report.results)],
            style=Markup(style),
            security=content_policy(style=style),
        )
    )


def _section(table: BenchTable) -> _BenchSection:
    return _BenchSection(
        title=f"{table.title}: medians of {table.repeats}",
        columns=table.columns,
        rows=table.rows,
        legend=table.legend,
        charts=tuple(_charts(table.results)),
    )


def _charts(results: Sequence[BenchResult]) -> Iterator[Markup]:
    yield _cost_chart(results)
    if ratios := [(result.name, ratio) for result in results for ratio in result.ratios]:
        bars = [
            Bar(name=f"{name} / {ratio.over}", value=ratio.median, low=ratio.low, high=ratio.high)
            for name, ratio in ratios
        ]
        top = 1.1 * max(2.0, *(ratio.high for _, ratio in ratios))
        axis = Axis(title="processor time over that of the other way", low=0.0, high=top)
        yield bar_chart(
            "Beside others", "Ratios to other ways to do the same work", axis, bars, reference=1.0
        )
    yield from _growth_charts(results)


def _cost_chart(results: Sequence[BenchResult]) -> Markup:
    bars = [
        Bar(
            name=result.name,
            value=result.cpu_ms.median,
            low=result.cpu_ms.least,
            high=result.cpu_ms.most,
        )
        for result in results
    ]
    top = 1.1 * max(result.cpu_ms.most for result in results) or 1.0
    axis = Axis(title=f"CPU ms a {results[0].unit}", low=0.0, high=top)
    return bar_chart("Processor time", "Processor time of each result", axis, bars)


def _growth_charts(results: Sequence[BenchResult]) -> Iterator[Markup]:
    """Yield a curve for each quantity that was varied: streams, or the step of sampling."""
    for key, title in (("streams", "streams"), ("every", "seconds between samples")):
        points = sorted(
            (float(result.facts[key]), result.streams_per_core.median)
            for result in results
            if result.facts.get("growth") == key and result.streams_per_core is not None
        )
        if len(points) < 2:
            continue
        xs, ys = zip(*points, strict=True)
        yield line_chart(
            f"Growth with {title}",
            f"Streams a core by {title}",
            Axis(title=title, low=min(xs), high=max(xs), log=True),
            Axis(title="streams a core", low=0.0, high=1.1 * max(ys)),
            [ChartLine(name="streams a core", x=xs, y=ys)],
        )

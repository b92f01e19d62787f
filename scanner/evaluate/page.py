"""An evaluation as one self-contained static page without scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite

from jinja2 import Environment
from markupsafe import Markup

from scanner.evaluate.evaluation import Evaluation
from scanner.evaluate.figures import (
    draw_change_chart,
    draw_reliability_charts,
    draw_roc_charts,
    format_signed,
    group_by_task,
)
from scanner.evaluate.measures import Interval
from scanner.evaluate.robustness import RATE, Robustness
from scanner.evaluate.slices import DARK, FEW, SMALL
from scanner.report.html import content_policy, page_environment, read_asset
from scanner.report.text import percent

__all__ = ["PageSection", "environment", "to_page"]

PACKAGE = "scanner.evaluate"
UNKNOWN = "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSection:
    """A section of the page that another module measured."""

    title: str
    body: Markup
    """Escaped HTML without scripts, styles or addresses, such as charts of
    ``scanner.evaluate.charts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _RobustnessTable:
    """The robustness rows of one comparison."""

    name: str
    rows: tuple[Robustness, ...]
    charts: tuple[Markup, ...]


def to_page(evaluation: Evaluation, sections: Sequence[PageSection] = ()) -> str:
    """Render the page; ``sections`` follow the figures of single rows.

    Its own style sheet is the only one that the content security policy allows.
    """
    style = read_asset(PACKAGE, "evaluation.css")
    return (
        environment()
        .get_template("evaluation.html")
        .render(
            evaluation=evaluation,
            subject=evaluation.subject,
            sections=sections,
            rocs=tuple(draw_roc_charts(evaluation.curves)),
            diagrams=tuple(draw_reliability_charts(evaluation.reliability)),
            changed=_robustness_tables(evaluation.robustness),
            slices=group_by_task(evaluation.slices),
            recall_rate=RATE,
            dark=DARK,
            small=SMALL,
            few=FEW,
            style=Markup(style),
            security=content_policy(style=style),
        )
    )


def environment() -> Environment:
    """Return the template environment of this package, with its filters."""
    filters: dict[str, Callable[..., str]] = {
        "share": _share,
        "figure": _figure,
        "interval": _interval,
        "change": _change,
        "shares": _shares,
    }
    return page_environment(PACKAGE, filters)


def _robustness_tables(rows: Sequence[Robustness]) -> tuple[_RobustnessTable, ...]:
    build_comparisons: dict[str, list[Robustness]] = {}
    for row in rows:
        build_comparisons.setdefault(f"{row.task}: {row.label} against {row.against}", []).append(
            row
        )
    return tuple(
        _RobustnessTable(name=name, rows=tuple(own), charts=_charts(name, own))
        for name, own in build_comparisons.items()
    )


def _charts(name: str, rows: Sequence[Robustness]) -> tuple[Markup, ...]:
    recall = f"recall at {percent(RATE)} false positives"
    return (
        draw_change_chart(rows, lambda row: row.auc_difference, f"{name}: AUC"),
        draw_change_chart(rows, lambda row: row.recall_difference, f"{name}: {recall}"),
    )


def _figure(value: float) -> str:
    """Return a measure between 0 and 1, or a dash if it is unknown."""
    return f"{value:.3f}" if isfinite(value) else UNKNOWN


def _share(value: float) -> str:
    return percent(value) if isfinite(value) else UNKNOWN


def _interval(interval: Interval) -> str:
    """Return a measure with its interval."""
    if not isfinite(interval.low):
        return _figure(interval.value)
    return f"{interval.value:.3f} [{interval.low:.2f}, {interval.high:.2f}]"


def _shares(interval: Interval) -> str:
    """Return a share with its interval."""
    if not isfinite(interval.low):
        return _share(interval.value)
    return f"{_share(interval.value)} [{percent(interval.low)}, {percent(interval.high)}]"


def _change(interval: Interval) -> str:
    """Return a difference with its interval."""
    if not isfinite(interval.value):
        return UNKNOWN
    value = format_signed(round(interval.value, 3))
    if not isfinite(interval.low):
        return value
    low, high = (format_signed(round(end, 2)) for end in (interval.low, interval.high))
    return f"{value} [{low}, {high}]"

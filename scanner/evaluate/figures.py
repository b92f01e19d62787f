"""Charts of an evaluation, each with a text description."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Final, Protocol, TypeVar

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis, percents, plain_number
from scanner.evaluate.charts.bars import Bar, bar_chart
from scanner.evaluate.charts.lines import ChartLine, line_chart
from scanner.evaluate.charts.reliability import reliability_diagram
from scanner.evaluate.curves import RocCurve
from scanner.evaluate.measures import Interval
from scanner.evaluate.reliability import Reliability
from scanner.evaluate.robustness import Robustness

__all__ = [
    "draw_change_chart",
    "draw_reliability_charts",
    "draw_roc_charts",
    "format_signed",
    "group_by_task",
]

MIN_RATE: Final = 0.001
"""Share of false positives at the left end of a ROC curve."""
FALSE_POSITIVE_AXIS: Final = Axis(
    title="false positives, share of negatives", low=MIN_RATE, high=1.0, log=True, write=percents
)
RECALL_AXIS: Final = Axis(title="found, share of positives", low=0.0, high=1.0, write=percents)


class _OfTask(Protocol):
    @property
    def task(self) -> str: ...


T = TypeVar("T", bound=_OfTask)


def group_by_task(rows: Sequence[T]) -> dict[str, list[T]]:
    """Group the rows by task, in the order of first appearance."""
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row.task, []).append(row)
    return found


def draw_roc_charts(curves: Sequence[RocCurve]) -> Iterator[Markup]:
    """Yield one chart for each task, with a line for each kind of negatives."""
    for task, own in group_by_task(curves).items():
        lines = [
            ChartLine(
                name=_line_name(curve, own[0].label),
                x=curve.false_positives,
                y=curve.recalls,
                step=True,
            )
            for curve in own
        ]
        title = f"{task}: {own[0].label}"
        summary = "; ".join(
            f"against {curve.against}, {_recall_at(curve, 0.02):.0%} found at 2 % false positives"
            for curve in own
        )
        yield line_chart(
            title,
            f"ROC curves, false positives on a logarithmic scale: {summary}.",
            FALSE_POSITIVE_AXIS,
            RECALL_AXIS,
            lines,
        )


def draw_reliability_charts(reliability: Sequence[Reliability]) -> Iterator[Markup]:
    """Yield one diagram for each label."""
    for one in reliability:
        summary = (
            f"Calibration error {one.calibration_error.value:.3f};"
            f" {one.positives} rows with the label, {one.negatives} without."
        )
        yield reliability_diagram(one.label, summary, one.bins)


def draw_change_chart(
    rows: Sequence[Robustness], figure: Callable[[Robustness], Interval], title: str
) -> Markup:
    """Draw what each perturbation changes, as bars from zero; ``rows`` belong to one comparison,
    and its unperturbed row is left out."""
    changed = [row for row in rows if row.change]
    values = [
        value
        for row in changed
        for one in [figure(row)]
        for value in (one.value, one.low, one.high)
        if isfinite(value)
    ]
    reach = max(0.1, *(abs(value) for value in values)) if values else 0.1
    axis = Axis(title="changed less unchanged", low=-reach, high=reach, write=format_signed)
    bars = [
        Bar(name=row.change, value=one.value, low=one.low, high=one.high)
        for row in changed
        for one in [figure(row)]
    ]
    summary = ""
    if changed:
        worst = min(changed, key=lambda row: figure(row).value)
        loss = format_signed(round(figure(worst).value, 3))
        summary = f" The largest loss is of {worst.change}: {loss}."
    return bar_chart(
        title,
        f"What each change to the input makes of it, with 95 % intervals.{summary}",
        axis,
        bars,
        base=0.0,
    )


def format_signed(value: float) -> str:
    """Return a difference with its sign.

    >>> format_signed(0.05), format_signed(-0.1), format_signed(0.0)
    ('+0.05', '−0.1', '0')
    """
    if value == 0:
        return "0"
    return f"{'+' if value > 0 else '−'}{plain_number(abs(value))}"


def _line_name(curve: RocCurve, usual: str) -> str:
    """Name a line by its negatives, and by its label if that is not the chart's."""
    name = f"against {curve.against} ({curve.negatives} rows)"
    return name if curve.label == usual else f"{curve.label} {name}"


def _recall_at(curve: RocCurve, rate: float) -> float:
    return max(
        (
            recall
            for false, recall in zip(curve.false_positives, curve.recalls, strict=True)
            if false <= rate
        ),
        default=0.0,
    )

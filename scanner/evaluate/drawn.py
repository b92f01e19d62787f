"""An evaluation's figures as charts, each with a description that says what is to be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Final, Protocol, TypeVar

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis, percents, plain_number
from scanner.evaluate.charts.bars import Bar, bar_chart
from scanner.evaluate.charts.lines import Line, line_chart
from scanner.evaluate.charts.reliability import reliability_diagram
from scanner.evaluate.curves import Curve
from scanner.evaluate.measures import Interval
from scanner.evaluate.reliability import Reliability
from scanner.evaluate.robustness import Robustness

__all__ = ["by_task", "change_chart", "reliability_charts", "roc_charts", "signed"]

LOWEST: Final = 0.001
"""Share of false positives at the left end of a ROC curve."""
FALSE: Final = Axis(
    title="false positives, share of negatives", low=LOWEST, high=1.0, log=True, write=percents
)
FOUND: Final = Axis(title="found, share of positives", low=0.0, high=1.0, write=percents)


class _OfTask(Protocol):
    @property
    def task(self) -> str: ...


T = TypeVar("T", bound=_OfTask)


def by_task(rows: Sequence[T]) -> dict[str, list[T]]:
    """The rows of each task, tasks in the order in which they are first met."""
    found: dict[str, list[T]] = {}
    for row in rows:
        found.setdefault(row.task, []).append(row)
    return found


def roc_charts(curves: Sequence[Curve]) -> Iterator[Markup]:
    """One for each task, with a line for each kind of negatives."""
    for task, own in by_task(curves).items():
        lines = [
            Line(
                name=_named(curve, own[0].label),
                x=curve.false_positives,
                y=curve.recalls,
                step=True,
            )
            for curve in own
        ]
        title = f"{task}: {own[0].label}"
        told = "; ".join(
            f"against {curve.against}, {_found_at(curve, 0.02):.0%} found at 2 % false positives"
            for curve in own
        )
        yield line_chart(
            title,
            f"ROC curves, false positives on a logarithmic scale: {told}.",
            FALSE,
            FOUND,
            lines,
        )


def reliability_charts(reliability: Sequence[Reliability]) -> Iterator[Markup]:
    """One for each label."""
    for one in reliability:
        told = f"Calibration error {one.calibration_error.value:.3f}; {one.positives} rows with the label, {one.negatives} without."
        yield reliability_diagram(one.label, told, one.bins)


def change_chart(
    rows: Sequence[Robustness], figure: Callable[[Robustness], Interval], title: str
) -> Markup:
    """What each change costs, as bars to the left of zero; rows of one contest, of which the
    unchanged one is left out."""
    changed = [row for row in rows if row.change]
    values = [
        value
        for row in changed
        for one in [figure(row)]
        for value in (one.value, one.low, one.high)
        if isfinite(value)
    ]
    reach = max(0.1, *(abs(value) for value in values)) if values else 0.1
    axis = Axis(title="changed less unchanged", low=-reach, high=reach, write=signed)
    bars = [
        Bar(name=row.change, value=one.value, low=one.low, high=one.high)
        for row in changed
        for one in [figure(row)]
    ]
    worst = min(changed, key=lambda row: figure(row).value, default=None)
    told = (
        ""
        if worst is None
        else f" The largest loss is of {worst.change}: {signed(round(figure(worst).value, 3))}."
    )
    return bar_chart(
        title,
        f"What each change to the input makes of it, with 95 % intervals.{told}",
        axis,
        bars,
        base=0.0,
    )


def signed(value: float) -> str:
    """A difference as people read it.

    >>> signed(0.05), signed(-0.1), signed(0.0)
    ('+0.05', '−0.1', '0')
    """
    if value == 0:
        return "0"
    return f"{'+' if value > 0 else '−'}{plain_number(abs(value))}"


def _named(curve: Curve, usual: str) -> str:
    """By its negatives; by its label too, where that is not the one that the chart is called by."""
    said = f"against {curve.against} ({curve.negatives} rows)"
    return said if curve.label == usual else f"{curve.label} {said}"


def _found_at(curve: Curve, rate: float) -> float:
    return max(
        (
            recall
            for false, recall in zip(curve.false_positives, curve.recalls, strict=True)
            if false <= rate
        ),
        default=0.0,
    )

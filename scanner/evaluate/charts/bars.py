"""Horizontal bars with intervals; horizontal, so that long names can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis
from scanner.evaluate.charts.frame import colour
from scanner.evaluate.charts.svg import drawing, element, text

__all__ = ["Bar", "bar_chart"]

NAMES = 190.0
"""Pixels of the column of names, at least."""
LETTER = 7.0
"""Pixels of a letter of a name."""
VALUES = 150.0
"""Pixels of the column of values."""
PLOT = 360.0
TOP = 36.0
ROW = 24.0
THICK = 12.0
BELOW = 44.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A named value, with its interval if ``low`` and ``high`` are finite.

    A value that is not finite is shown as missing.
    """

    name: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    note: str = ""
    """Replaces the written value, for instance with the reason why there is none."""


def bar_chart(
    title: str,
    description: str,
    axis: Axis,
    bars: Sequence[Bar],
    *,
    base: float | None = None,
    reference: float | None = None,
) -> Markup:
    """Draw one row for each bar.

    Bars grow from ``base`` (by default the axis' low end); ``reference`` is a line for comparison.
    """
    start = axis.low if base is None else base
    foot = TOP + ROW * max(len(bars), 1)
    left = _room_for_names(bars)
    parts = chain(
        (
            text(
                title,
                -left,
                16,
                font_size=15,
                font_weight=600,
                fill="#18181b",
                class_="chart-title",
            ),
        ),
        _ground(axis, foot),
        (
            part
            for row, bar in enumerate(bars)
            for part in _row(axis, bar, start, TOP + ROW * (row + 0.5))
        ),
        () if reference is None else (_reference_line(axis, reference, foot),),
    )
    return drawing(title, description, NAMES + PLOT + VALUES, foot + BELOW, *parts, left=left)


def _room_for_names(bars: Sequence[Bar]) -> float:
    """Return the pixels that the longest name needs beyond the column of names."""
    longest = max((len(bar.name) for bar in bars), default=0)
    return max(0.0, LETTER * longest + 8 - NAMES)


def _reference_line(axis: Axis, value: float, foot: float) -> Markup:
    return _upright(axis, value, foot, stroke="#18181b", stroke_dasharray="4 3", class_="reference")


def _across(axis: Axis, value: float) -> float:
    return NAMES + PLOT * axis.place(value)


def _ground(axis: Axis, foot: float) -> Iterator[Markup]:
    yield element(
        "rect", x=NAMES, y=TOP, width=PLOT, height=foot - TOP, fill="#fafafa", class_="ground"
    )
    for tick in axis.marks():
        yield _upright(axis, tick, foot, stroke="#d4d4d8", class_="grid")
        yield text(axis.write(tick), _across(axis, tick), foot + 16, anchor="middle")
    yield text(axis.title, NAMES + PLOT / 2, foot + 36, anchor="middle", font_size=13)


def _upright(axis: Axis, value: float, foot: float, **attributes: str | float) -> Markup:
    x = _across(axis, value)
    return element("line", x1=x, y1=TOP, x2=x, y2=foot, **attributes)


def _row(axis: Axis, bar: Bar, base: float, y: float) -> Iterator[Markup]:
    yield text(bar.name, NAMES - 8, y + 4, anchor="end")
    yield text(bar.note or _format_bar(axis, bar), NAMES + PLOT + 8, y + 4)
    if not isfinite(bar.value):
        return
    left, right = sorted((_across(axis, base), _across(axis, bar.value)))
    body = {"x": left, "y": y - THICK / 2, "width": max(right - left, 1.0), "height": THICK}
    yield element("rect", fill=colour(0), fill_opacity=0.55, class_="bar", **body)
    if isfinite(bar.low) and isfinite(bar.high):
        low, high = _across(axis, bar.low), _across(axis, bar.high)
        whiskers = f"M{low:g} {y - 4:g}v8M{low:g} {y:g}H{high:g}M{high:g} {y - 4:g}v8"
        yield element(
            "path", d=whiskers, fill="none", stroke="#18181b", stroke_width=1.5, class_="whisker"
        )


def _format_bar(axis: Axis, bar: Bar) -> str:
    if not isfinite(bar.value):
        return "not known"
    value = axis.write(round(bar.value, 3))
    if not (isfinite(bar.low) and isfinite(bar.high)):
        return value
    return f"{value} [{axis.write(round(bar.low, 2))}, {axis.write(round(bar.high, 2))}]"

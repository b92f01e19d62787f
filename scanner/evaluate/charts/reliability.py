"""Reliability diagrams: predicted probability against observed frequency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis
from scanner.evaluate.charts.frame import Plot, axes, colour, diagonal, halo
from scanner.evaluate.charts.svg import drawing, element, text

__all__ = ["CalibrationBin", "reliability_diagram"]

SIDE = 340.0
BELOW = 60.0
COUNTS = 64.0
"""Pixels of the strip of counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Rows with similar scores."""

    low: float
    high: float
    count: int
    mean: float
    """Mean score; NaN if there are no rows."""
    share: float
    """Share of positives among them, with its interval."""
    share_low: float
    share_high: float


def reliability_diagram(title: str, description: str, bins: Sequence[CalibrationBin]) -> Markup:
    """Draw one point for each bin, and the number of its rows below.

    Points on the dashed line are calibrated; above it scores are too low, below it too high.
    """
    shares = Axis(title="came true", low=0.0, high=1.0)
    plot = Plot(x=Axis(title="score", low=0.0, high=1.0), y=shares, width=SIDE, height=SIDE)
    filled = [one for one in bins if one.count and isfinite(one.mean)]
    parts = chain(
        axes(plot, title),
        (diagonal(plot),),
        (part for one in filled for part in _point(plot, one)),
        (part for part in _counts(plot, filled)),
    )
    return drawing(title, description, plot.right + 20, plot.foot + BELOW + COUNTS, *parts)


def _point(plot: Plot, one: CalibrationBin) -> Iterator[Markup]:
    x = plot.across(one.mean)
    if isfinite(one.share_low) and isfinite(one.share_high):
        low, high = plot.down(one.share_low), plot.down(one.share_high)
        whiskers = f"M{x - 4:g} {low:g}h8M{x:g} {low:g}V{high:g}M{x - 4:g} {high:g}h8"
        yield element(
            "path",
            d=whiskers,
            fill="none",
            stroke=colour(0),
            stroke_width=1.5,
            class_="series series-1",
        )
    yield element("circle", cx=x, cy=plot.down(one.share), r=4.5, fill=colour(0), class_="dot")


def _counts(plot: Plot, filled: Sequence[CalibrationBin]) -> Iterator[Markup]:
    """Yield the bars of counts; their heights are square roots, so that ten rows can be seen beside
    thousands."""
    top = plot.foot + BELOW
    most = max((one.count for one in filled), default=1)
    for one in filled:
        left, right = plot.across(one.low), plot.across(one.high)
        height = max((one.count / most) ** 0.5 * (COUNTS - 22), 1.0)
        yield element(
            "rect",
            x=left + 1,
            y=top + COUNTS - 4 - height,
            width=right - left - 2,
            height=height,
            fill="#a1a1aa",
            class_="count-bar",
        )
        yield text(
            str(one.count),
            (left + right) / 2,
            top + COUNTS - 8 - height,
            anchor="middle",
            **{**halo(), "font_size": 11},
        )
    yield text("rows", plot.left - 7, top + COUNTS - 6, anchor="end")

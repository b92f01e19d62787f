"""Line charts: several series, each with an interval and marked points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis
from scanner.evaluate.charts.frame import (
    Plot,
    axes,
    colour,
    diagonal,
    halo,
    legend,
    legend_height,
    stroke,
)
from scanner.evaluate.charts.svg import drawing, element, number, text

__all__ = ["ChartLine", "IntervalBand", "PointMark", "line_chart"]

BELOW = 60.0
"""Pixels below the plot, for ticks and the axis title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointMark:
    """A labelled point, such as the threshold in force."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBand:
    """The interval of a line: ``low`` and ``high`` of y at each ``x``."""

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.low) == len(self.high):
            raise ValueError(
                "a band has one low and one high for each x, got"
                f" {len(self.x)}, {len(self.low)} and {len(self.high)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """One series. Points are joined in their order; a value that is not finite interrupts the
    line."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    step: bool = False
    """Draw a step function: a value holds until the next point."""
    band: IntervalBand | None = None
    marks: tuple[PointMark, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"line {self.name!r} has {len(self.x)} x and {len(self.y)} y")


def line_chart(
    title: str,
    description: str,
    x: Axis,
    y: Axis,
    lines: Sequence[ChartLine],
    *,
    chance: bool = False,
) -> Markup:
    """Draw all lines over one pair of axes with a legend below; ``chance`` adds the diagonal."""
    plot = Plot(x=x, y=y)
    foot = plot.foot + BELOW
    parts = chain(
        axes(plot, title),
        (diagonal(plot),) if chance else (),
        (
            _band(plot, line.band, index)
            for index, line in enumerate(lines)
            if line.band is not None
        ),
        (_curve(plot, line, index) for index, line in enumerate(lines)),
        (
            part
            for index, line in enumerate(lines)
            for mark in line.marks
            for part in _mark(plot, mark, index)
        ),
        legend([line.name for line in lines], plot.left, foot + 4, plot.width),
    )
    return drawing(title, description, plot.right + 20, foot + legend_height(len(lines)), *parts)


def _curve(plot: Plot, line: ChartLine, index: int) -> Markup:
    return element(
        "path", d=_path(plot, line), fill="none", stroke_linejoin="round", **stroke(index)
    )


def _path(plot: Plot, line: ChartLine) -> str:
    drawn, broken = [], True
    for x, y in zip(line.x, line.y, strict=True):
        if not (isfinite(x) and isfinite(y)):
            broken = True
            continue
        across, down = number(plot.across(x)), number(plot.down(y))
        joint = "M" if broken else "L"
        drawn.append(f"H{across}V{down}" if line.step and not broken else f"{joint}{across} {down}")
        broken = False
    return "".join(drawn)


def _band(plot: Plot, band: IntervalBand, index: int) -> Markup:
    there = [
        (plot.across(x), plot.down(high))
        for x, high in zip(band.x, band.high, strict=True)
        if isfinite(high)
    ]
    back = [
        (plot.across(x), plot.down(low))
        for x, low in zip(band.x, band.low, strict=True)
        if isfinite(low)
    ]
    points = " ".join(f"{number(x)},{number(y)}" for x, y in [*there, *reversed(back)])
    return element(
        "polygon",
        points=points,
        fill=colour(index),
        fill_opacity=0.15,
        class_=f"band band-{index % 7 + 1}",
    )


def _mark(plot: Plot, mark: PointMark, index: int) -> Iterator[Markup]:
    x, y = plot.across(mark.x), plot.down(mark.y)
    left = x > plot.left + plot.width * 0.6
    yield element(
        "circle", cx=x, cy=y, r=5, fill="#fafafa", **{**stroke(index), "stroke_dasharray": "none"}
    )
    yield text(
        mark.text, x - 9 if left else x + 9, y + 4, anchor="end" if left else "start", **halo()
    )

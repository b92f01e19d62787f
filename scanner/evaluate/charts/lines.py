"""Curves over a plane: one value against another, several series, each with an interval and marked
points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis
from scanner.evaluate.charts.frame import Plot, axes, colour, halo, legend, legend_height, stroke
from scanner.evaluate.charts.svg import drawing, element, number, text

__all__ = ["Band", "Line", "Mark", "line_chart"]

BELOW = 60.0
"""Pixels under the plot, for ticks and the axis' title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point that is worth a word, such as the threshold in force."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where a line's interval lies: ``low`` and ``high`` of y at each ``x``."""

    x: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.low) == len(self.high):
            raise ValueError(
                f"a band has one low and one high for each x, got {len(self.x)}, {len(self.low)} and {len(self.high)}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series. Points are joined in their order; what is not finite breaks the line."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    step: bool = False
    """Across first, then up or down: a quantity that holds until the next point."""
    band: Band | None = None
    marks: tuple[Mark, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"line {self.name!r} has {len(self.x)} x and {len(self.y)} y")


def line_chart(
    title: str, description: str, x: Axis, y: Axis, lines: Sequence[Line], *, diagonal: bool = False
) -> Markup:
    """All lines over one pair of axes, with a legend below; ``diagonal`` draws what chance would
    give, corner to corner."""
    plot = Plot(x=x, y=y)
    foot = plot.foot + BELOW
    parts = chain(
        axes(plot, title),
        _diagonal(plot) if diagonal else (),
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


def _diagonal(plot: Plot) -> Iterator[Markup]:
    path = f"M{plot.left:g} {plot.foot:g}L{plot.right:g} {plot.top:g}"
    yield element(
        "path", d=path, fill="none", stroke="#71717a", stroke_dasharray="4 4", class_="chance"
    )


def _curve(plot: Plot, line: Line, index: int) -> Markup:
    return element(
        "path", d=_path(plot, line), fill="none", stroke_linejoin="round", **stroke(index)
    )


def _path(plot: Plot, line: Line) -> str:
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


def _band(plot: Plot, band: Band, index: int) -> Markup:
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


def _mark(plot: Plot, mark: Mark, index: int) -> Iterator[Markup]:
    x, y = plot.across(mark.x), plot.down(mark.y)
    left = x > plot.left + plot.width * 0.6
    yield element(
        "circle", cx=x, cy=y, r=5, fill="#fafafa", **{**stroke(index), "stroke_dasharray": "none"}
    )
    yield text(
        mark.text, x - 9 if left else x + 9, y + 4, anchor="end" if left else "start", **halo()
    )

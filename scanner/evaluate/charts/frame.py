"""Common parts of charts: plot area, axes and grid, legend, palette."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from scanner.evaluate.charts.axis import Axis
from scanner.evaluate.charts.svg import element, text

__all__ = [
    "COLOURS",
    "DASHES",
    "Plot",
    "axes",
    "colour",
    "diagonal",
    "halo",
    "legend",
    "legend_height",
    "stroke",
]

COLOURS = ("#0072b2", "#c44e00", "#007a5a", "#a3487f", "#7a5c00", "#5b3fa8", "#3f3f46")
"""After Okabe and Ito, darkened to a contrast of at least 4.5 against white."""
DASHES = ("none", "8 4", "2 3", "10 3 2 3", "5 2", "14 4", "1 2")
ROW = 20.0
"""Pixels per line of the legend."""
SAMPLE = 30.0
"""Pixels of a line's sample in the legend."""
COLUMNS_FROM = 4
"""Number of entries from which on the legend has two columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The plot area in pixels of the picture; y grows downwards."""

    x: Axis
    y: Axis
    left: float = 60.0
    top: float = 40.0
    width: float = 560.0
    height: float = 300.0

    @property
    def right(self) -> float:
        """The coordinate of the right edge."""
        return self.left + self.width

    @property
    def foot(self) -> float:
        """The coordinate of the lower edge."""
        return self.top + self.height

    def across(self, value: float) -> float:
        """Return the pixel of a value of x."""
        return self.left + self.width * self.x.place(value)

    def down(self, value: float) -> float:
        """Return the pixel of a value of y."""
        return self.foot - self.height * self.y.place(value)


def axes(plot: Plot, title: str) -> Iterator[Markup]:
    """Yield the chart's title, background, grid, ticks and axis titles."""
    yield text(
        title, plot.left, 20, font_size=15, font_weight=600, fill="#18181b", class_="chart-title"
    )
    yield element(
        "rect",
        x=plot.left,
        y=plot.top,
        width=plot.width,
        height=plot.height,
        fill="#fafafa",
        class_="ground",
    )
    for tick in plot.x.marks():
        x = plot.across(tick)
        yield _grid(x, plot.top, x, plot.foot)
        yield text(plot.x.write(tick), x, plot.foot + 17, anchor="middle")
    for tick in plot.y.marks():
        y = plot.down(tick)
        yield _grid(plot.left, y, plot.right, y)
        yield text(plot.y.write(tick), plot.left - 7, y + 4, anchor="end")
    yield text(
        plot.x.title, plot.left + plot.width / 2, plot.foot + 37, anchor="middle", font_size=13
    )
    middle = plot.top + plot.height / 2
    yield text(
        plot.y.title,
        14,
        middle,
        anchor="middle",
        font_size=13,
        transform=f"rotate(-90 14 {middle:g})",
    )


def diagonal(plot: Plot) -> Markup:
    """Draw a dashed line from corner to corner."""
    path = f"M{plot.left:g} {plot.foot:g}L{plot.right:g} {plot.top:g}"
    return element(
        "path", d=path, fill="none", stroke="#71717a", stroke_dasharray="4 4", class_="chance"
    )


def colour(index: int) -> str:
    """Return the colour of a series; the palette repeats with other dashes."""
    return COLOURS[index % len(COLOURS)]


def stroke(index: int) -> dict[str, str | float]:
    """Return the attributes of a series' line."""
    dashes = DASHES[(index + index // len(COLOURS)) % len(DASHES)]
    return {
        "stroke": colour(index),
        "stroke_width": 2,
        "stroke_dasharray": dashes,
        "class_": f"series series-{index % len(COLOURS) + 1}",
    }


def halo() -> dict[str, str | float]:
    """Return the attributes of text that is drawn over lines."""
    return {
        "paint_order": "stroke",
        "stroke": "#fafafa",
        "stroke_width": 4,
        "stroke_linejoin": "round",
        "class_": "over",
    }


def legend_height(count: int) -> float:
    """Return the height of the legend in pixels."""
    return ROW * (-(-count // 2) if count >= COLUMNS_FROM else count)


def legend(names: Sequence[str], left: float, top: float, width: float) -> Iterator[Markup]:
    """Yield a sample of each line with its name."""
    columns = 2 if len(names) >= COLUMNS_FROM else 1
    rows = -(-len(names) // columns)
    for index, name in enumerate(names):
        x, y = left + (index // rows) * width / columns, top + (index % rows) * ROW
        yield element("path", d=f"M{x:g} {y:g}h{SAMPLE:g}", fill="none", **stroke(index))
        yield text(name, x + SAMPLE + 8, y + 4)


def _grid(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke="#d4d4d8", class_="grid")

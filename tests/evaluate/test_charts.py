from __future__ import annotations

from math import nan
from xml.etree import ElementTree

import pytest

from scanner.evaluate.charts.axis import Axis, percents
from scanner.evaluate.charts.bars import Bar, bar_chart
from scanner.evaluate.charts.lines import ChartLine, IntervalBand, PointMark, line_chart
from scanner.evaluate.charts.reliability import CalibrationBin, reliability_diagram

SVG = "{http://www.w3.org/2000/svg}"
SHARES = Axis(title="recall", low=0.0, high=1.0, write=percents)
RATES = Axis(title="false incidents an hour", low=0.01, high=100.0, log=True)


def parse_svg(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in parse_svg(svg).iter(f"{SVG}text")]


def paths(svg: str) -> list[str]:
    return [
        path.get("d", "")
        for path in parse_svg(svg).iter(f"{SVG}path")
        if (path.get("class") or "").startswith("series")
    ]


def test_a_chart_is_labelled_by_its_title_and_description() -> None:
    root = parse_svg(
        line_chart(
            "Missed events",
            "Two filters",
            RATES,
            SHARES,
            [ChartLine(name="dwell", x=(0.1, 1.0), y=(0.5, 0.2))],
        )
    )

    labels = {
        element.get("id"): element.text
        for element in (root.find(f"{SVG}title"), root.find(f"{SVG}desc"))
        if element is not None
    }
    assert [labels[key] for key in (root.get("aria-labelledby") or "").split()] == [
        "Missed events",
        "Two filters",
    ]
    assert root.get("role") == "img"


def test_names_from_outside_are_escaped_in_charts() -> None:
    hostile = '<script>alert("1")</script>\u202e'
    line = ChartLine(
        name=hostile, x=(0.1,), y=(0.5,), marks=(PointMark(x=0.1, y=0.5, text=hostile),)
    )

    charts = [
        line_chart(hostile, hostile, RATES, SHARES, [line]),
        bar_chart(hostile, hostile, SHARES, [Bar(name=hostile, value=0.5, note=hostile)]),
        reliability_diagram(hostile, hostile, []),
    ]

    assert all("<script" not in svg and "\u202e" not in svg for svg in charts)
    assert all(parse_svg(svg) is not None for svg in charts)


def test_a_step_holds_until_the_next_point_and_an_unknown_value_interrupts_a_line() -> None:
    step = ChartLine(name="step", x=(0.01, 1.0), y=(0.0, 1.0), step=True)
    broken = ChartLine(name="broken", x=(0.01, 1.0, 100.0), y=(0.0, nan, 1.0))

    charts = paths(line_chart("t", "d", RATES, SHARES, [step, broken]))

    assert charts[0] == "M60 340H340V40"
    assert charts[1] == "M60 340M620 40"


def test_every_line_is_in_the_legend_with_a_style_of_its_own() -> None:
    lines = [ChartLine(name=f"filter {i}", x=(0.1,), y=(0.5,)) for i in range(9)]

    root = parse_svg(line_chart("t", "d", RATES, SHARES, lines))

    looks = {(path.get("stroke"), path.get("stroke-dasharray")) for path in root.iter(f"{SVG}path")}
    assert len(looks) == 9
    assert {line.name for line in lines} <= set(texts(ElementTree.tostring(root, "unicode")))


def test_a_band_is_a_polygon_along_its_upper_and_lower_limits() -> None:
    line = ChartLine(
        name="a",
        x=(0.01, 100.0),
        y=(0.5, 0.5),
        band=IntervalBand(x=(0.01, 100.0), low=(0.0, 0.0), high=(1.0, 1.0)),
    )

    (band,) = parse_svg(line_chart("t", "d", RATES, SHARES, [line])).iter(f"{SVG}polygon")

    assert band.get("points") == "60,40 620,40 620,340 60,340"


def test_values_beyond_an_axis_are_drawn_at_its_end() -> None:
    assert (RATES.place(0.0), RATES.place(1000.0)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (RATES, (0.01, 0.1, 1.0, 10.0, 100.0)),
        (Axis(title="", low=0.1, high=1.0, log=True), (0.1, 0.2, 0.5, 1.0)),
        (Axis(title="", low=0.0, high=1.0), (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (Axis(title="", low=-0.3, high=0.1), (-0.3, -0.2, -0.1, 0.0, 0.1)),
        (Axis(title="", low=0.0, high=1.0, ticks=(0.5, 2.0)), (0.5,)),
    ],
)
def test_ticks_are_round_values(axis: Axis, ticks: tuple[float, ...]) -> None:
    assert axis.marks() == ticks


def test_a_bar_shows_its_value_and_interval_or_why_there_is_none() -> None:
    bars = [
        Bar(name="plain", value=0.5, low=0.4, high=0.6),
        Bar(name="night", value=nan, note="3 rows, too few"),
        Bar(name="far", value=nan),
    ]

    shown = texts(bar_chart("t", "d", SHARES, bars, reference=0.5))

    assert {"50 % [40 %, 60 %]", "3 rows, too few", "not known"} <= set(shown)


def test_bars_of_differences_grow_from_zero_to_either_side() -> None:
    axis = Axis(title="difference", low=-0.5, high=0.5)

    root = parse_svg(
        bar_chart("t", "d", axis, [Bar(name="a", value=-0.25), Bar(name="b", value=0.25)], base=0.0)
    )

    less, more = (rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "bar")
    assert float(less.get("x", "")) + float(less.get("width", "")) == float(more.get("x", ""))


def test_a_reliability_diagram_shows_the_number_of_rows_of_each_point() -> None:
    bins = [
        CalibrationBin(
            low=0.0, high=0.5, count=7, mean=0.2, share=0.1, share_low=0.0, share_high=0.4
        ),
        CalibrationBin(
            low=0.5, high=1.0, count=0, mean=nan, share=nan, share_low=nan, share_high=nan
        ),
    ]

    svg = reliability_diagram("t", "d", bins)

    assert "7" in texts(svg)
    assert len(list(parse_svg(svg).iter(f"{SVG}circle"))) == 1


def test_an_axis_that_does_not_rise_or_cannot_be_logarithmic_is_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        Axis(title="x", low=1.0, high=1.0)
    with pytest.raises(ValueError, match="above 0"):
        Axis(title="x", low=0.0, high=1.0, log=True)

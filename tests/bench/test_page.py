from __future__ import annotations

from dataclasses import replace

from scanner.bench.document import BenchReport
from scanner.bench.machine import LoadWatch, read_machine, watch_load
from scanner.bench.measure import BenchPlan, BenchResult, CostRatio, Latency
from scanner.bench.page import to_bench_page
from scanner.bench.tables import describe_capacity, make_tables
from tests.bench.build import run

RESULT = BenchResult(
    bench="pipeline",
    name="4 <streams>",
    unit="segment",
    provider=None,
    runs=(
        replace(run(wall=1.0, cpu=0.05), stages={"decode": 0.04, "score": 0.01}),
        replace(run(wall=1.0, cpu=0.06), stages={"decode": 0.05, "score": 0.01}),
    ),
    ratios=(CostRatio(over="bare libavcodec", median=1.1, low=1.0, high=1.2),),
    latency=Latency.of([0.1, 0.2], rate=5.0),
    facts={"growth": "streams", "streams": 4, "cost_per_1000_stream_hours": 0.5},
)


def report(*results: BenchResult) -> BenchReport:
    return BenchReport(
        bench="pipeline",
        created="2026-11-29T20:00:00+00:00",
        machine=read_machine(),
        load=LoadWatch(others=0.5),
        settings={},
        plan=BenchPlan(),
        video=None,
        results=results,
    )


def test_the_page_has_the_figures_and_charts_and_escapes_names() -> None:
    more = replace(RESULT, name="8", facts={"growth": "streams", "streams": 8})

    page = to_bench_page(report(RESULT, more))

    assert "4 &lt;streams&gt;" in page
    assert "4 <streams>" not in page
    assert page.count("<svg") == 3  # cost, ratios, growth
    assert "Other processes used 50 % of the machine" in page
    assert "<script" not in page


def test_a_row_says_stages_ratios_looks_in_motion_latencies_and_cost() -> None:
    (table,) = make_tables([RESULT])

    notes = table.rows[0][-1]
    assert "1.10 times bare libavcodec" in notes
    assert "decode 82%" in notes
    assert "0 looks in motion beside 4 frames" in notes
    assert "p95 200" in notes
    assert "0.50 per 1000 stream-hours" in notes


def test_the_load_of_others_is_seen_as_a_share_of_the_machine() -> None:
    with watch_load() as load:
        sum(range(100_000))

    assert 0.0 <= load.others <= 1.0
    assert load.mhz[0] <= load.mhz[1]


def test_the_streams_that_a_core_carries_are_told_and_those_of_the_dearest_input() -> None:
    dearer = replace(RESULT, name="dear", facts={}, runs=(run(wall=1.0, cpu=0.1),))

    assert describe_capacity([replace(RESULT, facts={}), dearer], 2) == (
        "One core carries 73 live streams like this input, 40 if all of them want looks in motion"
        " everywhere; this machine has 2."
    )
    assert describe_capacity([replace(RESULT, bench="decode")], 2) == ""


def test_a_table_has_as_many_repeats_as_the_row_with_the_fewest() -> None:
    (table,) = make_tables([RESULT, replace(RESULT, runs=RESULT.runs[:1])])

    assert table.repeats == 1

"""The rows of a result in words, which the terminal and the page share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scanner.bench.bench_input import BenchInput
from scanner.bench.measure import BenchResult, CostRatio, Spread

__all__ = ["BenchTable", "describe_capacity", "describe_input", "make_tables"]

FIRST_COLUMNS = {"decode": "case", "infer": "model", "pipeline": "streams", "start": "command"}
LEGENDS = {
    "decode": "A case is codec : height : seconds between keyframes : sampling. Ratios are"
    " processor time over that of the other way to decode the same clip.",
    "infer": "Random pictures, ready in memory. The limit is what one core reached on the spot.",
    "pipeline": "The default configuration: looks in motion are counted where it takes them, and a"
    " stream that wants them everywhere is what they may cost at most.",
    "start": "Whole processes, in turn with the least that a process could do.",
}
TITLES = {
    "decode": "Decoding",
    "infer": "Inference",
    "pipeline": "The whole pipeline",
    "start": "Start",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTable:
    """The results of one benchmark."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The last cell has a line for each note."""
    legend: str
    """What the rows mean."""
    results: tuple[BenchResult, ...]

    @property
    def repeats(self) -> int:
        """Repeats of each row; of those that differ, the fewest."""
        return min(len(result.runs) for result in self.results)


def make_tables(results: Sequence[BenchResult]) -> tuple[BenchTable, ...]:
    """Return one table for each benchmark, in the order of its first result."""
    names = dict.fromkeys(result.bench for result in results)
    return tuple(_table(name, tuple(one for one in results if one.bench == name)) for name in names)


def describe_capacity(results: Sequence[BenchResult], cores: int) -> str:
    """Return the answer to how many live streams a core carries; empty without a pipeline."""
    found = [
        one.streams_per_core
        for one in results
        if one.bench == "pipeline" and not one.facts.get("growth") and one.streams_per_core
    ]
    if not found:
        return ""
    usual, least = found[0].median, min(one.median for one in found)
    text = f"One core carries {usual:.0f} live streams like this input"
    if least < usual:
        text += f", {least:.0f} if all of them want looks in motion everywhere"
    return f"{text}; this machine has {cores}."


def describe_input(video: BenchInput) -> str:
    """Return the input in one line: what it is, and how much of it is sampled."""
    info = video.info
    name = "generated clip" if video.drawn else video.path.name
    return (
        f"{name}: {info.width}x{info.height} {info.codec} in {info.container},"
        f" {video.seconds:.1f} s, {8e-6 * video.size / video.seconds:.1f} Mb/s,"
        f" segments: {video.segments}, samples: {video.samples}"
    )


def _table(name: str, results: tuple[BenchResult, ...]) -> BenchTable:
    unit = results[0].unit
    columns = [FIRST_COLUMNS.get(name, ""), "CPU ms"]
    columns.append(
        "samples/s" if name == "infer" else "wall ms" if name == "start" else "streams/core"
    )
    columns.append("notes")
    rows = (
        (
            result.name,
            _format_spread(result.cpu_ms),
            _format_spread(_figure(name, result)),
            "\n".join(_notes(result)),
        )
        for result in results
    )
    return BenchTable(
        title=f"{TITLES.get(name, name)}, each {unit}",
        columns=tuple(columns),
        rows=tuple(rows),
        legend=LEGENDS.get(name, ""),
        results=results,
    )


def _figure(name: str, result: BenchResult) -> Spread | None:
    if name == "infer":
        return result.samples_per_second
    return result.wall_ms if name == "start" else result.streams_per_core


def _notes(result: BenchResult) -> list[str]:
    notes = [_describe_ratio(ratio) for ratio in result.ratios]
    whole = result.cpu_ms.median
    for stage, spread in result.stage_ms.items():
        if result.bench == "pipeline" and whole:
            notes.append(f"{stage} {spread.median / whole:.0%}")
    if result.bench == "pipeline":
        samples = sum(run.amount.samples for run in result.runs)
        bursts = sum(run.amount.bursts for run in result.runs)
        notes.append(f"{bursts:,} looks in motion beside {samples:,} frames")
    if (latency := result.latency) is not None:
        notes.append(
            f"at {latency.rate:.1f}/s latency p50 {latency.p50:.0f}, p95 {latency.p95:.0f},"
            f" p99 {latency.p99:.0f} ms"
        )
    facts = result.facts
    if "share_of_limit" in facts:
        notes.append(f"{facts['share_of_limit']:.0%} of the machine's limit")
    if "live_streams" in facts:
        notes.append(f"{facts['live_streams']} live streams within {facts['bound_seconds']:g} s")
    if "cost_per_1000_stream_hours" in facts:
        notes.append(f"{facts['cost_per_1000_stream_hours']:.2f} per 1000 stream-hours")
    return notes


def _describe_ratio(ratio: CostRatio) -> str:
    return f"{ratio.median:.2f} times {ratio.over}"


def _format_spread(spread: Spread | None) -> str:
    """Return the median with three digits, and half the range in percent."""
    if spread is None:
        return "-"
    digits = max(0, 2 - math.floor(math.log10(spread.median))) if spread.median else 0
    half = (spread.most - spread.least) / 2 / spread.median if spread.median else 0.0
    return f"{spread.median:,.{digits}f} \N{PLUS-MINUS SIGN}{half:.0%}"

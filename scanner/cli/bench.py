"""The command ``streamwarden bench``."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.bench.bench_input import BenchInput, probe_folder, probe_input
from scanner.bench.benches import bench_decode, bench_footage, bench_infer, bench_pipeline
from scanner.bench.document import BenchReport, to_document
from scanner.bench.machine import read_machine
from scanner.bench.measure import BenchPlan, BenchResult, Spread
from scanner.cli.options import Config, Json, Workers, open_runner, settings_with, wants_json
from scanner.cli.terminal import OutputTable, new_table, open_console, sanitize
from scanner.compose import compose, decode_request, load_configured_scorers
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.test_card import TestCard
from scanner.settings.sections import Settings

__all__ = ["bench_app"]

BATCHES = [1, 8, 32]
STREAMS = 4
LONG_REPEATS = 3
"""Most repeats of a measurement that takes a stream of ten minutes."""
MEASURED_SETTINGS = ("sampling", "window", "models", "reuse", "bursts")
BUSY_STREAM = "a stream that wants bursts"

bench_app = typer.Typer(
    help="Measure wall time and processor time of all processes on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Input = Annotated[
    Path | None,
    typer.Option(
        "--input",
        "-i",
        metavar="FILE",
        help="Video to measure with; without it, 4 s of 1080p30 are generated.",
    ),
]
Repeats = Annotated[int, typer.Option(min=1, help="Number of repeats of each measurement.")]
Seconds = Annotated[float, typer.Option(min=0.0, help="Minimum length of each repeat.")]
ProviderName = Annotated[str | None, typer.Option("--provider", help="cpu, cuda or tensorrt.")]
ModelsDir = Annotated[
    Path | None,
    typer.Option("--models-dir", metavar="FOLDER", help="Models in place of the shipped ones."),
]


@bench_app.command("decode")
def decode_command(
    file: Input = None,
    repeats: Repeats = 5,
    seconds: Seconds = 1.0,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Decode and scale the frames that a scan would sample, in the sandboxed child process.

    Examples:
      streamwarden bench decode
      streamwarden bench decode --input recording.mp4 --repeats 9
    """
    settings, plan = settings_with(config, {}), BenchPlan(repeats=repeats, seconds=seconds)
    request = decode_request(settings, load_configured_scorers(settings))
    with Sandbox(settings.sandbox) as sandbox:
        video = probe_input(file, request, sandbox)
        results = (bench_decode(video, request, sandbox, plan),)
    _write_report("decode", results, settings, plan, video, as_json=as_json)


@bench_app.command("infer")
def infer_command(
    batch: Annotated[
        list[int],
        typer.Option(min=1, max=1024, help="Samples scored in one call; may be repeated."),
    ] = BATCHES,
    provider: ProviderName = None,
    repeats: Repeats = 5,
    seconds: Seconds = 1.0,
    config: Config = None,
    models_dir: ModelsDir = None,
    as_json: Json = False,
) -> None:
    """Score batches of random pictures with each model.

    Examples:
      streamwarden bench infer
      streamwarden bench infer --provider cuda --batch 1 --batch 64
    """
    settings, plan = (
        _settings(config, provider, models_dir),
        BenchPlan(repeats=repeats, seconds=seconds),
    )
    scorers = load_configured_scorers(settings)
    results = tuple(bench_infer(scorer, size, plan) for scorer in scorers for size in batch)
    _write_report("infer", results, settings, plan, None, as_json=as_json)


@bench_app.command("pipeline")
def pipeline_command(
    context: typer.Context,
    file: Input = None,
    media: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Also measure a stream that shows the videos of this folder in turn.",
        ),
    ] = None,
    streams: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of interleaved streams.")
    ] = STREAMS,
    workers: Workers = 0,
    provider: ProviderName = None,
    repeats: Repeats = 5,
    seconds: Seconds = 1.0,
    config: Config = None,
    models_dir: ModelsDir = None,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline, and report how many live streams one core can process.

    With a model of bursts, a stream of ten minutes that wants bursts everywhere is measured too:
    what footage can cost at most.

    Examples:
      streamwarden bench pipeline
      streamwarden bench pipeline --workers 8 --streams 64 --seconds 10
      streamwarden bench pipeline --media footage
    """
    settings, plan = (
        _settings(config, provider, models_dir),
        BenchPlan(repeats=repeats, seconds=seconds),
    )
    program, request = compose(settings), decode_request(settings, (TestCard(),))
    with Sandbox(settings.sandbox) as sandbox:
        video = probe_input(file, request, sandbox)
        footage = () if media is None else probe_folder(media, request, sandbox)
    long = replace(plan, repeats=min(repeats, LONG_REPEATS))
    with open_runner(context.obj, program, workers) as runner:
        results = [bench_pipeline(video, program, runner, streams, plan)]
        if media is not None:
            name = f"a stream of {media.name}"
            results.append(bench_footage(name, footage, program, runner, long))
    if any(manifest.input.burst is not None for manifest in program.manifests):
        busy = compose(_with_all_bursts_wanted(settings))
        with open_runner(context.obj, busy, workers) as runner:
            results.append(bench_footage(BUSY_STREAM, (video,), busy, runner, long))
    _write_report(
        "pipeline",
        tuple(results),
        settings,
        plan,
        video,
        as_json=as_json,
        more={"streams": streams, "workers": workers},
    )


def _with_all_bursts_wanted(settings: Settings) -> Settings:
    """Return the settings with bursts wanted in every segment, as far as their budget allows."""
    bursts = replace(settings.bursts, base_rate=1.0)
    return settings.model_copy(update={"bursts": bursts})


def _settings(config: Path | None, provider: str | None, models_dir: Path | None) -> Settings:
    return settings_with(config, {"models": {"provider": provider, "dir": models_dir}})


def _write_report(
    bench: str,
    results: tuple[BenchResult, ...],
    settings: Settings,
    plan: BenchPlan,
    video: BenchInput | None,
    *,
    as_json: bool,
    more: Mapping[str, Any] | None = None,
) -> None:
    report = BenchReport(
        bench=bench,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=read_machine(),
        settings={
            **settings.model_dump(mode="json", include=set(MEASURED_SETTINGS)),
            **(more or {}),
        },
        plan=plan,
        video=video,
        results=results,
    )
    if wants_json(as_json):
        sys.stdout.write(json.dumps(to_document(report)) + "\n")
        return
    _print_report(report)


def _print_report(report: BenchReport) -> None:
    console = open_console()
    machine = report.machine
    console.print(
        f"{machine.cpu}, {machine.cores} cores, "
        f"{machine.memory_bytes / (1 << 30):.1f} GiB, {machine.system}"
    )
    console.print(
        ", ".join(f"{name} {version}" for name, version in machine.versions.items()), style="dim"
    )
    if report.video is not None:
        console.print(_describe_input(report.video))
    console.print(_table(report))
    if providers := sorted({result.provider for result in report.results if result.provider}):
        console.print(f"ran on {', '.join(providers)}", style="dim")


def _table(report: BenchReport) -> OutputTable:
    unit = report.results[0].unit
    columns: dict[str, Callable[[BenchResult], Spread | None]] = {
        f"CPU ms a {unit}": lambda result: result.cpu_ms,
        f"wall ms a {unit}": lambda result: result.wall_ms,
        "samples/s": lambda result: result.samples_per_second,
    }
    if report.video is not None:
        columns["streams a core"] = lambda result: result.streams_per_core
    table = new_table(
        f"{report.bench}: medians of {report.plan.repeats}, \N{PLUS-MINUS SIGN} half the range",
        "",
        *columns,
    )
    for result in report.results:
        table.add_row(result.name, *(_format_spread(figure(result)) for figure in columns.values()))
    return table


def _describe_input(video: BenchInput) -> str:
    info = video.info
    megabits = 8e-6 * video.size / video.seconds
    name = "generated clip" if video.drawn else sanitize(video.path.name).plain
    return (
        f"{name}: {info.width}x{info.height} {info.codec} in {info.container},"
        f" {video.seconds:.1f} s, {megabits:.1f} Mb/s,"
        f" {video.segments} segments, {video.samples} samples"
    )


def _format_spread(spread: Spread | None) -> str:
    """Return the median with three digits, and half the range in percent."""
    if spread is None:
        return "-"
    digits = max(0, 2 - math.floor(math.log10(spread.median))) if spread.median else 0
    half = (spread.most - spread.least) / 2 / spread.median if spread.median else 0.0
    return f"{spread.median:,.{digits}f} \N{PLUS-MINUS SIGN}{half:.0%}"

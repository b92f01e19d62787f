"""The commands ``streamwarden bench``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from scanner.bench.cases import DEFAULT_CASES, QUICK_CASES, parse_case
from scanner.bench.machine import watch_load
from scanner.bench.measure import BenchPlan, BenchResult
from scanner.cli.bench_output import BenchOutput, BenchSetup, run_against, show_progress
from scanner.cli.bench_runs import (
    decode_results,
    infer_results,
    paced_results,
    pipeline_results,
    read_video,
    start_results,
)
from scanner.cli.options import Config, Json, Workers, settings_with
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import Settings

__all__ = ["bench_app"]

BATCHES = [1, 8, 32]
STREAMS = 4
ROUNDS = 15
LIVE_SECONDS = 20.0

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
        help="Video to measure with; without it, clips are generated.",
    ),
]
Repeats = Annotated[int, typer.Option(min=1, help="Number of repeats of each measurement.")]
Seconds = Annotated[float, typer.Option(min=0.0, help="Minimum length of each repeat.")]
ProviderName = Annotated[str | None, typer.Option("--provider", help="cpu, cuda or tensorrt.")]
ModelsDir = Annotated[
    Path | None,
    typer.Option("--models-dir", metavar="FOLDER", help="Models in place of the shipped ones."),
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Also write a page with charts.")
]
Compare = Annotated[
    Path | None,
    typer.Option("--compare", metavar="FILE", help="Say what changed since this --json output."),
]
FailBelow = Annotated[
    float | None,
    typer.Option(
        "--fail-below", metavar="RATIO", help="Exit with 1 if any speed is surely below this."
    ),
]
Against = Annotated[
    Path | None,
    typer.Option(
        "--against", metavar="VENV", help="Measure in turn with the program installed there."
    ),
]
Rounds = Annotated[int, typer.Option(min=2, help="Number of rounds of --against.")]


@bench_app.command("decode")
def decode_command(
    context: typer.Context,
    file: Input = None,
    case: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CASE",
            help="CODEC:HEIGHT:SECONDS:SAMPLING of a generated clip; may be repeated.",
        ),
    ] = None,
    repeats: Repeats = 5,
    seconds: Seconds = 0.5,
    config: Config = None,
    html: Html = None,
    compare: Compare = None,
    fail_below: FailBelow = None,
    against: Against = None,
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
) -> None:
    """Decode and scale the frames that a scan would sample, in the sandboxed child process, in turn
    with bare libavcodec, the ffmpeg command and OpenCV.

    Examples:
      streamwarden bench decode
      streamwarden bench decode --case hevc:720:2:every=0.5
      streamwarden bench decode --input recording.mp4 --repeats 9
    """
    if against is not None:
        run_against(context, against, rounds, fail_below)
    show_progress("bench decode")
    output = BenchOutput(as_json=as_json, html=html, compare=compare, fail_below=fail_below)
    output.check()
    cases = tuple(map(parse_case, case)) if case else DEFAULT_CASES
    settings, plan = settings_with(config, {}), BenchPlan(repeats=repeats, seconds=seconds)
    with watch_load() as load:
        results = list(decode_results(settings, plan, cases, file))
        video = None
        if file is not None:
            with Sandbox(settings.sandbox) as sandbox:
                video = read_video(file, settings, sandbox)
    output.write(
        BenchSetup(bench="decode", settings=settings, plan=plan, video=video), results, load
    )


@bench_app.command("infer")
def infer_command(
    context: typer.Context,
    batch: Annotated[
        list[int],
        typer.Option(min=1, max=1024, help="Samples scored in one call; may be repeated."),
    ] = BATCHES,
    onnx: Annotated[
        list[Path] | None,
        typer.Option(
            "--onnx", metavar="FILE", help="Any ONNX file in place of the models; may be repeated."
        ),
    ] = None,
    precision: Annotated[
        str | None, typer.Option("--precision", help="auto, fp32, fp16 or int8.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.01, help="Also measure latencies at this many batches a second."),
    ] = None,
    provider: ProviderName = None,
    repeats: Repeats = 5,
    seconds: Seconds = 1.0,
    config: Config = None,
    models_dir: ModelsDir = None,
    html: Html = None,
    compare: Compare = None,
    fail_below: FailBelow = None,
    against: Against = None,
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
) -> None:
    """Score batches of random pictures with each model, or run any ONNX file.

    Examples:
      streamwarden bench infer
      streamwarden bench infer --provider cuda --batch 1 --batch 64
      streamwarden bench infer --onnx resnet50.onnx
    """
    if against is not None:
        run_against(context, against, rounds, fail_below)
    show_progress("bench infer")
    output = BenchOutput(as_json=as_json, html=html, compare=compare, fail_below=fail_below)
    output.check()
    settings = _settings(config, provider, models_dir, precision)
    plan = BenchPlan(repeats=repeats, seconds=seconds)
    with watch_load() as load:
        results = list(infer_results(settings, plan, batch, onnx or (), rate))
    setup = BenchSetup(
        bench="infer",
        settings=settings,
        plan=plan,
        more={"rate": rate},
        scenario="offline" if rate is None else "server",
    )
    output.write(setup, results, load)


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
    growth: Annotated[
        bool, typer.Option("--growth", help="Also measure how cost grows with streams and samples.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(min=0.01, help="Instead, latencies at this many segments a second."),
    ] = None,
    live: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            metavar="SECONDS",
            help="Instead, the most live streams whose p95 latency stays within this.",
        ),
    ] = None,
    live_seconds: Annotated[
        float, typer.Option(min=1.0, help="Length of each trial of --rate and --live.")
    ] = LIVE_SECONDS,
    core_price: Annotated[
        float | None, typer.Option(min=0.0, help="Price of a core for an hour, for the cost.")
    ] = None,
    workers: Workers = 0,
    provider: ProviderName = None,
    repeats: Repeats = 5,
    seconds: Seconds = 1.0,
    config: Config = None,
    models_dir: ModelsDir = None,
    html: Html = None,
    compare: Compare = None,
    fail_below: FailBelow = None,
    against: Against = None,
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline, and report how many live streams one core can process.

    Looks in motion are part of it and are counted. With a model of bursts, a stream of ten minutes
    that wants bursts everywhere is measured too: what footage can cost at most.

    Examples:
      streamwarden bench pipeline
      streamwarden bench pipeline --workers 8 --streams 64 --seconds 10
      streamwarden bench pipeline --live 2
    """
    if against is not None:
        run_against(context, against, rounds, fail_below)
    show_progress("bench pipeline")
    output = BenchOutput(
        as_json=as_json, html=html, compare=compare, fail_below=fail_below, core_price=core_price
    )
    output.check()
    settings = _settings(config, provider, models_dir)
    plan = BenchPlan(repeats=repeats, seconds=seconds)
    is_paced = rate is not None or live is not None
    with watch_load() as load, Sandbox(settings.sandbox) as sandbox:
        video = read_video(file, settings, sandbox)
        if is_paced:
            found = paced_results(
                context.obj,
                settings,
                video,
                plan,
                workers=workers,
                seconds=live_seconds,
                rate=rate,
                bound=live,
            )
        else:
            found = pipeline_results(
                context.obj,
                settings,
                plan,
                video,
                streams=streams,
                workers=workers,
                media=media,
                growth=growth,
            )
        results = list(found)
    more: dict[str, Any] = {"streams": streams, "workers": workers, "rate": rate, "live": live}
    scenario = "live" if live is not None else "server" if is_paced else "offline"
    setup = BenchSetup(
        bench="pipeline", settings=settings, plan=plan, video=video, more=more, scenario=scenario
    )
    output.write(setup, results, load)


@bench_app.command("start")
def start_command(
    context: typer.Context,
    repeats: Repeats = 5,
    config: Config = None,
    html: Html = None,
    compare: Compare = None,
    fail_below: FailBelow = None,
    against: Against = None,
    rounds: Rounds = ROUNDS,
    as_json: Json = False,
) -> None:
    """Start the program, in turn with processes that do the least that a start could.

    Examples:
      streamwarden bench start
    """
    if against is not None:
        run_against(context, against, rounds, fail_below)
    show_progress("bench start")
    output = BenchOutput(as_json=as_json, html=html, compare=compare, fail_below=fail_below)
    output.check()
    settings, plan = settings_with(config, {}), BenchPlan(repeats=repeats, seconds=0.0)
    with watch_load() as load, Sandbox(settings.sandbox) as sandbox:
        video = read_video(None, settings, sandbox)
        results = start_results(settings, plan, video.path)
    output.write(BenchSetup(bench="start", settings=settings, plan=plan), results, load)


@bench_app.command("all")
def all_command(
    context: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer cases and repeats: less than five minutes.")
    ] = False,
    core_price: Annotated[
        float | None, typer.Option(min=0.0, help="Price of a core for an hour, for the cost.")
    ] = None,
    config: Config = None,
    html: Html = None,
    compare: Compare = None,
    fail_below: FailBelow = None,
    as_json: Json = False,
) -> None:
    """Measure start, decoding, inference and the whole pipeline, with what they have in common.

    Examples:
      streamwarden bench all --quick --html bench.html
    """
    show_progress("bench all: four benchmarks" + (", less than five minutes" if quick else ""))
    output = BenchOutput(
        as_json=as_json, html=html, compare=compare, fail_below=fail_below, core_price=core_price
    )
    output.check()
    settings = settings_with(config, {})
    plan = BenchPlan(repeats=3, seconds=0.5) if quick else BenchPlan()
    with watch_load() as load, Sandbox(settings.sandbox) as sandbox:
        video = read_video(None, settings, sandbox)
        results: list[BenchResult] = list(start_results(settings, plan, video.path))
        cases = QUICK_CASES if quick else DEFAULT_CASES
        results += decode_results(settings, plan, cases, None)
        results += infer_results(settings, plan, [1, 8], (), None)
        results += pipeline_results(
            context.obj,
            settings,
            replace(plan, repeats=2) if quick else plan,
            video,
            streams=STREAMS,
            growth=not quick,
            busy_seconds=60.0 if quick else 600.0,
        )
    setup = BenchSetup(
        bench="all", settings=settings, plan=plan, video=video, more={"quick": quick}
    )
    output.write(setup, results, load)


def _settings(
    config: Path | None,
    provider: str | None,
    models_dir: Path | None,
    precision: str | None = None,
) -> Settings:
    flags = {"models": {"provider": provider, "dir": models_dir, "precision": precision}}
    return settings_with(config, flags)

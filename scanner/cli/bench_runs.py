"""What each benchmark measures, result by result; the progress is told before each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from scanner.bench.bench_input import BenchInput, probe_folder, probe_input
from scanner.bench.cases import DecodeCase, draw_case
from scanner.bench.decode_bench import bench_decode
from scanner.bench.graph_limits import measure_limits
from scanner.bench.infer_bench import bench_infer, bench_onnx, open_onnx
from scanner.bench.measure import BenchPlan, BenchResult
from scanner.bench.pacing import find_most_streams, pace_segments
from scanner.bench.pipeline_bench import (
    MeasuredRunner,
    bench_footage,
    bench_pipeline,
    open_measured_runner,
)
from scanner.bench.start import bench_start
from scanner.cli.app import COMMANDS
from scanner.cli.bench_output import show_progress
from scanner.cli.context import Context
from scanner.cli.options import open_runner
from scanner.compose import Program, compose, decode_request, load_configured_scorers
from scanner.media.sampling import Sampling
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.onnx import OnnxScorer
from scanner.scoring.test_card import TestCard
from scanner.settings.sections import Settings

__all__ = [
    "BUSY_STREAM",
    "decode_results",
    "infer_results",
    "paced_results",
    "pipeline_results",
    "read_video",
    "start_results",
]

LONG_REPEATS = 3
"""Most repeats of a measurement that takes a stream of ten minutes."""
BUSY_STREAM = "a stream that wants bursts"
GROWTH_STREAMS = (1, 2, 4, 8, 16, 32)
GROWTH_STEPS = (Fraction(2), Fraction(1), Fraction(1, 2), Fraction(1, 4))
"""Seconds between samples that are tried."""


def read_video(file: Path | None, settings: Settings, sandbox: Sandbox) -> BenchInput:
    """Return the video to measure with, decoded once."""
    show_progress(f"reading {file}" if file else "the clip: generated once, which takes some 10 s")
    return probe_input(file, decode_request(settings, (TestCard(),)), sandbox)


def decode_results(
    settings: Settings, plan: BenchPlan, cases: Sequence[DecodeCase], file: Path | None
) -> Iterator[BenchResult]:
    """Measure the named file with the settings' sampling, or each case on a clip of its own."""
    show_progress("loading the models, which say what is decoded")
    request = decode_request(settings, load_configured_scorers(settings))
    with Sandbox(settings.sandbox) as sandbox:
        if file is not None:
            video = probe_input(file, request, sandbox)
            show_progress(f"decoding {file.name}")
            yield bench_decode(video, request, sandbox, plan)
            return
        for case in cases:
            show_progress(f"decoding {case.name}, in turn with others")
            asked = replace(request, sampling=case.rule)
            video = probe_input(draw_case(case), asked, sandbox)
            yield bench_decode(video, asked, sandbox, plan, case)


def infer_results(
    settings: Settings,
    plan: BenchPlan,
    batches: Sequence[int],
    files: Sequence[Path],
    rate: float | None,
) -> Iterator[BenchResult]:
    """Measure each model of the settings, or the ONNX files, on each size of batch."""
    show_progress("measuring what the machine can do")
    limits = measure_limits()
    if files:
        for file in files:
            subject = open_onnx(
                file, provider=settings.models.provider, threads=settings.models.threads
            )
            for batch in batches:
                show_progress(f"running {subject.name}, batch of {batch}")
                yield bench_onnx(subject, batch, plan, limits=limits)
        return
    show_progress("loading the models")
    for scorer in load_configured_scorers(settings):
        for batch in batches:
            show_progress(f"scoring with {scorer.model}, batch of {batch}")
            yield bench_infer(scorer, batch, plan, limits=limits, rate=rate)


@contextmanager
def _open_measured(context: Context, program: Program, workers: int) -> Iterator[MeasuredRunner]:
    if workers == 0:
        with open_measured_runner(program) as measured:
            yield measured
        return
    with open_runner(context, program, workers) as runner:
        yield MeasuredRunner(runner)


def pipeline_results(
    context: Context,
    settings: Settings,
    plan: BenchPlan,
    video: BenchInput,
    *,
    streams: int,
    workers: int = 0,
    media: Path | None = None,
    growth: bool = False,
    busy_seconds: float = 600.0,
) -> Iterator[BenchResult]:
    """Measure streams of the video; then, as asked for, the videos of a folder, a stream that wants
    bursts everywhere, and how the cost grows."""
    program, long = compose(settings), replace(plan, repeats=min(plan.repeats, LONG_REPEATS))
    takes_bursts = any(manifest.input.burst is not None for manifest in program.manifests)
    with _open_measured(context, program, workers) as measured:
        show_progress(f"the whole pipeline, {streams} streams")
        yield bench_pipeline(video, program, measured, streams, plan)
        if media is not None:
            show_progress(f"streams of {media.name}")
            with Sandbox(settings.sandbox) as sandbox:
                videos = probe_folder(media, decode_request(settings, (TestCard(),)), sandbox)
            yield bench_footage(f"a stream of {media.name}", videos, program, measured, long)
        if growth:
            yield from _streams_growth(video, program, measured, long)
    if takes_bursts:
        show_progress(f"{BUSY_STREAM}: {busy_seconds / 60:g} minutes of video")
        busy = compose(_with_all_bursts_wanted(settings))
        with _open_measured(context, busy, workers) as measured:
            yield bench_footage(BUSY_STREAM, (video,), busy, measured, long, seconds=busy_seconds)
    if growth:
        yield from _steps_growth(context, settings, long, video, workers)


def paced_results(
    context: Context,
    settings: Settings,
    video: BenchInput,
    plan: BenchPlan,
    *,
    workers: int,
    seconds: float,
    rate: float | None,
    bound: float | None,
) -> Iterator[BenchResult]:
    """Measure latencies at ``rate`` segments a second, or with ``bound``, the most streams whose
    95th percentile stays within it."""
    program = compose(settings)
    with _open_measured(context, program, workers) as measured:
        show_progress("a first measurement, flat out")
        flat = bench_pipeline(video, program, measured, 4, replace(plan, repeats=1))
        if rate is not None:
            streams = max(1, round(rate * video.seconds))
            show_progress(f"{streams} streams, {rate:g} segments a second, {seconds:g} s")
            latency = pace_segments(video, program, measured, streams=streams, seconds=seconds)
            yield replace(flat, name=f"{streams} streams at a fixed rate", latency=latency)
        if bound is not None:
            long = max(seconds, 4 * bound)  # in less, a queue that grows would not show
            yield _find_live(video, program, measured, flat, bound=bound, seconds=long)


def _find_live(
    video: BenchInput,
    program: Program,
    measured: MeasuredRunner,
    flat: BenchResult,
    *,
    bound: float,
    seconds: float,
) -> BenchResult:
    def attempt(streams: int) -> Any:
        show_progress(f"{streams} live streams for {seconds:g} s")
        return pace_segments(
            video, program, measured, streams=streams, seconds=seconds, give_up=4 * bound
        )

    pace = flat.units_per_second.median * video.seconds / video.segments
    most, trials = find_most_streams(attempt, bound=bound, guess=max(1, int(0.7 * pace)))
    held = [trial.latency for trial in trials if trial.streams == most] or [trials[-1].latency]
    tried = [{"streams": one.streams, "p95_ms": one.latency.p95} for one in trials]
    facts = {"live_streams": most, "bound_seconds": bound, "trials": tried}
    return replace(flat, name="most live streams", latency=held[-1], facts=facts)


def _streams_growth(
    video: BenchInput, program: Program, measured: MeasuredRunner, plan: BenchPlan
) -> Iterator[BenchResult]:
    for streams in GROWTH_STREAMS:
        show_progress(f"growth: {streams} streams")
        result = bench_pipeline(video, program, measured, streams, plan)
        facts = {"growth": "streams", "streams": streams}
        yield replace(result, name=f"growth: {streams} streams", facts=facts)


def _steps_growth(
    context: Context, settings: Settings, plan: BenchPlan, video: BenchInput, workers: int
) -> Iterator[BenchResult]:
    for step in GROWTH_STEPS:
        sampling = Sampling(strategy="every", every=step)
        program = compose(settings.model_copy(update={"sampling": sampling}))
        show_progress(f"growth: a sample each {float(step):g} s")
        with _open_measured(context, program, workers) as measured:
            result = bench_pipeline(video, program, measured, 4, plan)
        facts = {"growth": "every", "every": float(step)}
        yield replace(result, name=f"growth: a sample each {float(step):g} s", facts=facts)


def start_results(settings: Settings, plan: BenchPlan, video: Path) -> tuple[BenchResult, ...]:
    """Measure the start of the program, beside the least that a process could do."""
    show_progress("starting the program, in turn with bare processes")
    scorers = load_configured_scorers(settings)
    models = [scorer.path for scorer in scorers if isinstance(scorer, OnnxScorer)]
    return bench_start(video, models, len(COMMANDS), plan)


def _with_all_bursts_wanted(settings: Settings) -> Settings:
    """Return the settings with bursts wanted in every segment, as far as their budget allows."""
    bursts = replace(settings.bursts, base_rate=1.0)
    return settings.model_copy(update={"bursts": bursts})

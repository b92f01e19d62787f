"""The three benchmarks of ``streamwarden bench``: decoding, inference, and the whole pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import count, cycle

import numpy as np

from scanner.bench.bench_input import BenchInput
from scanner.bench.measure import Amount, BenchPlan, BenchResult, measure
from scanner.compose import Program, scan_lines
from scanner.errors import DamagedError
from scanner.media.request import DecodeRequest
from scanner.media.samples import Rgb, Sample
from scanner.report.lines import ErrorLine, FrameLine, SummaryLine
from scanner.sandbox.sandbox import Sandbox
from scanner.scoring.onnx import OnnxScorer
from scanner.scoring.scorer import Scorer
from scanner.stream.inputs import Arrival, Runner, SegmentArrived
from scanner.types import FrameSpec, Segment, SegmentKey, StreamId

__all__ = ["bench_decode", "bench_footage", "bench_infer", "bench_pipeline"]

STREAM_SECONDS = 600.0
"""The least length of a stream in ``bench_footage``: what bursts may take is counted over the last
ten minutes, so that a shorter stream would cost another amount."""
POOL_SIZE = 64
"""Pictures that are generated beyond one batch, so that consecutive batches differ."""


def bench_decode(
    video: BenchInput, request: DecodeRequest, sandbox: Sandbox, plan: BenchPlan
) -> BenchResult:
    """Measure decoding as a scan does it: in the sandboxed child, including opening the file,
    scaling, and returning the pictures."""

    def work(turns: Iterable[None]) -> Amount:
        windows = [
            window
            for _ in turns
            for window in sandbox.decode(video.path, request, name=video.path.name, stream="bench")
        ]
        samples = sum(len(window.samples) for window in windows)
        return Amount(
            units=len(windows),
            samples=samples,
            media_seconds=float(sum(window.times.duration for window in windows)),
        )

    return BenchResult(
        name=request.sampling.strategy, unit="segment", provider=None, runs=measure(work, plan)
    )


def bench_infer(scorer: Scorer, batch: int, plan: BenchPlan) -> BenchResult:
    """Measure one scorer on batches of random pictures that are ready in memory: MLPerf's offline
    scenario."""
    pool = _random_samples(scorer.inputs, POOL_SIZE + batch)
    start = count(step=batch)

    def work(turns: Iterable[None]) -> Amount:
        done = sum(len(scorer.score(_slice(pool, next(start), batch))) for _ in turns)
        return Amount(units=done // batch, samples=done)

    name = f"{scorer.model}, batch of {batch}"
    return BenchResult(
        name=name, unit="batch", provider=_provider(scorer), runs=measure(work, plan)
    )


def bench_pipeline(
    video: BenchInput, program: Program, runner: Runner, streams: int, plan: BenchPlan
) -> BenchResult:
    """Measure the whole pipeline on the video, sent as segments of several streams in turn.

    Raises:
        DamagedError: a part of the video could not be scanned.
    """

    def work(turns: Iterable[None]) -> Amount:
        frames, seconds = _scan(_arrivals(video, streams, turns), program, runner)
        return Amount(
            units=round(seconds / video.seconds * video.segments),
            samples=frames,
            media_seconds=seconds,
        )

    return BenchResult(
        name=f"{streams} streams", unit="segment", provider=None, runs=measure(work, plan)
    )


def bench_footage(
    name: str, videos: Sequence[BenchInput], program: Program, runner: Runner, plan: BenchPlan
) -> BenchResult:
    """Measure the whole pipeline on a stream of at least ten minutes that shows the videos in turn.

    A video of one window is a segment of the stream; a longer one is a stream of its own.

    Raises:
        DamagedError: a part of a video could not be scanned.
    """

    def work(turns: Iterable[None]) -> Amount:
        units, frames, seconds = 0, 0, 0.0
        for turn, _ in enumerate(turns):
            shown = list(_fill_stream(videos))
            found, length = _scan(_arrive_in_turn(shown, turn), program, runner)
            units += sum(video.segments for video in shown)
            frames, seconds = frames + found, seconds + length
        return Amount(units=units, samples=frames, media_seconds=seconds)

    _scan(_arrive_in_turn(videos[:1], 0), program, runner)  # starts processes and fills caches
    runs = measure(work, replace(plan, warm_up=0))
    return BenchResult(name=name, unit="segment", provider=None, runs=runs)


def _scan(arrivals: Iterable[Arrival], program: Program, runner: Runner) -> tuple[int, float]:
    """Scan everything, and return the number of frames and the seconds of video."""
    frames, seconds = 0, 0.0
    for line in scan_lines(program, arrivals, runner):
        match line:
            case FrameLine():
                frames += 1
            case SummaryLine():
                seconds += line.duration
            case ErrorLine():
                raise DamagedError(line.message, kind=line.kind)
    return frames, seconds


def _fill_stream(videos: Sequence[BenchInput]) -> Iterator[BenchInput]:
    """Yield the videos in turn until they are ``STREAM_SECONDS`` long together."""
    seconds = 0.0
    for video in cycle(videos):
        yield video
        seconds += video.seconds
        if seconds >= STREAM_SECONDS:
            return


def _arrive_in_turn(videos: Sequence[BenchInput], turn: int) -> Iterator[Arrival]:
    """Yield the videos as segments of one stream, those of several windows as streams of their
    own."""
    stream_id, sequence = StreamId(f"footage-{turn}"), 0
    for number, video in enumerate(videos):
        if video.segments > 1:
            yield _make_arrival(video, number, turn)
            continue
        key = SegmentKey(stream_id=stream_id, sequence=sequence)
        segment = Segment(key=key, source=video.path, discontinuity=True)
        yield SegmentArrived(path=stream_id, segment=segment, name=video.path.name)
        sequence += 1


def _arrivals(video: BenchInput, streams: int, turns: Iterable[None]) -> Iterator[Arrival]:
    return (
        _make_arrival(video, number, turn)
        for turn, _ in enumerate(turns)
        for number in range(streams)
    )


def _make_arrival(video: BenchInput, number: int, turn: int) -> SegmentArrived:
    """Return one arrival: a single-segment file continues its stream turn by turn, a longer file is
    a new stream each time."""
    windowed = video.segments > 1
    stream_id = StreamId(f"{number}-{turn}" if windowed else f"{number}")
    segment = Segment(
        key=SegmentKey(stream_id=stream_id, sequence=0 if windowed else turn), source=video.path
    )
    return SegmentArrived(
        path=stream_id, segment=segment, name=video.path.name, windowed=windowed, last=windowed
    )


def _random_samples(specs: Sequence[FrameSpec], number: int) -> list[Sample]:
    random = np.random.default_rng(0)
    start = Fraction(0) if any(spec.burst is not None for spec in specs) else None
    return [
        Sample(
            at=Fraction(0),
            pts=0,
            keyframe=True,
            images={spec: _noise(random, spec) for spec in specs},
            start=start,
        )
        for _ in range(number)
    ]


def _noise(random: np.random.Generator, spec: FrameSpec) -> Rgb:
    return random.integers(0, 256, spec.shape, np.uint8)


def _slice(pool: list[Sample], start: int, size: int) -> list[Sample]:
    first = start % (len(pool) - size + 1)
    return pool[first : first + size]


def _provider(scorer: Scorer) -> str | None:
    return scorer.provider if isinstance(scorer, OnnxScorer) else None

"""The three benches: decoding, inference, and the whole path from a source to lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import count

import numpy as np

from scanner.arrivals import Arrival, Arrived
from scanner.bench.footage import Footage
from scanner.bench.measure import Amount, Plan, Result, measure
from scanner.errors import DamagedError
from scanner.lines import ErrorLine, FrameLine, SummaryLine
from scanner.media.request import DecodeRequest
from scanner.media.samples import Rgb, Sample
from scanner.risk.policy import Policies
from scanner.runner import Runner
from scanner.sandbox.sandbox import Sandbox
from scanner.scan import scan
from scanner.scoring.onnx import OnnxScorer
from scanner.scoring.scorer import Scorer
from scanner.types import FrameSpec, Segment, SegmentKey, StreamId

__all__ = ["bench_decode", "bench_infer", "bench_pipeline"]

POOL = 64
"""Pictures beyond one batch that are drawn before the clock runs, so that no batch is the one
before it."""


def bench_decode(footage: Footage, request: DecodeRequest, sandbox: Sandbox, plan: Plan) -> Result:
    """The footage through the sandboxed child, as a scan has it decoded: opening, keyframes,
    scaling and the way back included."""

    def work(turns: Iterable[None]) -> Amount:
        windows = [
            window
            for _ in turns
            for window in sandbox.decode(footage.path, request, name=footage.path.name)
        ]
        samples = sum(len(window.samples) for window in windows)
        return Amount(
            units=len(windows),
            samples=samples,
            media_seconds=float(sum(window.times.duration for window in windows)),
        )

    return Result(
        name=request.sampling.strategy, unit="segment", provider=None, runs=measure(work, plan)
    )


def bench_infer(scorer: Scorer, batch: int, plan: Plan) -> Result:
    """One scorer on batches of random pictures that lie ready: MLPerf's offline scenario."""
    pool = _random_samples(scorer.inputs, POOL + batch)
    start = count(step=batch)

    def work(turns: Iterable[None]) -> Amount:
        done = sum(len(scorer.score(_slice(pool, next(start), batch))) for _ in turns)
        return Amount(units=done // batch, samples=done)

    name = f"{scorer.model}, batch of {batch}"
    return Result(name=name, unit="batch", provider=_provider(scorer), runs=measure(work, plan))


def bench_pipeline(
    footage: Footage, policies: Policies, runner: Runner, streams: int, plan: Plan
) -> Result:
    """The footage as segments of several streams, one after another: decoded, scored, placed and
    folded.

    Raises:
        DamagedError: a part of it could not be scanned.
    """

    def work(turns: Iterable[None]) -> Amount:
        frames, seconds = 0, 0.0
        for line in scan(_arrivals(footage, streams, turns), policies, runner):
            match line:
                case FrameLine():
                    frames += 1
                case SummaryLine():
                    seconds += line.duration
                case ErrorLine():
                    raise DamagedError(line.message, kind=line.kind)
        return Amount(
            units=round(seconds / footage.seconds * footage.segments),
            samples=frames,
            media_seconds=seconds,
        )

    return Result(
        name=f"{streams} streams", unit="segment", provider=None, runs=measure(work, plan)
    )


def _arrivals(footage: Footage, streams: int, turns: Iterable[None]) -> Iterator[Arrival]:
    return (
        _arrived(footage, number, turn) for turn, _ in enumerate(turns) for number in range(streams)
    )


def _arrived(footage: Footage, number: int, turn: int) -> Arrived:
    """One segment goes on in its stream, turn by turn; a file of several is a stream of its own
    each time."""
    windowed = footage.segments > 1
    stream_id = StreamId(f"{number}-{turn}" if windowed else f"{number}")
    segment = Segment(
        key=SegmentKey(stream_id=stream_id, sequence=0 if windowed else turn), source=footage.path
    )
    return Arrived(
        path=stream_id, segment=segment, name=footage.path.name, windowed=windowed, last=windowed
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

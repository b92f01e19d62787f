"""The benchmark of the whole pipeline: segments in, lines of ``scan --json`` out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from typing import Final

from scanner.bench.bench_input import BenchInput
from scanner.bench.measure import Amount, BenchPlan, BenchResult, StageMeter, measure
from scanner.compose import Program, event_lines, load_configured_scorers, open_score_job
from scanner.errors import DamagedError
from scanner.media.samples import Sample
from scanner.pipeline.scan import Scan
from scanner.pipeline.worker import LocalRunner, StreamWorker
from scanner.report.lines import ErrorLine, FrameLine, Line, SummaryLine
from scanner.scoring.scorer import Scorer, burst_gate, shadow_labels
from scanner.stream.inputs import Arrival, Runner, SegmentArrived
from scanner.types import Scores, Segment, SegmentKey, StreamId

__all__ = [
    "DECODE",
    "FOLD",
    "SCORE",
    "MeasuredRunner",
    "bench_footage",
    "bench_pipeline",
    "open_measured_runner",
    "scan_segments",
    "segment_arrival",
]

DECODE: Final = "decode"
SCORE: Final = "score"
FOLD: Final = "fold"
"""Everything in this process but inference: hand-over, folding, writing lines."""
STREAM_SECONDS: Final = 600.0
"""The least length of a stream in ``bench_footage``: what bursts may take is counted over the last
ten minutes, so that a shorter stream would cost another amount."""


class _TimedScorer:
    """A scorer that adds up its processor time and the bursts that it scored."""

    def __init__(self, scorer: Scorer) -> None:
        self.model, self.inputs = scorer.model, scorer.inputs
        self.labels, self.media = scorer.labels, scorer.media
        self.gate, self.shadow = burst_gate(scorer), shadow_labels(scorer)
        self._scorer = scorer
        self._takes_bursts = any(spec.burst is not None for spec in scorer.inputs)
        self.seconds = 0.0
        self.bursts = 0

    def score(self, batch: Sequence[Sample]) -> list[Scores]:
        """Return the scores of the batch."""
        began = time.process_time()
        scores = self._scorer.score(batch)
        self.seconds += time.process_time() - began
        self.bursts += len(batch) if self._takes_bursts else 0
        return scores


class MeasuredRunner:
    """A runner, and what is known of its work.

    Stages and bursts are told apart in this process only: with workers, ``meter`` is None and no
    burst is counted.
    """

    def __init__(self, runner: Runner, scorers: Sequence[_TimedScorer] = ()) -> None:
        self.runner = runner
        self._scorers = scorers

    @property
    def bursts(self) -> int:
        """Number of bursts that were scored so far."""
        return sum(scorer.bursts for scorer in self._scorers)

    @property
    def meter(self) -> StageMeter | None:
        """The processor time of each stage so far; None with workers."""
        return self._stages if self._scorers else None

    def _stages(self, own: float, children: float) -> Mapping[str, float]:
        scored = sum(scorer.seconds for scorer in self._scorers)
        return {DECODE: children, SCORE: scored, FOLD: own - scored}


@contextmanager
def open_measured_runner(program: Program) -> Iterator[MeasuredRunner]:
    """Open a runner in this process that tells its stages apart: children decode, and this process
    scores and folds."""
    scorers = tuple(_TimedScorer(one) for one in load_configured_scorers(program.settings))
    with open_score_job(program.settings, program.policies, lambda: scorers) as score:
        yield MeasuredRunner(LocalRunner(StreamWorker(score, program.policies)), scorers)


def bench_pipeline(
    video: BenchInput, program: Program, measured: MeasuredRunner, streams: int, plan: BenchPlan
) -> BenchResult:
    """Measure the whole pipeline on the video, sent as segments of several streams in turn.

    Raises:
        DamagedError: a part of the video could not be scanned.
    """

    def work(turns: Iterable[None]) -> Amount:
        bursts = measured.bursts
        frames, seconds = _scan(_arrivals(video, streams, turns), program, measured.runner)
        return Amount(
            units=round(seconds / video.seconds * video.segments),
            samples=frames,
            media_seconds=seconds,
            bursts=measured.bursts - bursts,
        )

    return BenchResult(
        bench="pipeline",
        name=f"{streams} streams",
        unit="segment",
        provider=None,
        runs=measure(work, plan, measured.meter),
    )


def bench_footage(
    name: str,
    videos: Sequence[BenchInput],
    program: Program,
    measured: MeasuredRunner,
    plan: BenchPlan,
    *,
    seconds: float = STREAM_SECONDS,
) -> BenchResult:
    """Measure the whole pipeline on a stream of at least ``seconds`` that shows the videos in turn.

    A video of one window is a segment of the stream; a longer one is a stream of its own.

    Raises:
        DamagedError: a part of a video could not be scanned.
    """

    def work(turns: Iterable[None]) -> Amount:
        units, frames, length, bursts = 0, 0, 0.0, measured.bursts
        for turn, _ in enumerate(turns):
            shown = list(_fill_stream(videos, seconds))
            found, took = _scan(_arrive_in_turn(shown, turn), program, measured.runner)
            units += sum(video.segments for video in shown)
            frames, length = frames + found, length + took
        return Amount(
            units=units,
            samples=frames,
            media_seconds=length,
            bursts=measured.bursts - bursts,
        )

    # starts processes and fills caches
    _scan(_arrive_in_turn(videos[:1], 0), program, measured.runner)
    runs = measure(work, replace(plan, warm_up=0), measured.meter)
    return BenchResult(bench="pipeline", name=name, unit="segment", provider=None, runs=runs)


def scan_segments(
    program: Program, arrivals: Iterable[Arrival], runner: Runner
) -> Iterator[tuple[Line, ...]]:
    """Yield the lines of each event of a scan.

    Raises:
        DamagedError: a part of the input could not be scanned.
    """
    for event in Scan(arrivals, runner, missing_after=program.settings.stream.missing_after):
        lines = tuple(event_lines(event))
        for line in lines:
            if isinstance(line, ErrorLine):
                raise DamagedError(line.message, kind=line.kind)
        yield lines


def _scan(arrivals: Iterable[Arrival], program: Program, runner: Runner) -> tuple[int, float]:
    """Scan everything, and return the number of frames and the seconds of video."""
    frames, seconds = 0, 0.0
    for lines in scan_segments(program, arrivals, runner):
        frames += sum(isinstance(line, FrameLine) for line in lines)
        seconds += sum(line.duration for line in lines if isinstance(line, SummaryLine))
    return frames, seconds


def _fill_stream(videos: Sequence[BenchInput], length: float) -> Iterator[BenchInput]:
    """Yield the videos in turn until they are ``length`` seconds long together."""
    seconds = 0.0
    for video in cycle(videos):
        yield video
        seconds += video.seconds
        if seconds >= length:
            return


def _arrive_in_turn(videos: Sequence[BenchInput], turn: int) -> Iterator[Arrival]:
    """Yield the videos as segments of one stream, those of several windows as streams of their
    own."""
    stream_id, sequence = StreamId(f"footage-{turn}"), 0
    for number, video in enumerate(videos):
        if video.segments > 1:
            yield segment_arrival(video, number, turn)
            continue
        key = SegmentKey(stream_id=stream_id, sequence=sequence)
        segment = Segment(key=key, source=video.path, discontinuity=True)
        yield SegmentArrived(path=stream_id, segment=segment, name=video.path.name)
        sequence += 1


def _arrivals(video: BenchInput, streams: int, turns: Iterable[None]) -> Iterator[Arrival]:
    return (
        segment_arrival(video, number, turn)
        for turn, _ in enumerate(turns)
        for number in range(streams)
    )


def segment_arrival(video: BenchInput, number: int, turn: int) -> SegmentArrived:
    """Return the arrival of segment ``turn`` of stream ``number``: a file of one segment continues
    its stream turn by turn, a longer one is a new stream each time."""
    windowed = video.segments > 1
    stream_id = StreamId(f"{number}-{turn}" if windowed else f"{number}")
    segment = Segment(
        key=SegmentKey(stream_id=stream_id, sequence=0 if windowed else turn), source=video.path
    )
    return SegmentArrived(
        path=stream_id, segment=segment, name=video.path.name, windowed=windowed, last=windowed
    )

"""Scored segments without a decoder or a model, and the events of a stream that folds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from typing import TypeVar, cast, overload

from scanner.compose import event_lines
from scanner.errors import InputError
from scanner.pipeline.scan import ScanEvent, scan
from scanner.pipeline.worker import LocalRunner, StreamWorker
from scanner.report.lines import Line, lines_of
from scanner.risk.policy import Policies, Policy
from scanner.scoring.bursts import merge_bursts
from scanner.stream.advance import advance
from scanner.stream.burst_account import BurstAccount
from scanner.stream.events import StreamEvent
from scanner.stream.inputs import (
    Arrival,
    EndTurn,
    FailedSegment,
    Job,
    Outcome,
    SegmentArrived,
    StreamInput,
)
from scanner.stream.state import StreamState
from scanner.types import (
    Burst,
    Label,
    MediaInfo,
    Medium,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    Segment,
    SegmentKey,
    SegmentTimes,
    StreamId,
)

STREAM = StreamId("s")
FIRE = Label("fire")
L = TypeVar("L")

POLICIES = Policies(labels={FIRE: Policy(category="hazard", severity=2, open=2.0)})
MODEL = ModelRef(name="fake", version="1")
CLIP_MODEL = ModelRef(name="fake-clip", version="1")
BURST = Burst(frames=5, rate=4)
TICK = Fraction(1, 90_000)


def segment(
    sequence: int,
    fire: Mapping[float, float],
    *,
    seconds: int = 4,
    first_pts: int | None = None,
    discontinuity: bool = False,
    still: bool = False,
    medium: Mapping[Medium, float] | None = None,
    bursts: Mapping[float, float] | None = None,
    stream: StreamId = STREAM,
    whole_file: bool = False,
) -> ScoredSegment:
    """Return a segment with scores of ``fire`` by second; without ``first_pts`` its time stamps
    continue those of the segment before it.

    ``bursts`` are the scores of a burst model, by the second at which each burst begins; a burst
    lasts one second.
    """
    start = sequence * seconds * 90_000 if first_pts is None else first_pts
    frames = tuple(_frame(start, at, value, medium or {}) for at, value in fire.items())
    if bursts:
        frames = merge_bursts(
            frames, [_burst(start, Fraction(at), value) for at, value in bursts.items()]
        )
    info = MediaInfo(container="mpegts", codec="h264", width=640, height=360, still=still)
    return ScoredSegment(
        key=SegmentKey(stream_id=stream, sequence=sequence),
        times=_times(start, seconds),
        frames=frames,
        unseen=(),
        info=info,
        discontinuity=discontinuity,
        whole_file=whole_file,
    )


def _frame(start: int, at: float, value: float, medium: Mapping[Medium, float]) -> ScoredFrame:
    return ScoredFrame(
        at=Fraction(at).limit_denominator(90_000),
        pts=start + round(at * 90_000),
        keyframe=True,
        scores=(Scores(model=MODEL, values={FIRE: value}, medium=medium),),
    )


def _times(start: int, seconds: int) -> SegmentTimes:
    return SegmentTimes(
        first_pts=start,
        last_pts=start + seconds * 90_000 - 3_000,
        duration=Fraction(seconds),
        time_base=TICK,
        wrap_bits=33,
    )


def _burst(first_pts: int, start: Fraction, value: float) -> ScoredFrame:
    scores = Scores(model=CLIP_MODEL, values={FIRE: value})
    pts = first_pts + round((start + BURST.length) * 90_000)
    return ScoredFrame(
        at=start + BURST.length, pts=pts, keyframe=False, scores=(scores,), burst=BURST, start=start
    )


def failed(sequence: int, error: InputError, *, stream: StreamId = STREAM) -> FailedSegment:
    """Return a segment that failed with this error."""
    return FailedSegment.from_error(SegmentKey(stream_id=stream, sequence=sequence), error)


def fold(
    *inputs: StreamInput, policies: Policies = POLICIES, state: StreamState | None = None
) -> list[StreamEvent]:
    """Return the events of one stream's inputs."""
    state = state or StreamState.new(STREAM)
    events: list[StreamEvent] = []
    for stream_input in inputs:
        state, caused = advance(state, stream_input, policies)
        events += caused
    return events


def fold_to_end(*inputs: StreamInput, policies: Policies = POLICIES) -> list[StreamEvent]:
    """Return the events of a whole stream."""
    return fold(*inputs, EndTurn(stream_id=STREAM, path="path"), policies=policies)


@overload
def lines(events: Iterable[StreamEvent | ScanEvent]) -> list[Line]: ...
@overload
def lines(events: Iterable[StreamEvent | ScanEvent], kind: type[L]) -> list[L]: ...
def lines(
    events: Iterable[StreamEvent | ScanEvent], kind: type[L] | None = None
) -> list[L] | list[Line]:
    """Return the lines of the events, or only those of a kind."""
    found: list[Line] = [
        line
        for event in events
        for line in (
            event_lines(event) if isinstance(event, ScanEvent) else lines_of("path", event)
        )
    ]
    if kind is None:
        return found
    return cast("list[L]", [line for line in found if isinstance(line, kind)])


def arrived(
    sequence: int = 0, *, stream: StreamId = STREAM, last: bool = False, windowed: bool = False
) -> SegmentArrived:
    """Return one arrival; its bytes are never read."""
    key = SegmentKey(stream_id=stream, sequence=sequence)
    return SegmentArrived(
        path=stream,
        segment=Segment(key=key, source=b""),
        name=f"{stream}/{sequence}",
        last=last,
        windowed=windowed,
    )


class FakeScores:
    """Returns prepared outcomes for jobs, and counts the jobs."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = {outcome.key: outcome for outcome in outcomes}
        self.names: list[str] = []

    def score(
        self, job: Job, first_window: int = 0, account: BurstAccount | None = None
    ) -> Iterator[Outcome]:
        self.names.append(job.name)
        yield self._outcomes[job.segment.key]

    def runner(self, policies: Policies = POLICIES) -> LocalRunner:
        return LocalRunner(StreamWorker(self.score, policies))


def scan_events(
    arrivals: Iterable[Arrival], *outcomes: Outcome, policies: Policies = POLICIES
) -> list[ScanEvent]:
    """Return the events of a scan whose jobs have these outcomes."""
    return list(scan(arrivals, FakeScores(*outcomes).runner(policies)))

"""Scored segments out of thin air: what a runner would say, without a decoder or a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from scanner.arrivals import Arrived
from scanner.lines import Line
from scanner.risk.policy import Policies, Policy
from scanner.runner import Failed, Finished, Job, Outcome
from scanner.scan import Said
from scanner.scoring.bursts import merge_bursts
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
) -> ScoredSegment:
    """A segment of ``seconds``, its fire scores by second; unless told otherwise its clock goes on
    from the one before it.

    ``bursts`` are the scores of a model of bursts, by the second at which each begins; it lasts one
    second.
    """
    start = sequence * seconds * 90_000 if first_pts is None else first_pts
    frames = tuple(
        ScoredFrame(
            at=Fraction(at).limit_denominator(90_000),
            pts=start + round(at * 90_000),
            keyframe=True,
            scores=(Scores(model=MODEL, values={FIRE: value}, medium=medium or {}),),
        )
        for at, value in fire.items()
    )
    if bursts:
        frames = merge_bursts(
            frames, [_burst(start, Fraction(at), value) for at, value in bursts.items()]
        )
    times = SegmentTimes(
        first_pts=start,
        last_pts=start + seconds * 90_000 - 3_000,
        duration=Fraction(seconds),
        time_base=TICK,
        wrap_bits=33,
    )
    info = MediaInfo(container="mpegts", codec="h264", width=640, height=360, still=still)
    key = SegmentKey(stream_id=stream, sequence=sequence)
    return ScoredSegment(
        key=key, times=times, frames=frames, unseen=(), info=info, discontinuity=discontinuity
    )


def _burst(first_pts: int, start: Fraction, value: float) -> ScoredFrame:
    said = Scores(model=CLIP_MODEL, values={FIRE: value})
    pts = first_pts + round((start + BURST.length) * 90_000)
    return ScoredFrame(
        at=start + BURST.length, pts=pts, keyframe=False, scores=(said,), burst=BURST, start=start
    )


def arrived(sequence: int = 0, *, stream: StreamId = STREAM, last: bool = False) -> Arrived:
    """One arrival; nobody will read its bytes."""
    key = SegmentKey(stream_id=stream, sequence=sequence)
    return Arrived(
        path=stream, segment=Segment(key=key, source=b""), name=f"{stream}/{sequence}", last=last
    )


class FakeRunner:
    """Says what it was told to say of each job."""

    def __init__(self, outcomes: Mapping[SegmentKey, ScoredSegment | Failed]) -> None:
        self._outcomes = outcomes
        self.names: list[str] = []

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for job in jobs:
            self.names.append(job.name)
            yield self._outcomes[job.segment.key]
            yield Finished(key=job.segment.key)


def runner(*outcomes: ScoredSegment | Failed) -> FakeRunner:
    """A runner that knows these."""
    return FakeRunner({outcome.key: outcome for outcome in outcomes})


def lines(said: Iterable[Said], kind: type[Line] | None = None) -> list[Line]:
    """Only the lines, or only those of a kind."""
    return [
        one for one in said if isinstance(one, Line) and (kind is None or isinstance(one, kind))
    ]

"""Events of one stream, made by hand: no decoder, model or fold."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from scanner.risk.incident import Incident, Reason
from scanner.risk.policy import Policies, Policy
from scanner.stream.events import FrameRisk, SegmentScored
from scanner.stream.inputs import Job
from scanner.types import (
    Label,
    MediaInfo,
    ScoredFrame,
    ScoredSegment,
    Segment,
    SegmentKey,
    SegmentTimes,
    Source,
    Span,
    StreamId,
)

STREAM = StreamId("s")
FIRE = Label("fire")
POLICIES = Policies(labels={FIRE: Policy(category="hazard", severity=2, open=2.0)})
TICK = Fraction(1, 90_000)


def scored(
    sequence: int,
    levels: Mapping[float, float] | None = None,
    *,
    seconds: int = 4,
    offset: int | None = None,
    first_pts: int | None = None,
    discontinuity: bool = False,
    still: bool = False,
    whole_file: bool = False,
) -> SegmentScored:
    """Return a segment of ``seconds`` that follows the ones before it; ``levels`` are those of fire
    by the second within the segment."""
    start = Fraction(sequence * seconds if offset is None else offset)
    pts = int(start / TICK) if first_pts is None else first_pts
    at_levels = {Fraction(at).limit_denominator(90_000): v for at, v in (levels or {}).items()}
    frames = tuple(
        ScoredFrame(at=at, pts=pts + int(at / TICK), keyframe=True, scores=()) for at in at_levels
    )
    times = SegmentTimes(
        first_pts=pts, last_pts=pts, duration=Fraction(seconds), time_base=TICK, wrap_bits=33
    )
    segment = ScoredSegment(
        key=SegmentKey(stream_id=STREAM, sequence=sequence),
        times=times,
        frames=frames,
        unseen=(),
        info=MediaInfo(container="mpegts", codec="h264", width=640, height=360, still=still),
        discontinuity=discontinuity,
        whole_file=whole_file,
    )
    risks = tuple(FrameRisk(levels={FIRE: level}) for level in at_levels.values())
    return SegmentScored(segment=segment, offset=start, risks=risks)


def job(
    source: Source = Path("a.ts"), *, windowed: bool = False, init: Source | None = None
) -> Job:
    """Return the job of a source."""
    key = SegmentKey(stream_id=STREAM, sequence=0)
    segment = Segment(key=key, source=source, init=init)
    return Job(segment=segment, name="a.ts", windowed=windowed)


def incident(
    start: float, end: float | None = None, *, revision: int = 1, label: Label = FIRE
) -> Incident:
    """Return an incident that opened 2 s after its start; over if it has an end."""
    return Incident(
        id="5f1e",
        stream_id=STREAM,
        label=label,
        labels=(label,),
        category="hazard",
        severity=2,
        start=Fraction(start),
        opened=Fraction(start) + 2,
        end=None if end is None else Fraction(end),
        peak=0.7,
        revision=revision,
        reason=None if end is None else Reason.QUIET,
    )


def span(start: float, end: float) -> Span:
    """Return the span of these seconds."""
    return Span(start=Fraction(start), end=Fraction(end))

"""Scored segments, and the values within events, as ``json.dumps`` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.types import (
    Burst,
    Label,
    MediaInfo,
    Medium,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    ScoringWork,
    SegmentKey,
    SegmentTimes,
    Span,
    StreamId,
    Unseen,
)

__all__ = [
    "Json",
    "dump_key",
    "dump_segment",
    "dump_span",
    "dump_unseen",
    "load_key",
    "load_segment",
    "load_span",
    "load_unseen",
    "values_by_label",
    "values_by_medium",
]

Json = dict[str, Any]


def dump_segment(segment: ScoredSegment) -> Json:
    """Return a scored segment as ``json.dumps`` takes it."""
    times, info = segment.times, segment.info
    declared: Json = (
        {} if segment.declared is None else {"declared": dump_fraction(segment.declared)}
    )
    damaged: Json = (
        {"damaged": [_dump_frame(frame) for frame in segment.damaged]} if segment.damaged else {}
    )
    return {
        "key": [segment.key.stream_id, segment.key.sequence],
        "times": [
            times.first_pts,
            times.last_pts,
            dump_fraction(times.duration),
            dump_fraction(times.time_base),
            times.wrap_bits,
        ],
        "frames": [_dump_frame(frame) for frame in segment.frames],
        "unseen": [dump_unseen(gap) for gap in segment.unseen],
        "info": [info.container, info.codec, info.width, info.height, info.still],
        "begins": dump_fraction(segment.begins),
        "discontinuity": segment.discontinuity,
        "last": segment.last,
        "whole_file": segment.whole_file,
        "work": [segment.work.frames, segment.work.bursts],
        "has_keyframe": segment.has_keyframe,
        **declared,
        **damaged,
    }


def load_segment(data: Mapping[str, Any]) -> ScoredSegment:
    """Return the segment that ``dump_segment`` wrote."""
    first_pts, last_pts, duration, time_base, wrap_bits = data["times"]
    container, codec, width, height, still = data["info"]
    return ScoredSegment(
        key=load_key(data["key"]),
        times=SegmentTimes(
            first_pts=first_pts,
            last_pts=last_pts,
            duration=load_fraction(duration),
            time_base=load_fraction(time_base),
            wrap_bits=wrap_bits,
        ),
        frames=tuple(_load_frame(row) for row in data["frames"]),
        unseen=tuple(load_unseen(row) for row in data["unseen"]),
        info=MediaInfo(container=container, codec=codec, width=width, height=height, still=still),
        begins=load_fraction(data["begins"]),
        discontinuity=data["discontinuity"],
        last=data["last"],
        whole_file=data["whole_file"],
        declared=load_optional(data.get("declared")),
        work=ScoringWork(frames=data["work"][0], bursts=data["work"][1]),
        has_keyframe=data["has_keyframe"],
        damaged=tuple(_load_frame(row) for row in data.get("damaged", ())),
    )


def _dump_frame(frame: ScoredFrame) -> Json:
    row: Json = {
        "at": dump_fraction(frame.at),
        "pts": frame.pts,
        "keyframe": frame.keyframe,
        "scores": [
            [s.model.name, s.model.version, dict(s.values), dict(s.medium), dict(s.shadow)]
            for s in frame.scores
        ],
    }
    if frame.reused:
        row["reused"] = True
    if frame.burst is not None:
        row["burst"] = [frame.burst.frames, frame.burst.rate]
        row["start"] = dump_optional(frame.start)
    if frame.context_medium:
        row["context_medium"] = dict(frame.context_medium)
    if frame.superseded_labels:
        row["superseded"] = sorted(frame.superseded_labels)
    return row


def _load_frame(row: Mapping[str, Any]) -> ScoredFrame:
    burst = row.get("burst")
    return ScoredFrame(
        at=load_fraction(row["at"]),
        pts=row["pts"],
        keyframe=row["keyframe"],
        scores=tuple(
            Scores(
                model=ModelRef(name=name, version=version),
                values=values_by_label(values),
                medium=values_by_medium(medium),
                shadow=values_by_label(shadow),
            )
            for name, version, values, medium, shadow in row["scores"]
        ),
        reused=row.get("reused", False),
        burst=None if burst is None else Burst(frames=burst[0], rate=burst[1]),
        start=load_optional(row.get("start")),
        context_medium=values_by_medium(row.get("context_medium", {})),
        superseded_labels=frozenset(Label(label) for label in row.get("superseded", ())),
    )


def load_key(row: list[Any]) -> SegmentKey:
    stream_id, sequence = row
    return SegmentKey(stream_id=StreamId(stream_id), sequence=sequence)


def dump_key(key: SegmentKey) -> list[Any]:
    return [key.stream_id, key.sequence]


def dump_span(span: Span) -> list[list[int]]:
    return [dump_fraction(span.start), dump_fraction(span.end)]


def load_span(row: list[list[int]]) -> Span:
    start, end = row
    return Span(start=load_fraction(start), end=load_fraction(end))


def dump_unseen(gap: Unseen) -> list[Any]:
    return [*dump_span(gap.span), gap.reason]


def load_unseen(row: list[Any]) -> Unseen:
    *span, reason = row
    return Unseen(span=load_span(span), reason=reason)


def values_by_label(values: Mapping[str, Any]) -> dict[Label, Any]:
    return {Label(label): value for label, value in values.items()}


def values_by_medium(values: Mapping[str, float]) -> dict[Medium, float]:
    return {Medium(name): value for name, value in values.items()}

"""The codec of events: a line of JSON each, exact and versioned.

A recording (``scan --record``) consists of these lines. Times are pairs of integers and scores are
floats in Python's shortest form, so an event that was read equals the one that was written.
``input_of`` returns the input that caused an event, to be folded again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from scanner.errors import FormatError
from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.risk.incident import Closed, Extended, Incident, Opened
from scanner.risk.observation import Signal
from scanner.stream.events import (
    FrameRisk,
    GapFound,
    NothingDecoded,
    SegmentFailed,
    SegmentLate,
    SegmentScored,
    SegmentsMissing,
    SegmentUnavailable,
    SignalReceived,
    StreamEvent,
    StreamFinished,
    StreamStalled,
    StreamSummary,
)
from scanner.stream.inputs import (
    EndTurn,
    FailedSegment,
    LateSegment,
    LostTurn,
    MissingTurn,
    SignalTurn,
    StallTurn,
    StreamInput,
)
from scanner.types import (
    Burst,
    Label,
    MediaInfo,
    Medium,
    ModelRef,
    ScoredFrame,
    ScoredSegment,
    Scores,
    SegmentKey,
    SegmentTimes,
    Span,
    StreamId,
    Unseen,
)

__all__ = [
    "VERSION",
    "dump_event",
    "dump_segment",
    "input_of",
    "load_event",
    "load_segment",
    "read_record",
    "record_line",
]

VERSION: Final = 1
"""Version of the records; a reader refuses every other one."""

Json = dict[str, Any]


def record_line(path: str, stream_id: StreamId, event: StreamEvent) -> str:
    """Return one line of a recording: an event with its stream and its path."""
    row = {"v": VERSION, "path": path, "stream_id": stream_id, **dump_event(event)}
    return json.dumps(row, allow_nan=False)


def read_record(rows: Iterable[str]) -> Iterator[tuple[str, StreamId, StreamEvent]]:
    """Yield path, stream and event of each line of a recording; blank lines are skipped.

    Raises:
        FormatError: a line is no record, or has another version.
    """
    for row in rows:
        if not row.strip():
            continue
        try:
            data = json.loads(row)
            if data["v"] != VERSION:
                raise FormatError(f"record: version {data['v']!r}, this release reads {VERSION}")
            yield data["path"], StreamId(data["stream_id"]), load_event(data)
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"not a record: {row[:80]!r} ({error})") from error


def input_of(event: StreamEvent, *, path: str = "") -> StreamInput | None:
    """Return the input that caused an event, or None for an event that follows from others.

    ``path`` names the stream in an error line, if no frame of it was decoded.
    """
    stream_input: StreamInput | None = None
    match event:
        case SegmentScored():
            stream_input = event.segment
        case SegmentFailed():
            stream_input = _failed(event)
        case SegmentUnavailable():
            stream_input = LostTurn(
                key=event.key,
                kind=event.kind,
                message=event.message,
                duration=event.duration,
                discontinuity=event.discontinuity,
            )
        case SegmentsMissing(stream_id=stream_id, first=first, last=last):
            stream_input = MissingTurn(stream_id=stream_id, first=first, last=last)
        case SegmentLate(outcome=SegmentFailed() as failed):
            stream_input = LateSegment(outcome=_failed(failed))
        case SegmentLate(outcome=ScoredSegment() as segment):
            stream_input = LateSegment(outcome=segment)
        case SignalReceived(stream_id=stream_id, signal=signal):
            stream_input = SignalTurn(stream_id=stream_id, signal=signal)
        case StreamStalled(stream_id=stream_id):
            stream_input = StallTurn(stream_id=stream_id)
        case StreamFinished(stream_id=stream_id):
            stream_input = EndTurn(stream_id=stream_id, path=path)
    return stream_input


def dump_event(event: StreamEvent) -> Json:
    """Return the event as ``json.dumps`` takes it; its key ``event`` names its class."""
    return {"event": type(event).__name__, **_DUMPS[type(event)](event)}


def load_event(data: Mapping[str, Any]) -> StreamEvent:
    """Return the event that ``dump_event`` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is no event.
    """
    return _LOADS[data["event"]](data)


# Segments


def dump_segment(segment: ScoredSegment) -> Json:
    """Return a scored segment as ``json.dumps`` takes it."""
    times, info = segment.times, segment.info
    declared: Json = (
        {} if segment.declared is None else {"declared": dump_fraction(segment.declared)}
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
        "unseen": [_dump_unseen(gap) for gap in segment.unseen],
        "info": [info.container, info.codec, info.width, info.height, info.still],
        "begins": dump_fraction(segment.begins),
        "discontinuity": segment.discontinuity,
        "last": segment.last,
        "whole_file": segment.whole_file,
        **declared,
    }


def load_segment(data: Mapping[str, Any]) -> ScoredSegment:
    """Return the segment that ``dump_segment`` wrote."""
    first_pts, last_pts, duration, time_base, wrap_bits = data["times"]
    container, codec, width, height, still = data["info"]
    return ScoredSegment(
        key=_load_key(data["key"]),
        times=SegmentTimes(
            first_pts=first_pts,
            last_pts=last_pts,
            duration=load_fraction(duration),
            time_base=load_fraction(time_base),
            wrap_bits=wrap_bits,
        ),
        frames=tuple(_load_frame(row) for row in data["frames"]),
        unseen=tuple(_load_unseen(row) for row in data["unseen"]),
        info=MediaInfo(container=container, codec=codec, width=width, height=height, still=still),
        begins=load_fraction(data["begins"]),
        discontinuity=data["discontinuity"],
        last=data["last"],
        whole_file=data["whole_file"],
        declared=load_optional(data.get("declared")),
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
                values=_by_label(values),
                medium=_by_medium(medium),
                shadow=_by_label(shadow),
            )
            for name, version, values, medium, shadow in row["scores"]
        ),
        reused=row.get("reused", False),
        burst=None if burst is None else Burst(frames=burst[0], rate=burst[1]),
        start=load_optional(row.get("start")),
        context_medium=_by_medium(row.get("context_medium", {})),
        superseded_labels=frozenset(Label(label) for label in row.get("superseded", ())),
    )


# Parts


def _failed(event: SegmentFailed) -> FailedSegment:
    return FailedSegment(
        key=event.key,
        kind=event.kind,
        message=event.message,
        quarantined=event.quarantined,
        duration=event.duration,
        discontinuity=event.discontinuity,
    )


def _load_key(row: list[Any]) -> SegmentKey:
    stream_id, sequence = row
    return SegmentKey(stream_id=StreamId(stream_id), sequence=sequence)


def _dump_key(key: SegmentKey) -> list[Any]:
    return [key.stream_id, key.sequence]


def _dump_span(span: Span) -> list[list[int]]:
    return [dump_fraction(span.start), dump_fraction(span.end)]


def _load_span(row: list[list[int]]) -> Span:
    start, end = row
    return Span(start=load_fraction(start), end=load_fraction(end))


def _dump_unseen(gap: Unseen) -> list[Any]:
    return [*_dump_span(gap.span), gap.reason]


def _load_unseen(row: list[Any]) -> Unseen:
    *span, reason = row
    return Unseen(span=_load_span(span), reason=reason)


def _by_label(values: Mapping[str, Any]) -> dict[Label, Any]:
    return {Label(label): value for label, value in values.items()}


def _by_medium(values: Mapping[str, float]) -> dict[Medium, float]:
    return {Medium(name): value for name, value in values.items()}


def _dump_scored(event: SegmentScored) -> Json:
    return {
        "segment": dump_segment(event.segment),
        "offset": dump_fraction(event.offset),
        "risks": [[dict(risk.levels), dict(risk.boosts)] for risk in event.risks],
    }


def _load_scored(data: Mapping[str, Any]) -> SegmentScored:
    return SegmentScored(
        segment=load_segment(data["segment"]),
        offset=load_fraction(data["offset"]),
        risks=tuple(
            FrameRisk(levels=_by_label(levels), boosts=_by_label(boosts))
            for levels, boosts in data["risks"]
        ),
    )


def _dump_failed(event: SegmentFailed) -> Json:
    return {
        "key": _dump_key(event.key),
        "kind": event.kind,
        "message": event.message,
        "quarantined": event.quarantined,
        **_dump_declared(event),
    }


def _load_failed(data: Mapping[str, Any]) -> SegmentFailed:
    return SegmentFailed(
        key=_load_key(data["key"]),
        kind=data["kind"],
        message=data["message"],
        quarantined=data["quarantined"],
        duration=load_optional(data.get("duration")),
        discontinuity=data.get("discontinuity", False),
    )


def _dump_unavailable(event: SegmentUnavailable) -> Json:
    return {
        "key": _dump_key(event.key),
        "kind": event.kind,
        "message": event.message,
        **_dump_declared(event),
    }


def _dump_declared(event: SegmentFailed | SegmentUnavailable) -> Json:
    """Return what the sender declared of a segment, as far as it did."""
    row: Json = {}
    if event.duration is not None:
        row["duration"] = dump_fraction(event.duration)
    if event.discontinuity:
        row["discontinuity"] = True
    return row


def _load_unavailable(data: Mapping[str, Any]) -> SegmentUnavailable:
    return SegmentUnavailable(
        key=_load_key(data["key"]),
        kind=data["kind"],
        message=data["message"],
        duration=load_optional(data.get("duration")),
        discontinuity=data.get("discontinuity", False),
    )


def _dump_missing(event: SegmentsMissing) -> Json:
    return {"stream_id": event.stream_id, "first": event.first, "last": event.last}


def _load_missing(data: Mapping[str, Any]) -> SegmentsMissing:
    return SegmentsMissing(
        stream_id=StreamId(data["stream_id"]), first=data["first"], last=data["last"]
    )


def _dump_late(event: SegmentLate) -> Json:
    outcome = event.outcome
    kind, row = (
        ("failed", _dump_failed(outcome))
        if isinstance(outcome, SegmentFailed)
        else ("scored", dump_segment(outcome))
    )
    return {kind: row, "span": None if event.span is None else _dump_span(event.span)}


def _load_late(data: Mapping[str, Any]) -> SegmentLate:
    span = None if data["span"] is None else _load_span(data["span"])
    if "failed" in data:
        return SegmentLate(outcome=_load_failed(data["failed"]), span=span)
    return SegmentLate(outcome=load_segment(data["scored"]), span=span)


def _dump_signal(event: SignalReceived) -> Json:
    return {"stream_id": event.stream_id, "signal": event.signal.to_json()}


def _load_signal(data: Mapping[str, Any]) -> SignalReceived:
    return SignalReceived(
        stream_id=StreamId(data["stream_id"]), signal=Signal.from_json(data["signal"])
    )


def _dump_nothing(event: NothingDecoded) -> Json:
    return {"kind": event.kind, "message": event.message}


def _load_nothing(data: Mapping[str, Any]) -> NothingDecoded:
    return NothingDecoded(kind=data["kind"], message=data["message"])


def _dump_incident(event: Opened | Extended | Closed) -> Json:
    return {"at": dump_fraction(event.at), "incident": event.incident.to_json()}


def _incident_loader(
    kind: type[Opened] | type[Extended] | type[Closed],
) -> Callable[[Mapping[str, Any]], StreamEvent]:
    def load(data: Mapping[str, Any]) -> StreamEvent:
        return kind(at=load_fraction(data["at"]), incident=Incident.from_json(data["incident"]))

    return load


def _dump_finished(event: StreamFinished) -> Json:
    summary = event.summary
    if summary is None:
        return {"stream_id": event.stream_id, "summary": None}
    return {
        "stream_id": event.stream_id,
        "summary": {
            "duration": dump_fraction(summary.duration),
            "frames": summary.frames,
            "coverage": summary.coverage,
            "medium": dict(summary.medium),
            "peak_risk": dict(summary.peak_risk),
            "peak_level": dict(summary.peak_level),
            "peak_score": dict(summary.peak_score),
            "flagged": list(summary.flagged),
        },
    }


def _load_finished(data: Mapping[str, Any]) -> StreamFinished:
    stream_id, row = StreamId(data["stream_id"]), data["summary"]
    if row is None:
        return StreamFinished(stream_id=stream_id, summary=None)
    summary = StreamSummary(
        duration=load_fraction(row["duration"]),
        frames=row["frames"],
        coverage=row["coverage"],
        medium=_by_medium(row["medium"]),
        peak_risk=_by_label(row["peak_risk"]),
        peak_level=_by_label(row["peak_level"]),
        peak_score=_by_label(row["peak_score"]),
        flagged=tuple(Label(label) for label in row["flagged"]),
    )
    return StreamFinished(stream_id=stream_id, summary=summary)


_DUMPS: Final[Mapping[type, Callable[[Any], Json]]] = {
    SegmentScored: _dump_scored,
    SegmentFailed: _dump_failed,
    SegmentUnavailable: _dump_unavailable,
    SegmentsMissing: _dump_missing,
    SegmentLate: _dump_late,
    SignalReceived: _dump_signal,
    StreamStalled: lambda event: {"stream_id": event.stream_id},
    GapFound: lambda event: {"unseen": _dump_unseen(event.unseen)},
    NothingDecoded: _dump_nothing,
    Opened: _dump_incident,
    Extended: _dump_incident,
    Closed: _dump_incident,
    StreamFinished: _dump_finished,
}
_LOADS: Final[Mapping[str, Callable[[Mapping[str, Any]], StreamEvent]]] = {
    "SegmentScored": _load_scored,
    "SegmentFailed": _load_failed,
    "SegmentUnavailable": _load_unavailable,
    "SegmentsMissing": _load_missing,
    "SegmentLate": _load_late,
    "SignalReceived": _load_signal,
    "StreamStalled": lambda data: StreamStalled(stream_id=StreamId(data["stream_id"])),
    "GapFound": lambda data: GapFound(unseen=_load_unseen(data["unseen"])),
    "NothingDecoded": _load_nothing,
    "Opened": _incident_loader(Opened),
    "Extended": _incident_loader(Extended),
    "Closed": _incident_loader(Closed),
    "StreamFinished": _load_finished,
}

"""Events as ``json.dumps`` takes them; the key ``event`` names the class."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from scanner.errors import FormatError
from scanner.rational import dump_fraction, load_fraction, load_optional
from scanner.records.segments import (
    Json,
    dump_key,
    dump_segment,
    dump_span,
    dump_unseen,
    load_key,
    load_segment,
    load_span,
    load_unseen,
    values_by_label,
    values_by_medium,
)
from scanner.risk.incident import Closed, Extended, Incident, Opened, PastIncident
from scanner.risk.observation import Signal
from scanner.stream.events import (
    FrameRisk,
    GapFound,
    HistoryReceived,
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
from scanner.types import (
    Label,
    StreamId,
)

__all__ = ["PACK_VERSION", "dump_event", "load_event", "pack_events", "unpack_events"]

PACK_VERSION: Final = 1
"""Version of packed events; a reader refuses every other one."""


def pack_events(events: Iterable[StreamEvent]) -> bytes:
    """Return events as compressed bytes with a version, for a journal."""
    rows = {"v": PACK_VERSION, "events": [dump_event(event) for event in events]}
    return zlib.compress(json.dumps(rows, allow_nan=False).encode(), 1)


def unpack_events(packed: bytes) -> tuple[StreamEvent, ...]:
    """Return the events that ``pack_events`` wrote.

    Raises:
        FormatError: they have another version, or are no events.
    """
    try:
        rows = json.loads(zlib.decompress(packed))
        if rows["v"] != PACK_VERSION:
            raise FormatError(f"events: version {rows['v']!r}, this release reads {PACK_VERSION}")
        return tuple(load_event(row) for row in rows["events"])
    except (zlib.error, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"events: cannot be read: {error}") from error


def dump_event(event: StreamEvent) -> Json:
    """Return the event as ``json.dumps`` takes it; its key ``event`` names its class."""
    return {"event": type(event).__name__, **_DUMPS[type(event)](event)}


def load_event(data: Mapping[str, Any]) -> StreamEvent:
    """Return the event that ``dump_event`` wrote.

    Raises:
        KeyError, TypeError, ValueError: it is no event.
    """
    return _LOADS[data["event"]](data)


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
            FrameRisk(levels=values_by_label(levels), boosts=values_by_label(boosts))
            for levels, boosts in data["risks"]
        ),
    )


def _dump_failed(event: SegmentFailed) -> Json:
    return {
        "key": dump_key(event.key),
        "kind": event.kind,
        "message": event.message,
        "quarantined": event.quarantined,
        **_dump_declared(event),
    }


def _load_failed(data: Mapping[str, Any]) -> SegmentFailed:
    return SegmentFailed(
        key=load_key(data["key"]),
        kind=data["kind"],
        message=data["message"],
        quarantined=data["quarantined"],
        duration=load_optional(data.get("duration")),
        discontinuity=data.get("discontinuity", False),
    )


def _dump_unavailable(event: SegmentUnavailable) -> Json:
    reason: Json = {} if event.reason == "missing" else {"reason": event.reason}
    return {
        "key": dump_key(event.key),
        "kind": event.kind,
        "message": event.message,
        **reason,
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
        key=load_key(data["key"]),
        reason=data.get("reason", "missing"),
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
    return {kind: row, "span": None if event.span is None else dump_span(event.span)}


def _load_late(data: Mapping[str, Any]) -> SegmentLate:
    span = None if data["span"] is None else load_span(data["span"])
    if "failed" in data:
        return SegmentLate(outcome=_load_failed(data["failed"]), span=span)
    return SegmentLate(outcome=load_segment(data["scored"]), span=span)


def _dump_signal(event: SignalReceived) -> Json:
    return {"stream_id": event.stream_id, "signal": event.signal.to_json()}


def _load_signal(data: Mapping[str, Any]) -> SignalReceived:
    return SignalReceived(
        stream_id=StreamId(data["stream_id"]), signal=Signal.from_json(data["signal"])
    )


def _dump_history(event: HistoryReceived) -> Json:
    incidents = [one.to_json() for one in event.incidents]
    return {"stream_id": event.stream_id, "incidents": incidents}


def _load_history(data: Mapping[str, Any]) -> HistoryReceived:
    incidents = tuple(PastIncident.from_json(one) for one in data["incidents"])
    return HistoryReceived(stream_id=StreamId(data["stream_id"]), incidents=incidents)


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
        medium=values_by_medium(row["medium"]),
        peak_risk=values_by_label(row["peak_risk"]),
        peak_level=values_by_label(row["peak_level"]),
        peak_score=values_by_label(row["peak_score"]),
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
    HistoryReceived: _dump_history,
    StreamStalled: lambda event: {"stream_id": event.stream_id},
    GapFound: lambda event: {"unseen": dump_unseen(event.unseen)},
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
    "HistoryReceived": _load_history,
    "StreamStalled": lambda data: StreamStalled(stream_id=StreamId(data["stream_id"])),
    "GapFound": lambda data: GapFound(unseen=load_unseen(data["unseen"])),
    "NothingDecoded": _load_nothing,
    "Opened": _incident_loader(Opened),
    "Extended": _incident_loader(Extended),
    "Closed": _incident_loader(Closed),
    "StreamFinished": _load_finished,
}

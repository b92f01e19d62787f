"""The lines of ``streamwarden scan --json``: one object a line, each with its ``type``.

These lines are a public contract: ``replay`` and other programs read them. Times are seconds of the
stream's clock, on which the first frame of a single file is at 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Literal, TypeVar

from scanner.report.nouns import Failure
from scanner.report.reasons import GAP_REASONS, SKIP_REASONS
from scanner.risk.incident import Closed, Extended, Incident, Opened
from scanner.stream.events import (
    GapFound,
    NothingDecoded,
    SegmentFailed,
    SegmentLate,
    SegmentScored,
    SegmentUnavailable,
    StreamEvent,
    StreamFinished,
    StreamSummary,
)
from scanner.stream.inputs import FilesSkipped
from scanner.types import GapReason, Label, ScoredFrame, ScoredSegment, Span, Unseen

__all__ = [
    "DamagedLine",
    "ErrorLine",
    "FrameLine",
    "GapLine",
    "IncidentLine",
    "Line",
    "OpenIncidentLine",
    "SkippedLine",
    "SummaryLine",
    "failure_of",
    "incident_line",
    "incident_values",
    "lines_of",
    "skipped_line",
    "summary_values",
    "unseen_of",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLine:
    """One sample and its scores."""

    type: ClassVar[str] = "frame"
    path: str
    sequence: int
    at: float
    pts: int
    time_base: str
    """Exact seconds per tick, as ``1/90000``."""
    scores: Mapping[str, float]
    medium: Mapping[str, float]
    """Probability of each medium; empty where no model reports it."""
    models: tuple[str, ...]
    """``name@version`` of every model that scored it."""
    burst: Mapping[str, float] | None = None
    """Set for a burst: its number of ``frames``, their ``rate`` a second and the time ``start`` of
    the first one; ``at`` is the time of the last one. Absent for one frame."""
    superseded: Mapping[str, float] = field(default_factory=dict)
    """Scores that do not count, because a nearby burst judges their labels; absent if empty."""
    shadow: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By model, scores of labels that the model is in shadow for, while another model judges them;
    absent if empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedLine:
    """A sampled frame that the decoder marks as corrupt or has concealed: its scores do not count,
    and a gap line has what it covers."""

    type: ClassVar[str] = "damaged"
    path: str
    sequence: int
    at: float
    pts: int
    time_base: str
    """Exact seconds per tick, as ``1/90000``."""
    scores: Mapping[str, float]
    """Scores of all labels, also of those that a model is in shadow for."""
    medium: Mapping[str, float]
    """Probability of each medium; empty where no model reports it."""
    models: tuple[str, ...]
    """``name@version`` of every model that scored it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GapLine:
    """A span that was not seen."""

    type: ClassVar[str] = "gap"
    path: str
    start: float
    end: float
    reason: GapReason
    message: str = ""
    """The reason in words, with a remedy where there is one; empty in lines of version 0.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncidentLine:
    """An incident that opened, or that is open and has another label, is longer or higher."""

    type: Literal["opened", "extended"]
    path: str
    stream_id: str
    id: str
    revision: int
    """Grows with each line of the incident."""
    label: str
    """The leading label: the most severe, and among equals the first."""
    labels: tuple[str, ...]
    category: str
    severity: int
    start: float
    """When it was first seen; may lie before it was known."""
    opened: float
    """The sample at which it was known."""
    at: float
    """The sample that caused this line."""
    peak: float
    """The highest risk (not score) of any of its labels so far."""
    shadow: bool
    escalation: tuple[str, ...] = ()
    """Why its severity is above that of its label, in words; absent if empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """An incident that closed."""

    type: ClassVar[str] = "incident"
    path: str
    stream_id: str = ""
    """Empty in lines of version 0.1, where it was the path."""
    id: str
    revision: int = 1
    """Greater than that of every earlier line of the incident."""
    label: str
    """The leading label: the most severe, and among equals the first."""
    labels: tuple[str, ...]
    category: str
    severity: int
    start: float
    """When it was first seen; may lie before it was known."""
    opened: float
    """The sample at which it was known."""
    end: float
    peak: float
    """The highest risk (not score) of any of its labels."""
    clip: str | None = None
    shadow: bool = False
    escalation: tuple[str, ...] = ()
    """Why its severity is above that of its label, in words; absent if empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorLine:
    """A path, or one segment of it, that could not be scanned."""

    type: ClassVar[str] = "error"
    path: str
    kind: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedLine:
    """Files of a folder that were not scanned by themselves."""

    type: ClassVar[str] = "skipped"
    path: str
    """Path of the folder."""
    kind: str
    files: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryLine:
    """The last line of each path that could be scanned."""

    type: ClassVar[str] = "summary"
    path: str
    stream_id: str = ""
    """Empty in lines of version 0.1, where it was the path."""
    duration: float
    frames: int
    medium: Mapping[str, float]
    """Share of the seen time that each medium took."""
    coverage: float
    """Share of the duration that was seen."""
    peak_risk: Mapping[str, float]
    peak_level: Mapping[str, float | None]
    """The highest level (log-odds) of each label; null where too little was seen to know."""
    peak_score: Mapping[str, float]
    flagged: tuple[str, ...]


Line = (
    FrameLine
    | DamagedLine
    | GapLine
    | OpenIncidentLine
    | IncidentLine
    | ErrorLine
    | SkippedLine
    | SummaryLine
)


def lines_of(path: str, event: StreamEvent, *, clip: str | None = None) -> Iterator[Line]:
    """Yield the lines that report one event; times become floats here and nowhere before.

    ``clip`` is the first clip's file of an incident that closed.
    """
    failure, unseen = failure_of(event), unseen_of(event)
    if failure is not None:
        yield ErrorLine(path=path, kind=failure.kind, message=failure.message)
    if unseen is not None:
        start, end = float(unseen.span.start), float(unseen.span.end)
        yield GapLine(
            path=path,
            start=start,
            end=end,
            reason=unseen.reason,
            message=GAP_REASONS[unseen.reason],
        )
    match event:
        case SegmentScored(segment=segment, offset=offset):
            for frame in segment.frames:
                yield _frame_line(path, segment, frame, offset)
            for frame in segment.damaged:
                yield _damaged_line(path, segment, frame, offset)
        case Opened(incident=incident, at=at):
            yield OpenIncidentLine(type="opened", path=path, **_open_values(incident, at))
        case Extended(incident=incident, at=at):
            yield OpenIncidentLine(type="extended", path=path, **_open_values(incident, at))
        case Closed(incident=incident):
            yield incident_line(path, incident, clip)
        case StreamFinished(stream_id=stream_id, summary=StreamSummary() as summary):
            yield SummaryLine(path=path, stream_id=stream_id, **summary_values(summary))


def skipped_line(skipped: FilesSkipped) -> SkippedLine:
    """Return the line of files that were skipped."""
    return SkippedLine(
        path=skipped.path,
        kind=skipped.kind,
        files=skipped.files,
        message=f"{skipped.path}: {skipped.files} skipped: {SKIP_REASONS[skipped.kind]}",
    )


def failure_of(event: StreamEvent) -> Failure | None:
    """Return the failure that an event reports; None where it reports none."""
    match event:
        case (
            SegmentFailed(kind=kind, message=message)
            | SegmentLate(outcome=SegmentFailed(kind=kind, message=message))
            | SegmentUnavailable(kind=str() as kind, message=message)
            | NothingDecoded(kind=kind, message=message)
        ):
            return Failure(kind=kind, message=message)
    return None


def unseen_of(event: StreamEvent) -> Unseen | None:
    """Return the span that was not seen, as an event reports it; None where it reports none."""
    match event:
        case GapFound(unseen=unseen):
            return unseen
        case SegmentLate(span=Span() as span):
            return Unseen(span=span, reason="late")
    return None


def incident_line(path: str, incident: Incident, clip: str | None = None) -> IncidentLine:
    """Return the incident as a line; the ``end`` of a running one is when it was known last."""
    return IncidentLine(
        path=path,
        stream_id=incident.stream_id,
        revision=incident.revision,
        **incident_values(incident),
        clip=clip,
        shadow=incident.shadow,
        escalation=_escalation(incident),
    )


def _open_values(incident: Incident, at: Fraction) -> dict[str, Any]:
    values = incident_values(incident)
    del values["end"]
    return {
        **values,
        "stream_id": incident.stream_id,
        "revision": incident.revision,
        "at": float(at),
        "shadow": incident.shadow,
        "escalation": _escalation(incident),
    }


def _escalation(incident: Incident) -> tuple[str, ...]:
    return tuple(step.reason for step in incident.escalation)


def incident_values(incident: Incident) -> dict[str, Any]:
    """Return the values of an incident that its line and a report share, ``id`` to ``peak``."""
    return {
        "id": incident.id,
        "label": incident.label,
        "labels": tuple(incident.labels),
        "category": incident.category,
        "severity": incident.severity,
        "start": float(incident.start),
        "opened": float(incident.opened),
        "end": float(incident.opened if incident.end is None else incident.end),
        "peak": incident.peak,
    }


def summary_values(summary: StreamSummary) -> dict[str, Any]:
    """Return the values of a whole stream that its line and a report share."""
    return {
        "duration": float(summary.duration),
        "frames": summary.frames,
        "coverage": summary.coverage,
        "peak_risk": _by_name(summary.peak_risk),
        "peak_level": _by_name(summary.peak_level),
        "peak_score": _by_name(summary.peak_score),
        "medium": {medium.value: share for medium, share in summary.medium.items()},
        "flagged": tuple(str(label) for label in summary.flagged),
    }


def _frame_line(
    path: str, segment: ScoredSegment, frame: ScoredFrame, offset: Fraction
) -> FrameLine:
    return FrameLine(
        path=path,
        sequence=segment.key.sequence,
        at=float(offset + frame.at),
        pts=frame.pts,
        time_base=str(segment.times.time_base),
        scores=_by_name(frame.values),
        medium={medium.value: share for medium, share in frame.medium.items()},
        models=tuple(str(scores.model) for scores in frame.scores),
        burst=_burst(frame, offset),
        superseded=_by_name(frame.superseded_values),
        shadow={
            str(scores.model): _by_name(scores.shadow) for scores in frame.scores if scores.shadow
        },
    )


def _damaged_line(
    path: str, segment: ScoredSegment, frame: ScoredFrame, offset: Fraction
) -> DamagedLine:
    return DamagedLine(
        path=path,
        sequence=segment.key.sequence,
        at=float(offset + frame.at),
        pts=frame.pts,
        time_base=str(segment.times.time_base),
        scores=_by_name(frame.all_values),
        medium={medium.value: share for medium, share in frame.medium.items()},
        models=tuple(str(scores.model) for scores in frame.scores),
    )


def _burst(frame: ScoredFrame, offset: Fraction) -> Mapping[str, float] | None:
    if frame.burst is None or frame.start is None:
        return None
    start = float(offset + frame.start)
    return {"frames": frame.burst.frames, "rate": frame.burst.rate, "start": start}


def _by_name(values: Mapping[Label, T]) -> dict[str, T]:
    return {str(label): value for label, value in values.items()}

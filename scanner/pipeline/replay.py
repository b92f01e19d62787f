"""Replay: recorded scores folded again under other policies, and how the incidents differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from scanner.errors import FormatError
from scanner.records.recording import Record, input_of
from scanner.report.line_text import exact, exact_at
from scanner.report.lines import (
    FrameLine,
    GapLine,
    IncidentLine,
    Line,
    OpenIncidentLine,
    SummaryLine,
)
from scanner.risk.coverage import BETWEEN
from scanner.risk.incident import Closed, Incident
from scanner.risk.observation import Sampled
from scanner.risk.policy import Policies
from scanner.stream.advance import advance
from scanner.stream.events import StreamEvent, StreamFinished, StreamSummary
from scanner.stream.inputs import EndTurn, StreamInput
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
    SegmentKey,
    SegmentTimes,
    Span,
    StreamId,
    Unseen,
)

__all__ = [
    "IncidentChanges",
    "IncidentPair",
    "Recorded",
    "RecordedStream",
    "Replayed",
    "StillChange",
    "compare_stills",
    "fold",
    "fold_inputs",
    "inputs_of_lines",
    "inputs_of_record",
    "pair_incidents",
    "sample_of_line",
]

RECORDED = ModelRef(name="recorded", version="0")
"""Model of recorded scores: a line has those of several models, merged."""
NOT_FOLDED = frozenset({BETWEEN, "late"})
"""Reasons of gaps that follow from the samples or were never folded."""


def fold_inputs(
    stream_id: StreamId,
    inputs: Iterable[StreamInput],
    policies: Policies,
    channel: str | None = None,
) -> Iterator[StreamEvent]:
    """Yield the events of one stream's recorded inputs under these policies of its channel."""
    state = StreamState.new(stream_id, channel)
    for stream_input in inputs:
        state, events = advance(state, stream_input, policies)
        yield from events


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedStream:
    """The input of one stream, as it was recorded."""

    path: str
    inputs: tuple[StreamInput, ...]
    """In the order of the fold; the last one is an ``EndTurn``."""
    complete: bool = True
    """False if the recording has no end of the stream, whose incidents end with its last sample."""
    channel: str | None = None
    """Channel of the stream; None without one, and where the recording does not have it."""


Recorded = Mapping[StreamId, RecordedStream]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The results of recorded streams under some policies."""

    incidents: tuple[Incident, ...]
    """Every incident of every stream, closed, in the order in which they closed."""
    stills: Mapping[StreamId, tuple[Label, ...]]
    """The labels that each still is flagged for; empty for one that is not flagged."""


def fold(recorded: Recorded, policies: Policies) -> Replayed:
    """Fold every stream under these policies."""
    incidents: list[Incident] = []
    stills: dict[StreamId, tuple[Label, ...]] = {}
    for stream_id, stream in recorded.items():
        for event in fold_inputs(stream_id, stream.inputs, policies, stream.channel):
            match event:
                case Closed(incident=incident):
                    incidents.append(incident)
                case StreamFinished(summary=StreamSummary() as summary) if summary.is_still:
                    stills[stream_id] = summary.flagged
    return Replayed(incidents=tuple(incidents), stills=stills)


def inputs_of_record(records: Iterable[Record]) -> dict[StreamId, RecordedStream]:
    """Return the input of each stream exactly as it was folded, from a file of ``scan --record``.

    A stream whose scan was interrupted ends with what was recorded of it.

    Raises:
        FormatError: a stream goes on after its end, as in two recordings in one file.
    """
    inputs: dict[StreamId, list[StreamInput]] = defaultdict(list)
    paths: dict[StreamId, str] = {}
    for path, stream_id, event in records:
        paths[stream_id] = path
        stream_input = input_of(event, path=path)
        if stream_input is not None:
            if inputs[stream_id] and isinstance(inputs[stream_id][-1], EndTurn):
                raise _recorded_twice(path)
            inputs[stream_id].append(stream_input)
    return {
        stream_id: _make_recorded_stream(stream_id, paths[stream_id], found)
        for stream_id, found in inputs.items()
    }


def _make_recorded_stream(
    stream_id: StreamId, path: str, inputs: list[StreamInput]
) -> RecordedStream:
    complete = isinstance(inputs[-1], EndTurn)
    end = () if complete else (EndTurn(stream_id=stream_id, path=path),)
    return RecordedStream(path=path, inputs=(*inputs, *end), complete=complete)


def inputs_of_lines(lines: Iterable[Line]) -> dict[StreamId, RecordedStream]:
    """Return the input of each path as far as the lines of ``scan --json`` have it.

    A path becomes one segment with all its frames and gaps. A path without a summary (its scan was
    interrupted) ends with its last frame. The id of its stream is that of its lines; lines of
    version 0.1 have none, and there it was the path.

    Raises:
        FormatError: a path goes on after its summary, as in the lines of two scans in one file.
    """
    paths: dict[str, _RecordedPath] = defaultdict(_RecordedPath)
    for line in lines:
        match line:
            case FrameLine() | SummaryLine() if paths[line.path].summary is not None:
                raise _recorded_twice(line.path)
            case FrameLine():
                paths[line.path].frames.append(line)
            case GapLine(reason=reason) if reason not in NOT_FOLDED:
                span = Span(start=exact(line.start), end=exact(line.end))
                paths[line.path].gaps.append(Unseen(span=span, reason=reason))
            case OpenIncidentLine() | IncidentLine():
                paths[line.path].stream_id = line.stream_id
            case SummaryLine():
                paths[line.path].stream_id = line.stream_id
                paths[line.path].summary = line
    return {
        (stream_id := StreamId(found.stream_id or path)): RecordedStream(
            path=path,
            inputs=tuple(_inputs(stream_id, path, found)),
            complete=found.summary is not None,
        )
        for path, found in paths.items()
        if found.frames or found.gaps
    }


def _recorded_twice(path: str) -> FormatError:
    return FormatError(
        f"{path}: goes on after its end: it was scanned more than once; replay each scan by itself"
    )


@dataclass(slots=True)
class _RecordedPath:
    frames: list[FrameLine] = field(default_factory=list)
    gaps: list[Unseen] = field(default_factory=list)
    stream_id: str = ""
    summary: SummaryLine | None = None

    @property
    def is_still(self) -> bool:
        summary = self.summary
        return summary is not None and summary.duration == 0.0 and not summary.peak_risk


def _inputs(stream_id: StreamId, path: str, found: _RecordedPath) -> Iterator[StreamInput]:
    frames = tuple(
        sorted((_frame_of_line(line) for line in found.frames), key=lambda frame: frame.at)
    )
    last = max((*(frame.at for frame in frames), *(gap.span.end for gap in found.gaps)))
    end = last if found.summary is None else max(exact(found.summary.duration), last)
    yield ScoredSegment(
        key=SegmentKey(stream_id=stream_id, sequence=0),
        times=SegmentTimes(first_pts=0, last_pts=0, duration=end, time_base=Fraction(1)),
        frames=frames,
        unseen=tuple(found.gaps),
        info=MediaInfo(container="", codec="", width=0, height=0, still=found.is_still),
        whole_file=found.is_still,
    )
    yield EndTurn(stream_id=stream_id, path=path)


def _frame_of_line(line: FrameLine) -> ScoredFrame:
    """Return the frame with the scores that were folded when the line was written."""
    at = exact_at(line)
    values = {Label(label): value for label, value in line.scores.items()}
    medium = {Medium(name): share for name, share in line.medium.items()}
    burst = line.burst
    return ScoredFrame(
        at=at,
        pts=line.pts,
        keyframe=False,
        scores=(Scores(model=RECORDED, values=values, medium=medium),),
        burst=None
        if burst is None
        else Burst(frames=int(burst["frames"]), rate=int(burst["rate"])),
        start=None if burst is None else exact(burst["start"]),
    )


def sample_of_line(line: FrameLine) -> Sampled:
    """Return the observation that was folded when the line was written, except for scene cuts."""
    frame = _frame_of_line(line)
    return Sampled(
        at=frame.at,
        values=frame.values,
        medium=frame.medium,
        is_burst=frame.burst is not None,
    )


# Comparing incidents


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPair:
    """One incident under two policies."""

    before: Incident
    after: Incident

    @property
    def differs(self) -> bool:
        """Whether the two have other times or labels, another severity, or one is in shadow."""
        return _outcome(self.before) != _outcome(self.after)


def _outcome(incident: Incident) -> tuple[object, ...]:
    labels = frozenset(incident.labels)
    return *_times(incident), labels, incident.severity, incident.shadow


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanges:
    """The differences of two lists of incidents; each field is in order of time."""

    gained: tuple[Incident, ...]
    lost: tuple[Incident, ...]
    moved: tuple[IncidentPair, ...]
    """Pairs with another start or end."""
    kept: tuple[IncidentPair, ...]
    """Pairs with the same start and end."""


def pair_incidents(before: Iterable[Incident], after: Iterable[Incident]) -> IncidentChanges:
    """Pair incidents of one stream that share a label and touch in time, and return the changes.

    Pairs that overlap longest are made first, and each incident is paired once. An open incident
    has no end in time.
    """
    old, new = list(before), list(after)
    candidates = [
        (_overlap(o, n), i, j)
        for i, o in enumerate(old)
        for j, n in enumerate(new)
        if _share_label(o, n)
    ]
    partner: dict[int, int] = {}
    for overlap, i, j in sorted(candidates, key=lambda pair: (-pair[0], pair[1], pair[2])):
        if overlap >= 0 and i not in partner and j not in partner.values():
            partner[i] = j
    both = sorted(
        (IncidentPair(before=old[i], after=new[j]) for i, j in partner.items()),
        key=lambda pair: pair.before.start,
    )
    return IncidentChanges(
        gained=_by_start(one for j, one in enumerate(new) if j not in partner.values()),
        lost=_by_start(one for i, one in enumerate(old) if i not in partner),
        moved=tuple(pair for pair in both if _times(pair.before) != _times(pair.after)),
        kept=tuple(pair for pair in both if _times(pair.before) == _times(pair.after)),
    )


def _share_label(one: Incident, other: Incident) -> bool:
    return one.stream_id == other.stream_id and bool({*one.labels} & {*other.labels})


def _overlap(one: Incident, other: Incident) -> Fraction | float:
    """Return the seconds in both incidents; below 0 where they do not touch."""
    ends = [incident.end for incident in (one, other) if incident.end is not None]
    start = max(one.start, other.start)
    return min(ends) - start if ends else float("inf")


def _times(incident: Incident) -> tuple[Fraction, Fraction | None]:
    return incident.start, incident.end


def _by_start(incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    return tuple(sorted(incidents, key=lambda incident: incident.start))


# Comparing stills


@dataclass(frozen=True, slots=True, kw_only=True)
class StillChange:
    """Labels that a still is flagged for under one of two policies only."""

    stream_id: StreamId
    change: Literal["gained", "lost"]
    labels: tuple[Label, ...]


def compare_stills(before: Replayed, after: Replayed) -> tuple[StillChange, ...]:
    """Return what stills are flagged for under one policy and not under the other."""
    return tuple(
        StillChange(stream_id=stream_id, change=change, labels=tuple(sorted(labels)))
        for stream_id, now in after.stills.items()
        for change, labels in _label_changes(before.stills[stream_id], now)
        if labels
    )


def _label_changes(
    before: Iterable[Label], after: Iterable[Label]
) -> tuple[tuple[Literal["gained", "lost"], set[Label]], ...]:
    return ("gained", {*after} - {*before}), ("lost", {*before} - {*after})

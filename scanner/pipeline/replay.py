"""Replay: recorded scores folded again under other policies, and how the incidents differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from scanner.records.recording import input_of, read_record
from scanner.report.lines import FrameLine, GapLine, Line, SummaryLine, exact, exact_at
from scanner.risk.coverage import BETWEEN
from scanner.risk.incident import Closed, Incident
from scanner.risk.observation import Sampled
from scanner.risk.policy import Policies
from scanner.stream.advance import advance
from scanner.stream.events import StreamEvent
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
    stream_id: StreamId, inputs: Iterable[StreamInput], policies: Policies
) -> Iterator[StreamEvent]:
    """Yield the events of one stream's recorded inputs under these policies."""
    state = StreamState.new(stream_id)
    for stream_input in inputs:
        state, events = advance(state, stream_input, policies)
        yield from events


def fold(
    recorded: Mapping[StreamId, Sequence[StreamInput]], policies: Policies
) -> tuple[Incident, ...]:
    """Return every incident of every stream, closed, in the order in which they closed."""
    return tuple(
        event.incident
        for stream_id, inputs in recorded.items()
        for event in fold_inputs(stream_id, inputs, policies)
        if isinstance(event, Closed)
    )


def inputs_of_record(rows: Iterable[str]) -> dict[StreamId, tuple[StreamInput, ...]]:
    """Return the input of each stream exactly as it was folded, from a file of ``scan --record``.

    A stream whose scan was interrupted has no end and is left open.

    Raises:
        FormatError: a row is no record.
    """
    inputs: dict[StreamId, list[StreamInput]] = defaultdict(list)
    for path, stream_id, event in read_record(rows):
        stream_input = input_of(event, path=path)
        if stream_input is not None:
            inputs[stream_id].append(stream_input)
    return {stream_id: tuple(found) for stream_id, found in inputs.items()}


def inputs_of_lines(lines: Iterable[Line]) -> dict[StreamId, tuple[StreamInput, ...]]:
    """Return the input of each path as far as the lines of ``scan --json`` have it.

    A path becomes one segment with all its frames and gaps. A path without a summary (its scan was
    interrupted) ends with its last frame. Stills have no duration and are left out.
    """
    paths: dict[str, _RecordedPath] = defaultdict(_RecordedPath)
    for line in lines:
        match line:
            case FrameLine():
                paths[line.path].frames.append(line)
            case GapLine(reason=reason) if reason not in NOT_FOLDED:
                span = Span(start=exact(line.start), end=exact(line.end))
                paths[line.path].gaps.append(Unseen(span=span, reason=reason))
            case SummaryLine():
                paths[line.path].summary = line
    return {
        StreamId(path): tuple(_inputs(path, found))
        for path, found in paths.items()
        if (found.frames or found.gaps) and not found.is_still
    }


@dataclass(slots=True)
class _RecordedPath:
    frames: list[FrameLine] = field(default_factory=list)
    gaps: list[Unseen] = field(default_factory=list)
    summary: SummaryLine | None = None

    @property
    def is_still(self) -> bool:
        summary = self.summary
        return summary is not None and summary.duration == 0.0 and not summary.peak_risk


def _inputs(path: str, found: _RecordedPath) -> Iterator[StreamInput]:
    frames = tuple(
        sorted((_frame_of_line(line) for line in found.frames), key=lambda frame: frame.at)
    )
    last = max((*(frame.at for frame in frames), *(gap.span.end for gap in found.gaps)))
    end = last if found.summary is None else max(exact(found.summary.duration), last)
    yield ScoredSegment(
        key=SegmentKey(stream_id=StreamId(path), sequence=0),
        times=SegmentTimes(first_pts=0, last_pts=0, duration=end, time_base=Fraction(1)),
        frames=frames,
        unseen=tuple(found.gaps),
        info=MediaInfo(container="", codec="", width=0, height=0),
    )
    yield EndTurn(stream_id=StreamId(path), path=path)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanges:
    """How two lists of incidents differ; each field is in order of time."""

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

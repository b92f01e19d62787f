"""A recording: a file with one event a line, as ``scan --record`` writes it.

``input_of`` returns the input that caused an event, to be folded again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from scanner.errors import FormatError
from scanner.records.events import dump_event, load_event
from scanner.stream.events import (
    HistoryReceived,
    SegmentFailed,
    SegmentLate,
    SegmentScored,
    SegmentsMissing,
    SegmentUnavailable,
    SignalReceived,
    StreamEvent,
    StreamFinished,
    StreamStalled,
)
from scanner.stream.inputs import (
    EndTurn,
    FailedSegment,
    HistoryTurn,
    LateSegment,
    LostTurn,
    MissingTurn,
    SignalTurn,
    StallTurn,
    StreamInput,
)
from scanner.types import (
    ScoredSegment,
    StreamId,
)

__all__ = [
    "RECORD_BEGIN",
    "VERSION",
    "Record",
    "input_of",
    "parse_record",
    "read_record",
    "record_line",
]

Record = tuple[str, StreamId, StreamEvent]
"""Path, stream and event of one line."""

VERSION: Final = 1
"""Version of the records; a reader refuses every other one."""

RECORD_BEGIN: Final = b'{"v": '
"""What every recording begins with, of any version."""


def record_line(path: str, stream_id: StreamId, event: StreamEvent) -> str:
    """Return one line of a recording: an event with its stream and its path."""
    row = {"v": VERSION, "path": path, "stream_id": stream_id, **dump_event(event)}
    return json.dumps(row, allow_nan=False)


def read_record(rows: Iterable[str]) -> Iterator[Record]:
    """Yield path, stream and event of each line of a recording; blank lines are skipped.

    Raises:
        FormatError: a line is no record, or has another version.
    """
    return (parse_record(row) for row in rows if row.strip())


def parse_record(row: str) -> Record:
    """Return path, stream and event of one line of a recording.

    Raises:
        FormatError: the line is no record, or has another version (kind ``version``).
    """
    try:
        data = json.loads(row)
        if data["v"] == VERSION:
            return data["path"], StreamId(data["stream_id"]), load_event(data)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"not a line of `scan --record`: {row[:60].strip()}") from error
    message = f"record of version {data['v']}, this release reads {VERSION}"
    raise FormatError(message, kind="version")


def input_of(event: StreamEvent, *, path: str = "") -> StreamInput | None:
    """Return the input that caused an event, or None for an event that follows from others.

    ``path`` names the stream in an error line, if no frame of it was decoded.
    """
    stream_input: StreamInput | None = None
    match event:
        case SegmentScored():
            stream_input = event.segment
        case SegmentFailed():
            stream_input = _failed_segment(event)
        case SegmentUnavailable():
            stream_input = LostTurn(
                key=event.key,
                reason=event.reason,
                kind=event.kind,
                message=event.message,
                duration=event.duration,
                discontinuity=event.discontinuity,
            )
        case SegmentsMissing(stream_id=stream_id, first=first, last=last):
            stream_input = MissingTurn(stream_id=stream_id, first=first, last=last)
        case SegmentLate(outcome=SegmentFailed() as failed):
            stream_input = LateSegment(outcome=_failed_segment(failed))
        case SegmentLate(outcome=ScoredSegment() as segment):
            stream_input = LateSegment(outcome=segment)
        case SignalReceived(stream_id=stream_id, signal=signal):
            stream_input = SignalTurn(stream_id=stream_id, signal=signal)
        case HistoryReceived(stream_id=stream_id, incidents=incidents):
            stream_input = HistoryTurn(stream_id=stream_id, incidents=incidents)
        case StreamStalled(stream_id=stream_id):
            stream_input = StallTurn(stream_id=stream_id)
        case StreamFinished(stream_id=stream_id):
            stream_input = EndTurn(stream_id=stream_id, path=path)
    return stream_input


def _failed_segment(event: SegmentFailed) -> FailedSegment:
    return FailedSegment(
        key=event.key,
        kind=event.kind,
        message=event.message,
        quarantined=event.quarantined,
        duration=event.duration,
        discontinuity=event.discontinuity,
    )

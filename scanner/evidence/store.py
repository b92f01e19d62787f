"""The evidence of a scan in one folder: takes in its events, cuts and draws what they make due.

    SegmentScored       all events of the segment before it are in: cut complete clips of running
                        incidents and prune the index; then index this segment
    Opened, Extended    revise the incident's plan
    Closed              cut the rest and draw the contact sheet
    StreamFinished      draw a flagged still picture; forget the stream

The index is pruned only once all events of a segment are in, since an incident that closes in it
needs its beginning.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scanner.evidence.cut import cut
from scanner.evidence.folder import open_folder
from scanner.evidence.index import MOST_SOURCES, SegmentIndex
from scanner.evidence.plan import (
    ClipDue,
    EvidencePlan,
    SheetDue,
    end_of,
    needed_since,
    picture_due,
    plan_open,
    plan_rest,
    revise,
    sheet_due,
)
from scanner.evidence.sheet import draw_sheet
from scanner.pipeline.scan import ScanEvent
from scanner.report.nouns import Clip, IncidentReport, Sheet
from scanner.report.text import clock
from scanner.risk.incident import Closed, Extended, Incident, Opened
from scanner.risk.policy import Policies
from scanner.sandbox.answers import printable
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import EvidenceSettings, Settings
from scanner.stream.events import SegmentScored, StreamFinished, StreamSummary
from scanner.stream.inputs import Job
from scanner.types import Span, StreamId

__all__ = ["EvidenceStore", "open_evidence"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _OpenIncident:
    """An incident that runs, and the evidence of it so far."""

    plan: EvidencePlan
    clips: list[Clip] = field(default_factory=list)
    missing: dict[str, None] = field(default_factory=dict)
    """Reasons why evidence is missing, in order, each once."""


@dataclass(slots=True)
class _StreamRecord:
    stream_id: StreamId
    path: str
    index: SegmentIndex = field(default_factory=SegmentIndex)
    incidents: dict[str, _OpenIncident] = field(default_factory=dict)
    """Running incidents by id."""


class EvidenceStore:
    """Makes the clips and contact sheets of a scan.

    Results wait in the store until ``take_incident`` and ``take_picture`` hand them over.
    """

    def __init__(
        self, folder: Path, sandbox: Sandbox, policies: Policies, settings: EvidenceSettings
    ) -> None:
        self._folder = folder
        self._sandbox = sandbox
        self._policies = policies
        self._settings = settings
        self._streams: dict[StreamId, _StreamRecord] = {}
        self._memory: dict[StreamId, int] = {}
        """Bytes that each stream's index holds."""
        self._reports: dict[str, IncidentReport] = {}
        self._pictures: dict[str, Sheet] = {}
        self.earlier: Path | None = None
        """Where the report of an earlier scan was moved to."""

    def receive(self, scan_event: ScanEvent) -> str | None:
        """Take in one event; for an incident that closed, return its first clip's path.

        None for every other event, and where the incident has no clip.
        """
        match scan_event.event:
            case SegmentScored() as scored if scan_event.job is not None:
                self._add_segment(scan_event.path, scored, scan_event.job)
            case Opened(incident=incident) | Extended(incident=incident):
                self._revise(scan_event.path, incident)
            case Closed(incident=incident):
                return self._close_incident(scan_event.path, incident)
            case StreamFinished(stream_id=stream_id, summary=summary):
                self._finish(stream_id, summary)
        return None

    @property
    def memory_bytes(self) -> int:
        """Bytes of segments that are held in memory."""
        return sum(self._memory.values())

    def take_incident(self, incident_id: str) -> IncidentReport | None:
        """Return the report of an incident that closed, and forget it."""
        return self._reports.pop(incident_id, None)

    def take_picture(self, path: str) -> Sheet | None:
        """Return the sheet of a flagged still picture, and forget it."""
        return self._pictures.pop(path, None)

    def _record(self, stream_id: StreamId, path: str) -> _StreamRecord:
        new = _StreamRecord(stream_id=stream_id, path=path)
        return self._streams.setdefault(stream_id, new)

    def _add_segment(self, path: str, scored: SegmentScored, job: Job) -> None:
        stream_id = scored.segment.key.stream_id
        stream = self._record(stream_id, path)
        self._cut_complete(stream)
        plans = [incident.plan for incident in stream.incidents.values()]
        since = needed_since(plans, stream.index.end, self._policies)
        stream.index = stream.index.keep_since(since).add(scored, job)
        self._memory[stream_id] = stream.index.memory_bytes
        self._free_memory()

    def _free_memory(self) -> None:
        """Drop the oldest segments of the stream that holds most, so that no stream takes the
        memory of the others."""
        while self.memory_bytes > self._settings.memory_bytes:
            largest = max(self._memory, key=self._memory.__getitem__)
            index = self._streams[largest].index.drop_oldest()
            self._streams[largest].index = index
            self._memory[largest] = index.memory_bytes
            log.warning("segments dropped from memory", extra={"stream": largest})

    def _revise(self, path: str, incident: Incident) -> _OpenIncident:
        incidents = self._record(incident.stream_id, path).incidents
        known = incidents.get(incident.id)
        plan = revise(None if known is None else known.plan, incident, self._policies)
        if known is None:
            return incidents.setdefault(incident.id, _OpenIncident(plan))
        known.plan = plan
        return known

    def _cut_complete(self, stream: _StreamRecord) -> None:
        for incident in stream.incidents.values():
            incident.plan, due = plan_open(incident.plan, stream.index.end, self._settings)
            self._cut(stream, incident, due)

    def _close_incident(self, path: str, incident: Incident) -> str | None:
        made, stream = self._revise(path, incident), self._streams[incident.stream_id]
        made.plan, due = plan_rest(made.plan, stream.index.end, self._policies, self._settings)
        self._cut(stream, made, due)
        if made.plan.capped:
            made.missing[f"only the first {self._settings.clips} clips were cut"] = None
        sheet = self._draw_incident(stream, made, incident)
        del stream.incidents[incident.id]
        self._reports[incident.id] = IncidentReport(
            incident=incident,
            clips=tuple(made.clips),
            sheet=sheet,
            missing="; ".join(made.missing) or None,
        )
        return str(self._folder / made.clips[0].file) if made.clips else None

    def _cut(
        self, stream: _StreamRecord, incident: _OpenIncident, due: tuple[ClipDue, ...]
    ) -> None:
        """Cut clips; one that cannot be cut leaves its reason."""
        for clip in due:
            self._note_dropped(stream.index, clip.span, incident, f"clip {clip.number}")
            try:
                made = cut(
                    clip,
                    stream.index.overlapping(clip.span),
                    sandbox=self._sandbox,
                    folder=self._folder,
                    stream_id=stream.stream_id,
                    name=stream.path,
                )
            except Exception as error:  # noqa: BLE001 - evidence of one stream ends no other
                _log_missing("no clip", clip.incident_id, error)
                incident.missing[_reason(error, self._folder)] = None
                continue
            incident.clips.append(made)

    def _draw_incident(
        self, stream: _StreamRecord, made: _OpenIncident, incident: Incident
    ) -> Sheet | None:
        due = sheet_due(incident, stream.index, self._policies, self._settings)
        if due is None:
            return None
        span = Span(start=incident.start, end=end_of(incident))
        self._note_dropped(stream.index, span, made, "contact sheet")
        try:
            return self._draw(due, stream)
        except Exception as error:  # noqa: BLE001 - as for a clip
            _log_missing("no contact sheet", incident.id, error)
            made.missing[_reason(error, self._folder)] = None
            return None

    def _draw(self, due: SheetDue, stream: _StreamRecord) -> Sheet:
        return draw_sheet(
            due,
            stream.index.sources,
            sandbox=self._sandbox,
            folder=self._folder,
            stream_id=stream.stream_id,
            name=stream.path,
        )

    def _note_dropped(
        self, index: SegmentIndex, span: Span, incident: _OpenIncident, subject: str
    ) -> None:
        dropped = index.dropped
        if dropped is None or dropped.end <= span.start or span.end <= dropped.start:
            return
        times = f"{clock(float(dropped.start))} to {clock(float(dropped.end))}"
        limits = f"evidence.memory_bytes {self._settings.memory_bytes}, {MOST_SOURCES} segments"
        incident.missing[f"{subject}: segments of {times} were dropped (limits: {limits})"] = None

    def _finish(self, stream_id: StreamId, summary: StreamSummary | None) -> None:
        """Draw a flagged still picture, and forget the stream."""
        stream = self._streams.pop(stream_id, None)
        self._memory.pop(stream_id, None)
        if stream is None or summary is None:
            return
        is_still = summary.duration == 0 and any(one.is_picture for one in stream.index.sources)
        due = picture_due(stream.path, summary) if is_still else None
        if due is None:
            return
        try:
            self._pictures[stream.path] = self._draw(due, stream)
        except Exception as error:  # noqa: BLE001 - as for a clip
            _log_missing("no picture", stream.path, error)


@contextmanager
def open_evidence(folder: Path, settings: Settings, policies: Policies) -> Iterator[EvidenceStore]:
    """Open a store with a sandbox of its own, which ends with it.

    An earlier report in the folder is moved (``scanner.evidence.folder``).

    Raises:
        SetupError: the folder cannot be made or written to, or another scan writes to it; raised
            before anything is scanned.
    """
    with open_folder(folder) as earlier, Sandbox(settings.sandbox) as sandbox:
        store = EvidenceStore(folder, sandbox, policies, settings.evidence)
        store.earlier = earlier
        yield store


def _reason(error: Exception, folder: Path) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or folder}: {error.strerror}"
    return printable(str(error))


def _log_missing(message: str, subject: str, error: Exception) -> None:
    """Log that evidence is missing; the reason itself is in the report."""
    log.warning(message, extra={"subject": subject, "error": type(error).__name__})

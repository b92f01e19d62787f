"""The evidence of a scan in one folder: takes in its events, cuts and draws what they make due.

    SegmentScored       all events of the segment before it are in: cut complete clips of running
                        incidents and prune the index; then index this segment
    Opened, Extended    revise the incident's plan
    Closed              cut the rest and draw the contact sheet
    StreamFinished      draw a flagged still picture; forget the stream

The index is pruned only once all events of a segment are in, since an incident that closes in it
needs its beginning. Whatever is due is only planned here: a queue does it in a thread of its own,
and ``receive`` never waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from scanner.evidence.cut import clip_file, cut
from scanner.evidence.folder import open_folder
from scanner.evidence.index import MOST_SOURCES, SegmentIndex, SourceSpan
from scanner.evidence.made import IncidentEvidence, log_missing
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
from scanner.evidence.queue import EvidenceQueue, EvidenceTask
from scanner.evidence.sheet import draw_sheet
from scanner.pipeline.scan import ScanEvent
from scanner.report.nouns import IncidentReport, Sheet
from scanner.report.text import clock
from scanner.risk.incident import Closed, Extended, Incident, Opened
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox
from scanner.sandbox.watch import SourceBudget
from scanner.settings.sections import EvidenceSettings, Settings
from scanner.stream.events import SegmentScored, StreamFinished, StreamSummary
from scanner.stream.inputs import Job
from scanner.types import HeldBytes, Span, StreamId

__all__ = ["EvidenceStore", "open_evidence"]

log = logging.getLogger(__name__)

CHILDREN: Final = 2
"""Processes that are kept ready to cut and draw."""
IDLE_BYTES: Final = 64 << 20
"""Memory of these together."""


@dataclass(slots=True)
class _OpenIncident:
    """An incident that runs, and the evidence of it so far."""

    plan: EvidencePlan
    evidence: IncidentEvidence


@dataclass(slots=True)
class _StreamRecord:
    stream_id: StreamId
    path: str
    index: SegmentIndex = field(default_factory=SegmentIndex)
    incidents: dict[str, _OpenIncident] = field(default_factory=dict)
    """Running incidents by id."""


class EvidenceStore:
    """Plans the clips and contact sheets of a scan, and knows what was made of them.

    Results are complete after ``finish``; ``take_incident`` and ``take_picture`` hand them over.
    """

    def __init__(
        self, folder: Path, queue: EvidenceQueue, policies: Policies, settings: EvidenceSettings
    ) -> None:
        self._folder = folder
        self._queue = queue
        self._policies = policies
        self._settings = settings
        self._streams: dict[StreamId, _StreamRecord] = {}
        self._memory: dict[StreamId, int] = {}
        """Bytes that each stream's index holds."""
        self._closed: dict[str, tuple[Incident, IncidentEvidence]] = {}
        self._pictures: dict[str, Sheet] = {}
        self.earlier: Path | None = None
        """Where the report of an earlier scan was moved to."""

    def receive(self, scan_event: ScanEvent) -> str | None:
        """Take in one event; for an incident that closed, return its first clip's path, where the
        clip is or will be.

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
                self._finish_stream(stream_id, summary)
        return None

    def finish(self) -> None:
        """Wait until everything that is due is made, or its time is over."""
        self._queue.finish()

    @property
    def memory_bytes(self) -> int:
        """Bytes of segments that are held, in memory or in temporary files; what is shared counts
        once."""
        held = {id(part): len(part) for part in self._queue.pending_parts()}
        for stream in self._streams.values():
            for source in stream.index.sources:
                for part in (source.source, source.init):
                    if isinstance(part, HeldBytes):
                        held[id(part)] = len(part)
        return sum(held.values())

    def take_incident(self, incident_id: str) -> IncidentReport | None:
        """Return the report of an incident that closed, and forget it."""
        incident, evidence = self._closed.pop(incident_id, (None, None))
        return None if incident is None or evidence is None else evidence.report(incident)

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
        memory of the others; then tasks that wait."""
        while self._is_over_limit():
            largest = max(self._memory, key=self._memory.__getitem__)
            if not self._memory[largest]:
                if not self._queue.drop_one(f"its segments were dropped ({self._limits})"):
                    return
                continue
            index = self._streams[largest].index.drop_oldest()
            self._streams[largest].index = index
            self._memory[largest] = index.memory_bytes
            log.warning("segments dropped from memory", extra={"stream": largest})

    def _is_over_limit(self) -> bool:
        waiting = sum(len(part) for part in self._queue.pending_parts())
        at_most = sum(self._memory.values()) + waiting
        limit = self._settings.memory_bytes
        return at_most > limit and (not waiting or self.memory_bytes > limit)

    def _revise(self, path: str, incident: Incident) -> _OpenIncident:
        incidents = self._record(incident.stream_id, path).incidents
        known = incidents.get(incident.id)
        plan = revise(None if known is None else known.plan, incident, self._policies)
        if known is None:
            new = _OpenIncident(plan, IncidentEvidence(self._folder))
            return incidents.setdefault(incident.id, new)
        known.plan = plan
        return known

    def _cut_complete(self, stream: _StreamRecord) -> None:
        for incident in stream.incidents.values():
            incident.plan, due = plan_open(incident.plan, stream.index.end, self._settings)
            self._cut(stream, incident, due)

    def _close_incident(self, path: str, incident: Incident) -> str | None:
        made, stream = self._revise(path, incident), self._streams[incident.stream_id]
        made.plan, due = plan_rest(made.plan, stream.index.end, self._policies, self._settings)
        self._draw_incident(stream, made, incident)
        self._cut(stream, made, due)
        if made.plan.capped:
            made.evidence.add_missing(f"only the first {self._settings.clips} clips were cut")
        del stream.incidents[incident.id]
        self._closed[incident.id] = (incident, made.evidence)
        number = made.evidence.first_clip(made.plan.clips)
        return None if number is None else str(clip_file(self._folder, incident.id, number))

    def _cut(
        self, stream: _StreamRecord, incident: _OpenIncident, due: tuple[ClipDue, ...]
    ) -> None:
        """Let clips be cut; one that cannot be cut leaves its reason."""
        for clip in due:
            self._note_dropped(stream.index, clip.span, incident, f"clip {clip.number}")
            sources, evidence = stream.index.overlapping(clip.span), incident.evidence
            fail = partial(evidence.fail, clip.number, clip.incident_id)
            if not any(not source.is_picture for source in sources):
                fail(f"{stream.path}: no picture within the span of the clip")
                continue
            self._queue.submit(
                EvidenceTask(
                    stream_id=stream.stream_id,
                    incident_id=clip.incident_id,
                    sources=sources,
                    run=partial(self._run_cut, stream, clip, sources, evidence),
                    fail=fail,
                )
            )

    def _run_cut(
        self,
        stream: _StreamRecord,
        clip: ClipDue,
        sources: Sequence[SourceSpan],
        evidence: IncidentEvidence,
        sandbox: Sandbox,
        budget: SourceBudget,
    ) -> None:
        made = cut(
            clip,
            sources,
            sandbox=sandbox,
            budget=budget,
            folder=self._folder,
            stream_id=stream.stream_id,
            name=stream.path,
        )
        evidence.add_clip(clip.number, made)

    def _draw_incident(
        self, stream: _StreamRecord, made: _OpenIncident, incident: Incident
    ) -> None:
        due = sheet_due(incident, stream.index, self._policies, self._settings)
        if due is None:
            return
        span = Span(start=incident.start, end=end_of(incident))
        self._note_dropped(stream.index, span, made, "contact sheet")
        fail = partial(made.evidence.fail, 0, incident.id)
        self._draw(due, stream, made.evidence.add_sheet, fail)

    def _draw(
        self,
        due: SheetDue,
        stream: _StreamRecord,
        add: Callable[[Sheet], None],
        fail: Callable[[str | Exception], None],
    ) -> None:
        """Let a sheet be drawn."""
        sources = tuple(
            one for one in stream.index.sources if any(one.shows(at) for at in due.times)
        )

        def run(sandbox: Sandbox, budget: SourceBudget) -> None:
            sheet, _ = draw_sheet(
                due,
                sources,
                sandbox=sandbox,
                budget=budget,
                folder=self._folder,
                stream_id=stream.stream_id,
                name=stream.path,
            )
            add(sheet)

        self._queue.submit(
            EvidenceTask(
                stream_id=stream.stream_id,
                incident_id=due.name,
                sources=sources,
                run=run,
                fail=fail,
            )
        )

    def _note_dropped(
        self, index: SegmentIndex, span: Span, incident: _OpenIncident, subject: str
    ) -> None:
        dropped = index.dropped
        if dropped is None or dropped.end <= span.start or span.end <= dropped.start:
            return
        times = f"{clock(float(dropped.start))} to {clock(float(dropped.end))}"
        incident.evidence.add_missing(
            f"{subject}: segments of {times} were dropped (limits: {self._limits})"
        )

    @property
    def _limits(self) -> str:
        return f"evidence.memory_bytes {self._settings.memory_bytes}, {MOST_SOURCES} segments"

    def _finish_stream(self, stream_id: StreamId, summary: StreamSummary | None) -> None:
        """Draw a flagged still picture, and forget the stream."""
        stream = self._streams.pop(stream_id, None)
        self._memory.pop(stream_id, None)
        if stream is None or summary is None:
            return
        is_still = summary.duration == 0 and any(one.is_picture for one in stream.index.sources)
        due = picture_due(stream.path, summary) if is_still else None
        if due is not None:
            add = partial(self._pictures.__setitem__, stream.path)
            self._draw(due, stream, add, partial(log_missing, "no picture", stream.path))


@contextmanager
def open_evidence(folder: Path, settings: Settings, policies: Policies) -> Iterator[EvidenceStore]:
    """Open a store with a queue and a sandbox of its own, which end with it.

    An earlier report in the folder is moved (``scanner.evidence.folder``).

    Raises:
        SetupError: the folder cannot be made or written to, or another scan writes to it; raised
            before anything is scanned.
    """
    # Few streams have incidents at once, and a child of another one is forked in no time
    limits = replace(
        settings.sandbox,
        max_children=min(CHILDREN, settings.sandbox.max_children),
        idle_bytes=min(IDLE_BYTES, settings.sandbox.idle_bytes),
    )
    open_sandbox = partial(Sandbox, limits)
    with open_folder(folder) as earlier, EvidenceQueue(settings.evidence, open_sandbox) as queue:
        store = EvidenceStore(folder, queue, policies, settings.evidence)
        store.earlier = earlier
        yield store

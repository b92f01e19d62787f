"""Makes the evidence of incidents from the journal and the stored segments.

    plan    show committed turns to the plans of their incidents; pieces become due
    make    one piece: read its sources, cut or draw in the sandbox, put the files, record them

Both repeat safely: a plan and its pieces are one commit, and a piece is recorded after its files
are durable. A process that ends in between leaves files without a row, which the sweeper removes.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import structlog

from scanner.delivery.planning import JournalPlan, PieceDue, plan_turn
from scanner.delivery.schedule import EVIDENCE_DELAYS, next_try
from scanner.errors import FormatError, InputError, NoVideoError, ScannerError
from scanner.evidence.cut import cut
from scanner.evidence.index import SegmentIndex
from scanner.evidence.plan import ClipDue, sheet_due
from scanner.evidence.sheet import draw_sheet
from scanner.rational import dump_fraction, load_fraction
from scanner.report.nouns import Clip, Sheet
from scanner.risk.incident import Incident
from scanner.risk.policy import Policies
from scanner.sandbox.sandbox import Sandbox
from scanner.settings.sections import EvidenceSettings
from scanner.store.evidence import (
    DuePiece,
    EvidenceJournal,
    MadePiece,
    PlannedEvidence,
    StoredSource,
    UnplannedIncident,
)
from scanner.store.objects import ObjectStore, segment_name
from scanner.stream.inputs import Job
from scanner.types import Segment, StreamId

__all__ = ["EvidenceMaker", "StreamClaims", "plan_incidents"]

log = structlog.get_logger(__name__)

TURNS: Final = 256
"""Turns that are shown to a plan in one commit."""
BUDGET_SECONDS: Final = 1800.0
"""Longest time that the evidence of one incident may take; what is left fails."""
IDLE_SECONDS: Final = 60.0
"""Time without a due piece after which the sandbox gives its memory back."""
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def plan_incidents(
    journal: EvidenceJournal, policies: Policies, settings: EvidenceSettings
) -> bool:
    """Show committed turns to plans that have not seen them; return whether there were any."""
    waiting = journal.unplanned_incidents()
    if waiting:
        journal.save_plans([_plan_incident(journal, one, policies, settings) for one in waiting])
    return bool(waiting)


def _plan_incident(
    journal: EvidenceJournal,
    incident: UnplannedIncident,
    policies: Policies,
    settings: EvidenceSettings,
) -> PlannedEvidence:
    plan = JournalPlan.from_json(incident.incident_id, incident.plan)
    left_out = None
    next_turn = incident.next_turn
    due: list[PieceDue] = []
    try:
        for turn, events in journal.records(incident.stream_id, next_turn, limit=TURNS):
            of_channel = policies.of_channel(incident.channel)
            plan, pieces = plan_turn(plan, events, of_channel, settings)
            due += pieces
            next_turn = turn + 1
    except FormatError as error:
        left_out = f"records of the stream cannot be read: {error}"
    else:
        if plan.is_capped:
            left_out = f"only the first {settings.clips} clips are cut"
    return PlannedEvidence(
        incident=incident,
        plan=plan.to_json(),
        next_turn=next_turn,
        is_complete=plan.complete or left_out is not None,
        due=dict(due),
        left_out=left_out,
    )


class StreamClaims:
    """The streams whose evidence is being made, so that each occupies one thread at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    @contextmanager
    def next_piece(self, journal: EvidenceJournal) -> Iterator[DuePiece | None]:
        """Claim the next due piece of a stream that is not claimed, for the block."""
        with self._lock:
            piece = journal.next_due(without=self._busy)
            if piece is not None:
                self._busy.add(piece.stream_id)
        try:
            yield piece
        finally:
            if piece is not None:
                with self._lock:
                    self._busy.discard(piece.stream_id)


class EvidenceMaker:
    """Makes one piece after the other, in a sandbox of its own; belongs to one thread."""

    def __init__(
        self,
        journal: EvidenceJournal,
        objects: ObjectStore,
        sandbox: Sandbox,
        policies: Policies,
        settings: EvidenceSettings,
        claims: StreamClaims,
        *,
        has_room: Callable[[], bool] = lambda: True,
        wall_clock: Callable[[], float] = time.time,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._objects = objects
        self._sandbox = sandbox
        self._policies = policies
        self._settings = settings
        self._claims = claims
        self._has_room = has_room
        self._now = wall_clock
        self._stopwatch = stopwatch
        self._used_at: float | None = None

    def make_next(self) -> bool:
        """Make the next due piece; return False if there is none, or no room on the disk.

        Raises:
            OSError: files could not be made durable; nothing may be assumed of the disk any more.
        """
        if not self._has_room():
            return False
        with self._claims.next_piece(self._journal) as piece:
            if piece is None:
                self._close_idle()
                return False
            self.make(piece)
            self._used_at = self._stopwatch()
            return True

    def _close_idle(self) -> None:
        """End the processes of the sandbox once nothing was due for a while."""
        if self._used_at is not None and self._stopwatch() - self._used_at > IDLE_SECONDS:
            self._sandbox.close()
            self._used_at = None

    def make(self, piece: DuePiece) -> None:
        """Make one piece, and record what became of it."""
        if (reason := _refuse(piece)) is not None:
            self._fail(piece, reason, 0.0)
            return
        later = next_try(piece.tries + 1, EVIDENCE_DELAYS)
        self._journal.begin(piece, next_at=self._now() + (later or 0.0))
        began = self._stopwatch()
        with self._objects.scratch() as folder:
            try:
                files = self._make_files(piece, folder)
            except (ScannerError, OSError) as error:
                self._note_error(piece, error, later, self._stopwatch() - began)
                return
            made = self._put(piece, folder, files)
        self._journal.finish(piece, made, seconds=self._stopwatch() - began)
        log.info("evidence made", incident=piece.incident_id, piece=piece.piece)

    def _make_files(self, piece: DuePiece, folder: Path) -> Sequence[_File]:
        if piece.piece == "sheet":
            return _sheet_files(*self._draw(piece, folder))
        return _clip_files(piece.piece, self._cut(piece, folder))

    def _cut(self, piece: DuePiece, folder: Path) -> Clip:
        due = ClipDue.from_json(piece.due)
        index = self._index(piece, due.span.start, due.span.end)
        return cut(
            due,
            index.sources,
            sandbox=self._sandbox,
            folder=folder,
            stream_id=StreamId(piece.stream_id),
            name=piece.stream_id,
        )

    def _draw(self, piece: DuePiece, folder: Path) -> tuple[Sheet, tuple[Fraction, ...]]:
        incident = Incident.from_json(piece.due["incident"])
        until = max(load_fraction(piece.due["until"]), incident.opened)
        incident = replace(incident, end=until)
        index = self._index(piece, incident.start, until)
        policies = self._policies.of_channel(piece.channel)
        due = sheet_due(incident, index, policies, self._settings)
        if due is None:
            raise NoVideoError(f"{piece.stream_id}: no picture at the instants of the sheet")
        return draw_sheet(
            due,
            index.sources,
            sandbox=self._sandbox,
            folder=folder,
            stream_id=StreamId(piece.stream_id),
            name=piece.stream_id,
        )

    def _index(self, piece: DuePiece, start: Fraction, end: Fraction) -> SegmentIndex:
        index = SegmentIndex()
        for source in self._journal.sources(piece.stream_id, float(start), float(end)):
            index = index.add(source.scored, self._job(source))
        return index

    def _job(self, source: StoredSource) -> Job:
        init = None if source.init_object is None else self._objects.path(source.init_object)
        segment = Segment(
            key=source.scored.segment.key, source=self._objects.path(source.object), init=init
        )
        return Job(segment=segment, name=str(segment.key), windowed=False)

    def _put(self, piece: DuePiece, folder: Path, files: Sequence[_File]) -> tuple[MadePiece, ...]:
        """Move files into the object store, durable, under names that contain their digests."""
        items, made = [], []
        for name, file, result in files:
            incoming = self._objects.adopt(folder / file)
            item = f"{piece.incident_id}-{name}"
            object_name = segment_name("clips", piece.stream_id, item, incoming.sha256)
            object_name += Path(file).suffix
            items.append((incoming, object_name))
            facts = {**result, "bytes": incoming.size, "sha256": incoming.sha256}
            made.append(MadePiece(piece=name, object=object_name, result=facts))
        self._objects.put_many(items)
        return tuple(made)

    def _note_error(
        self, piece: DuePiece, error: Exception, later: float | None, seconds: float
    ) -> None:
        reason = str(error) if isinstance(error, ScannerError) else f"{type(error).__name__}"
        tries = piece.tries + 1
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            tries, later = piece.tries, EVIDENCE_DELAYS[1]  # no fault of the piece
        if isinstance(error, InputError) or later is None:
            self._fail(piece, reason, seconds)
            return
        self._journal.postpone(
            piece, reason=reason, tries=tries, next_at=self._now() + later, seconds=seconds
        )
        log.warning(
            "evidence postponed",
            incident=piece.incident_id,
            piece=piece.piece,
            error=type(error).__name__,
        )

    def _fail(self, piece: DuePiece, reason: str, seconds: float) -> None:
        self._journal.fail(piece, reason=reason, seconds=seconds)
        log.warning("evidence failed", incident=piece.incident_id, piece=piece.piece)


def _refuse(piece: DuePiece) -> str | None:
    """Return why a piece is not tried any more, or None."""
    if piece.spent > BUDGET_SECONDS:
        took = f"evidence of the incident took {piece.spent:.0f} s"
        return f"{took}, limit is {BUDGET_SECONDS:.0f} s"
    if piece.tries > len(EVIDENCE_DELAYS):
        return f"the delivery process ended during {piece.tries} tries"
    return None


_File = tuple[str, str, dict[str, Any]]
"""The piece that a file is, its path in the scratch folder, and facts of it."""


def _clip_files(piece: str, clip: Clip) -> tuple[_File, ...]:
    span = [dump_fraction(clip.span.start), dump_fraction(clip.span.end)]
    facts = {"span": span, "transcoded": clip.transcoded, "truncated": clip.truncated}
    files: list[_File] = [(piece, clip.file, {**facts, "type": "video/mp4"})]
    if clip.poster is not None:
        files.append((piece.replace("clip", "poster"), clip.poster, {"type": "image/jpeg"}))
    return tuple(files)


def _sheet_files(sheet: Sheet, times: Sequence[Fraction]) -> tuple[_File, ...]:
    facts = {"width": sheet.width, "height": sheet.height, "type": "image/jpeg"}
    facts |= {"times": [round(float(at), 3) for at in times]}
    return (("sheet", sheet.sharp, facts), ("sheet-blurred", sheet.blurred, facts))

"""Deletes what is old: decides, commits the stage ``deleting``, unlinks, commits ``deleted``.

A segment's bytes are deleted once all of this holds:

    (a) the folded clock is past its end by the reach of every policy, or its stream is final
    (b) the segment after it has a verdict, and decoding of a later one does not begin in it
    (c) it lies in no span of an incident that is open or of which evidence is due
    (d) it is old enough
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from scanner.errors import TransientError
from scanner.risk.incident import Incident
from scanner.risk.policy import Policies
from scanner.settings.service import RetentionSettings
from scanner.steady_clock import ClockWatch
from scanner.store.objects import ObjectStore
from scanner.store.old_records import OldRecords
from scanner.store.retention import HeldIncident, KeptSegment, RetentionJournal, StreamMedia

__all__ = ["Retention", "deletable", "policy_reach"]

log = structlog.get_logger(__name__)

DAY: Final = 86_400.0
SILENT_SECONDS: Final = 3600.0
"""A stream without an end that sent nothing for so long is final, as far as its media go."""
ORPHAN_SECONDS: Final = 3600.0
"""Age of a file without a row at which it is removed."""
CLEAN_EVERY: Final = 600.0
"""Seconds from one sweep for old records and files without a row to the next."""
ROUNDING: Final = 0.01
"""Seconds by which rounded stream times may differ from the exact ones."""
MARGIN: Final = 60.0
"""Seconds around an incident whose media stay for its clips, beyond the rolls of its policy: room
for the group of pictures in which a clip begins."""


def policy_reach(policies: Policies) -> float:
    """Return the seconds before the folded clock in which the next incident may begin, with its
    pre-roll."""
    reaches = (
        one.window + one.hold + one.pre_roll
        for of_channel in policies.all_channels
        for one in of_channel.labels.values()
    )
    return float(max(reaches, default=0))


def deletable(media: StreamMedia, *, now: float, reach: float, segment_seconds: float) -> list[int]:
    """Return the sequences of a stream's segments whose bytes nothing needs any more."""
    silent = media.last_arrival is not None and now - media.last_arrival > SILENT_SECONDS
    final = media.is_finished or (silent and not media.is_waiting)
    held = [_held_span(one, reach) for one in media.incidents]
    return [
        one.sequence
        for one in media.segments
        if now - one.received_at > segment_seconds
        and (final if one.is_followed is None else one.is_followed)
        and (final or media.needed_from is None or one.sequence < media.needed_from)
        and _is_past(one, media.clock, reach, final)
        and not _is_held(one, held)
    ]


def _is_past(segment: KeptSegment, clock: float | None, reach: float, final: bool) -> bool:
    if final or segment.verdict != "scored" or segment.span is None:
        return True
    return clock is not None and clock > segment.span[1] + reach + ROUNDING


def _is_held(segment: KeptSegment, held: list[tuple[float, float]]) -> bool:
    if segment.span is None:
        return False
    start, end = segment.span
    return any(start < until and end > since for since, until in held)


def _held_span(held: HeldIncident, reach: float) -> tuple[float, float]:
    """Return the stream seconds whose media an incident still needs."""
    incident = Incident.from_json(held.incident)
    since = float(incident.start) - reach - MARGIN
    if held.is_open or incident.end is None:
        return since, float("inf")
    return since, float(incident.end) + MARGIN


class Retention:
    """Deletes step by step; belongs to one thread."""

    def __init__(
        self,
        journal: RetentionJournal,
        records: OldRecords,
        objects: ObjectStore,
        settings: RetentionSettings,
        reach: float,
        *,
        now: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._records = records
        self._objects = objects
        self._settings = settings
        self._reach = reach
        self._now = now
        self._monotonic = monotonic
        self._clock = ClockWatch(offset=now() - monotonic())
        self._after = 0.0
        self._cleaned_at = 0.0
        self._has_old_records = False
        self._errors: list[str] = []

    def step(self) -> bool:
        """Delete one batch of what is old; return False once there is no more, or while the wall
        clock cannot be trusted to tell ages.

        Raises:
            TransientError: files cannot be deleted; all others were.
        """
        self._errors = []
        now = self._now()
        self._clock = self._clock.observe(now, self._monotonic())
        if not self._clock.is_steady:
            return False
        if self._unlink():
            return True
        more = self._mark_segments(now)
        self._journal.mark_inits(before=now - self._settings.segment_seconds)
        self._journal.mark_evidence(before=now - self._settings.evidence_days * DAY)
        more = self._clean(now) or self._unlink() or more
        if self._errors:
            count = len(self._errors)
            raise TransientError(f"files cannot be deleted ({count}): {self._errors[0]}")
        return more

    def _mark_segments(self, now: float) -> bool:
        """Mark the segments of one page of streams; return whether more streams follow."""
        least = self._settings.segment_seconds
        names, after = self._journal.streams_with_old_media(before=now - least, after=self._after)
        self._after = 0.0 if after is None else after
        chosen: list[tuple[str, int]] = []
        for name in names:
            media = self._journal.media_of(name, before=now - least)
            found = deletable(media, now=now, reach=self._reach, segment_seconds=least)
            chosen += ((name, sequence) for sequence in found)
        evidence = self._settings.evidence_days * DAY
        self._journal.mark_segments(chosen, pictures_before=now - evidence)
        return after is not None

    def _clean(self, now: float) -> bool:
        """Now and then remove files without a row, and one batch of records at each step until
        none is old; return whether more may follow."""
        if not 0 <= now - self._cleaned_at < CLEAN_EVERY:
            self._cleaned_at = now
            self._has_old_records = True
            self._sweep(now - ORPHAN_SECONDS)
        if self._has_old_records:
            before = now - self._settings.record_days * DAY
            self._has_old_records = self._records.delete_records(before=before) > 0
        return self._has_old_records

    def _unlink(self) -> bool:
        gone = [one for one in self._journal.deleting() if self._delete(one.object)]
        if gone:
            self._journal.mark_deleted(gone)
            log.info("media deleted", files=len(gone), bytes=sum(one.bytes for one in gone))
        return bool(gone)

    def _delete(self, name: str) -> bool:
        try:
            self._objects.delete(name)
        except OSError as error:
            self._errors.append(str(error))
            return False
        return True

    def _sweep(self, before: float) -> None:
        """Remove files that were written before a time and have no row.

        The files are listed before the rows are read: a row that is committed in between is seen.
        """
        old = list(self._objects.list_older(before))
        if not old:
            return
        known = self._journal.known_objects()
        count = size = 0
        for name in old:
            if name in known:
                continue
            length = 0
            with suppress(OSError):
                length = self._objects.path(name).stat().st_size
            if self._delete(name):
                count, size = count + 1, size + length
        if count:
            self._journal.count_orphans(count, size)
            log.info("files without a row removed", files=count, bytes=size)

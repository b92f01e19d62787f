"""Publishing points in the driver: folds what encoders pushed, and lets time pass for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Final

import structlog

from scanner.background import background_thread
from scanner.errors import TransientError
from scanner.ingest.advance import advance_point
from scanner.ingest.decisions import PointDecision
from scanner.ingest.inputs import PointTick
from scanner.store.database import Journal, JournalChanges
from scanner.store.point_writes import FoldedObjects
from scanner.store.points import PointJournal, UnfoldedObject

__all__ = ["PointKeeper", "keeping_points"]

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.05
TICK_SECONDS: Final = 0.25
"""Seconds from one application of the rules of time to the next."""
MOST_OBJECTS: Final = 256
"""Objects that one transaction folds at most."""
FORGET_SECONDS: Final = 600.0
AWAY_SECONDS: Final = 5.0
"""Without media and without a report for so long, no process receives."""
JUMP_SECONDS: Final = 5.0
"""A wall clock that moves this much against the monotonic one has jumped."""


class PointKeeper:
    """Advances all publishing points; belongs to one thread."""

    def __init__(
        self,
        points: PointJournal,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._points = points
        self._now = now
        self._monotonic = monotonic
        self._offset = now() - monotonic()
        self._active = points.active()
        self._passed = now()
        self._ticked = self._forgot = monotonic()

    def fold_objects(self) -> bool:
        """Fold objects that are not folded; return whether there were any."""
        self._follow_clock()
        found = self._points.unfolded(limit=MOST_OBJECTS)
        made = [self._fold(channel, objects) for channel, objects in found.items()]
        if made:
            self._record(made)
        return bool(made)

    def pass_time(self) -> None:
        """Apply the rules of time, if it is time to."""
        monotonic = self._monotonic()
        if monotonic - self._ticked < TICK_SECONDS:
            return
        self._ticked = monotonic
        self._follow_clock()
        if monotonic - self._forgot >= FORGET_SECONDS:
            self._forgot = monotonic
            self._points.forget_old()
        if not self._active:
            self._passed = self._now()
            return
        now, uploads = self._now(), self._points.uploads()
        waited, self._passed = now - self._passed, now
        if uploads is None and not self._heard_lately(now):
            # Nothing can arrive: the silence is not the encoders'.
            self._move_times(waited)
            return
        uploads = uploads or {}
        made: list[FoldedObjects] = []
        for channel, (point, folded) in [*self._active.items()]:
            tick = PointTick(at=now, uploads=uploads.get(channel, frozenset()))
            after, decisions = advance_point(point, tick)
            if decisions or replace(after, now=point.now) != point:
                made.append(
                    FoldedObjects(
                        before=folded,
                        folded=folded,
                        point=after,
                        decisions=decisions,
                        previous=point.stream_id,
                    )
                )
        if made:
            self._record(made)

    def _fold(self, channel: str, objects: list[UnfoldedObject]) -> FoldedObjects:
        before, number = self._active.get(channel) or self._points.point(channel)
        point, now = before, self._now()
        decisions: list[PointDecision] = []
        for one in objects:
            # what seems to come from the future arrived before the wall clock was set back
            point, decided = advance_point(point, replace(one, at=min(one.at, now)))
            decisions += decided
        return FoldedObjects(
            before=number,
            folded=objects[-1].number,
            point=point,
            decisions=tuple(decisions),
            previous=before.stream_id,
        )

    def _record(self, made: list[FoldedObjects]) -> None:
        self._points.record(made)
        for one in made:
            if one.point.is_active:
                self._active[one.point.channel] = (one.point, one.folded)
            else:
                self._active.pop(one.point.channel, None)

    def _follow_clock(self) -> None:
        """Move all times with the wall clock if it jumped, so that nothing seems to be over."""
        offset = self._now() - self._monotonic()
        jump, self._offset = offset - self._offset, offset
        if abs(jump) < JUMP_SECONDS:
            return
        log.warning("the wall clock jumped", seconds=round(jump, 1))
        self._passed += jump
        self._move_times(jump)

    def _heard_lately(self, now: float) -> bool:
        """Return whether media arrived a moment ago."""
        return any(now - point.moved_at < AWAY_SECONDS for point, _ in self._active.values())

    def _move_times(self, seconds: float) -> None:
        self._active = {
            channel: (point.moved_by(seconds), folded)
            for channel, (point, folded) in self._active.items()
        }


@contextmanager
def keeping_points(
    journal: Journal, keeper: PointKeeper, failed: Callable[[BaseException], None]
) -> Iterator[None]:
    """Advance publishing points in a thread until the block ends; ``failed`` gets what ends it
    earlier."""

    def work(over: threading.Event) -> None:
        with closing(JournalChanges(journal)) as changes:
            busy = True
            while not over.wait(0.0 if busy else POLL_SECONDS):
                try:
                    busy = changes.seen() or busy
                    busy = busy and keeper.fold_objects()
                    keeper.pass_time()
                except TransientError as error:
                    log.warning("publishing points wait", reason=str(error))
                    over.wait(1.0)
                    busy = True

    def guarded(over: threading.Event) -> None:
        try:
            work(over)
        except BaseException as error:  # noqa: BLE001 - the driver ends with it
            failed(error)

    with background_thread(guarded, name="streamwarden-points"):
        yield

"""What a playlist decides: which segments there are, in which order, and what is missing.

an entry of a new version of the list     effect
listed before                             none
new, and its segment has arrived          the next sequence
new, and its segment has not arrived      the next sequence, awaited
marked as a gap                           the next sequence, lost

a new version                             is
begins or ends earlier than the last one  of a restarted encoder, if it names a segment that has
                                          arrived since; else an old version, ignored
begins after the last one's end           one after versions that were not seen: segments that
                                          arrived are placed by arrival, the others are lost
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scanner.ingest.decisions import ChannelChanged
from scanner.ingest.inputs import ListedSegment, Listing
from scanner.ingest.naming import series_of
from scanner.ingest.placing import (
    PointWork,
    await_segment,
    give_up_awaited,
    is_chosen,
    lose,
    note_rendition,
    place,
    settle_all,
)
from scanner.ingest.point import HeldObject, KnownRendition

__all__ = ["HELD_MOST", "apply_listing", "note_listing", "restart"]

SERIES_KEPT: Final = 8
"""Series of paths that one rendition may have."""
HOLE_LIMIT: Final = 64
"""Segments that versions which were not seen may have listed; beyond it the count began anew."""
HELD_MOST: Final = 256
"""Segments that wait for a name; the oldest beyond them are unlisted."""


def note_listing(work: PointWork, listing: Listing) -> None:
    """Note which series belong to a rendition, and how far it is listed."""
    found = dict.fromkeys(series_of(one.path) for one in listing.entries)
    series = tuple(dict.fromkeys((*listing.series, *found)))
    _adopt_series(work, listing.rendition, series)
    known = work.point.rendition(listing.rendition) or KnownRendition(name=listing.rendition)
    offer = next((o for o in work.point.offered if o.name == listing.rendition), None)
    note_rendition(
        work,
        replace(
            known,
            series=tuple(dict.fromkeys((*known.series, *series)))[-SERIES_KEPT:],
            is_video=known.is_video if offer is None else offer.is_video,
            next=listing.end,
            init=listing.init or known.init,
            latest=listing if work.point.chosen is None else None,
        ),
    )


def _adopt_series(work: PointWork, name: str, series: tuple[str, ...]) -> None:
    """Merge renditions that were known by the series of their segments alone into this one."""
    for one in work.point.renditions:
        if one.name == name or one.name not in series:
            continue
        known = work.point.rendition(name) or KnownRendition(name=name, is_video=one.is_video)
        merged = replace(
            known,
            series=(*known.series, *one.series),
            segments=known.segments + one.segments,
            moved_at=max(known.moved_at, one.moved_at),
        )
        left = tuple(other for other in work.point.renditions if other.name != one.name)
        chosen = name if work.point.chosen == one.name else work.point.chosen
        work.set(renditions=left, chosen=chosen)
        note_rendition(work, merged)


def apply_listing(work: PointWork, listing: Listing) -> None:
    """Apply a version of the chosen rendition's list."""
    if listing.target is not None:
        work.set(target=listing.target)
    if listing.entries:
        _apply_entries(work, listing)
    if listing.ended and work.point.phase in ("live", "stalled", "probing"):
        work.set(phase="ending", phase_at=work.point.now)


def _apply_entries(work: PointWork, listing: Listing) -> None:
    point = work.point
    if not point.is_listed:
        skipped = _skip_before_start(work, listing)
        if skipped is None:
            return
        work.set(next=listing.first + skipped)
    elif _goes_back(work, listing):
        arrived = {one.path for one in point.held} | set(point.placed)
        if not any(one.path in arrived for one in listing.entries):
            return
        restart(work, {one.path for one in listing.entries})
        work.set(next=listing.first, placed=point.placed)
        if point.phase == "ending":  # the same bytes under the same names, which are no news
            work.set(phase="live", phase_at=point.now)
            work.decide(ChannelChanged(state="live"))
    elif listing.first > point.next:
        _bridge(work, listing)
    placed = _placed_after(work, listing)
    discontinuities = listing.discontinuity_sequence
    work.set(first=listing.first, discontinuity_sequence=discontinuities)
    for sequence, entry in enumerate(listing.entries, listing.first):
        if sequence >= work.point.next:
            _apply_entry(work, entry)
    work.set(next=listing.end, placed=placed)
    _drop_unlisted(work, listing)


def _placed_after(work: PointWork, listing: Listing) -> tuple[str, ...]:
    """Return the paths that got a place by their arrival and that only a later version can name."""
    placed, names = work.point.placed, {one.path for one in listing.entries}
    named = [n for n, path in enumerate(placed) if path in names]
    if named:
        return placed[named[-1] + 1 :]
    return () if listing.first > work.point.next else placed


def _skip_before_start(work: PointWork, listing: Listing) -> int | None:
    """Return how many entries lie before the first segment that arrived; None if all do."""
    known = {one.path for one in work.point.held} | set(work.point.placed)
    return next((n for n, one in enumerate(listing.entries) if one.path in known), None)


def _goes_back(work: PointWork, listing: Listing) -> bool:
    point = work.point
    before, now = point.discontinuity_sequence, listing.discontinuity_sequence
    names = {one.path for one in listing.entries}
    return (
        listing.first < (point.first or 0)
        or listing.end < point.next
        or (before is not None and now is not None and now < before)
        or (
            listing.end == point.next
            and any(one.changed and one.path in names for one in point.held)
        )
    )


def restart(work: PointWork, names: set[str]) -> None:
    """Begin a new epoch of the stream: what the encoder left is placed or lost, and the next
    segment does not continue it. ``names`` are the segments of the new epoch."""
    new = [one.number for one in work.point.held if one.path in names]
    first = min(new, default=None)
    give_up_awaited(work, work.point.awaited)
    for one in work.point.held:
        before = first is not None and one.number < first
        if before and one.path not in names and not one.same and is_chosen(work.point, one.path):
            place(work, one)
    work.set(breaks=True, placed=(), lost=(), first=None, discontinuity_sequence=None)


def _bridge(work: PointWork, listing: Listing) -> None:
    """Account for segments between the last version and this one, which no version listed."""
    point = work.point
    hole = listing.first - point.next
    names = {one.path for one in listing.entries}
    first = min((one.number for one in point.held if one.path in names), default=None)
    if names & set(point.placed):
        first = 0  # what is held arrived after segments that this version names
    before = [
        one
        for one in point.held
        if one.path not in names
        and not one.same
        and (first is None or one.number < first)
        and is_chosen(point, one.path)
    ]
    for one in before[:hole]:
        place(work, one)
    if hole > HOLE_LIMIT:
        work.set(breaks=True)
        return
    by_arrival = [path for path in point.placed if path not in names]
    for _ in range(hole - len(before) - len(by_arrival)):
        lose(work, duration=point.target)


def _apply_entry(work: PointWork, entry: ListedSegment) -> None:
    if entry.gap:
        lose(work, duration=entry.duration, discontinuity=entry.discontinuity)
        return
    arrived = _arrived(work, entry.path)
    if entry.path in work.point.placed and (arrived is None or not arrived.changed):
        return
    if arrived is not None:
        place(
            work,
            arrived,
            duration=entry.duration,
            discontinuity=entry.discontinuity,
            init=entry.init,
        )
        return
    await_segment(
        work,
        path=entry.path,
        duration=entry.duration,
        discontinuity=entry.discontinuity,
        init=entry.init,
    )


def _arrived(work: PointWork, path: str) -> HeldObject | None:
    """Return the latest segment that arrived under a path; the ones before it are replaced."""
    found = tuple(one for one in work.point.held if one.path == path)
    if not found:
        return None
    settle_all(work, found[:-1], "ignored")
    return found[-1]


def _drop_unlisted(work: PointWork, listing: Listing) -> None:
    """Settle segments that the list has passed: it names one that arrived later."""
    names = {one.path for one in listing.entries}
    skipped = tuple(
        one
        for one in work.point.held
        if one.number < work.point.newest
        and one.path not in names
        and is_chosen(work.point, one.path) is not False
    )
    settle_all(work, skipped, "unlisted")
    settle_all(work, work.point.held[:-HELD_MOST], "unlisted")
    settle_all(work, tuple(one for one in work.point.held if one.path in names), "ignored")

"""The fold of a publishing point: what one more object, or more time, decides.

    state            event                                         next
    idle             first object                                  probing: a stream is minted
    probing          master or MPD seen, 2 segments of a           live: a rendition is chosen, and
                     rendition with pictures, or 3 s               stays
    live             a segment that the playlist names             the next sequence (listing.py)
    live             a segment, 1.5 s old, and no playlist yet     the next sequence, by arrival
    live             a segment that no playlist names for          it and those after it: the next
                     max(3 x target, 15 s)                         sequences, by arrival
    live             named, absent for one target duration,        lost
                     and no upload of it open
    live             no init segment for 10 s                      lost, undecodable (no_init)
    live             same path, same bytes                         no effect
    live             a restarted encoder                           same stream, discontinuity
    live             chosen rendition silent for 2 target          another one is chosen: lost, and
                     durations while another moves                 a discontinuity
    live             nothing for max(3 x target, 15 s)             stalled
    stalled          objects resume                                live
    stalled          60 s                                          ended (disconnected)
    live, stalled    EXT-X-ENDLIST or brand lmsg                   ending
    ending           a segment that is not awaited                 live, discontinuity
    ending           10 s                                          ended (ended)
    ended            new object                                    probing: another stream is minted

An end is final only after 10 s, so that an encoder that stops and starts again keeps its stream,
and with it the risk that its viewers saw build up. Time comes from the inputs alone and never runs
backwards; the rules of time also run up to the time of each object, so that it makes no difference
when an object is folded.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from scanner.ingest.decisions import (
    ChannelChanged,
    PointDecision,
    PublicationBegan,
)
from scanner.ingest.ending import (
    enter_phase,
    lose_without_init,
    settle_ending,
    stall_or_end,
    stall_seconds,
)
from scanner.ingest.inputs import (
    InitPushed,
    PlaylistPushed,
    PointInput,
    PointTick,
    SegmentPushed,
)
from scanner.ingest.listing import HELD_MOST, apply_listing, note_listing, restart
from scanner.ingest.naming import choose_init, is_sound, series_of
from scanner.ingest.placing import (
    PATHS_KEPT,
    PointWork,
    give_up_awaited,
    is_chosen,
    note_rendition,
    place,
    place_waiting,
    settle,
    settle_all,
)
from scanner.ingest.point import (
    HeldObject,
    KnownInit,
    KnownRendition,
    PublishingPoint,
)
from scanner.ingest.rendition import choose_rendition, switch_rendition

__all__ = ["advance_point"]

PROBE_SECONDS: Final = 3.0
PROBE_SEGMENTS: Final = 2
SOUND_SECONDS: Final = 12.0
"""Wait for a rendition with pictures, where only others came."""
NAME_SECONDS: Final = 1.5
"""Wait for a playlist that names a segment, where none was ever seen; and for the last segment
after the end."""
LEAST_AWAIT_SECONDS: Final = 2.0
"""Least wait for a segment that is named: open uploads are reported once a second."""
INIT_SECONDS: Final = 10.0
INITS_KEPT: Final = 16
OFFERED_MOST: Final = 64


def advance_point(
    point: PublishingPoint, given: PointInput
) -> tuple[PublishingPoint, tuple[PointDecision, ...]]:
    """Fold one input into a publishing point; return the next state and what was decided.

    Objects come in the order of their numbers, each once.
    """
    work = PointWork(point)
    if isinstance(given, PointTick):
        _pass_time(work, given.at, given.uploads)
        return work.point, tuple(work.decisions)
    _pass_time(work, given.at, None)
    if isinstance(given, SegmentPushed):
        _take_segment(work, given)
    elif isinstance(given, InitPushed):
        _take_init(work, given)
    else:
        _take_playlist(work, given)
    _leave_probing(work)
    return work.point, tuple(work.decisions)


# Objects


def _begin_if_new(work: PointWork, given: SegmentPushed | InitPushed | PlaylistPushed) -> None:
    """Mint a stream if there is no publication."""
    if work.point.is_active:
        return
    stream_id = f"{work.point.channel[:160]}~{int(given.at)}-{given.number}"
    work.point = PublishingPoint(
        channel=work.point.channel,
        phase="probing",
        stream_id=stream_id,
        now=work.point.now,
        began_at=work.point.now,
        first_number=given.number,
        moved_at=work.point.now,
        phase_at=work.point.now,
        inits=work.point.inits,
    )
    work.decide(PublicationBegan(stream_id=stream_id, number=given.number))


def _resume(work: PointWork) -> None:
    if work.point.phase != "stalled":
        return
    if work.point.chosen is None:
        enter_phase(work, "probing")
        return
    enter_phase(work, "live")
    work.decide(ChannelChanged(state="live"))


def _take_segment(work: PointWork, given: SegmentPushed) -> None:
    _begin_if_new(work, given)
    chosen = is_chosen(work.point, given.path)
    awaited = next((one for one in work.point.awaited if one.path == given.path), None)
    work.set(moved_at=work.point.now)
    _resume(work)
    _note_segment(work, given)
    if chosen is False:
        settle(work, given.number, "unselected")
        return
    earlier = given.earlier if given.earlier_number >= work.point.first_number else None
    held = HeldObject(
        number=given.number,
        at=work.point.now,
        path=given.path,
        after=given.after,
        needs_init=given.needs_init,
        is_last=given.is_last,
        problem=given.problem,
        same=earlier == given.sha256,
        changed=earlier not in (None, given.sha256),
    )
    if awaited is not None:
        work.set(awaited=tuple(o for o in work.point.awaited if o.sequence != awaited.sequence))
        place(
            work,
            held,
            sequence=awaited.sequence,
            duration=awaited.duration,
            discontinuity=awaited.discontinuity,
            init=awaited.init,
        )
        return
    if given.path in work.point.lost and not held.changed:
        settle(work, given.number, "late")
        return
    if work.point.phase == "ending" and not held.same and not _is_tail(work.point):
        _continue_after_end(work)
    work.set(held=(*work.point.held, held))


def _is_tail(point: PublishingPoint) -> bool:
    """Return whether a segment may be the last one, on its way beside the announcement of the
    end: nothing lists the segments, and the end is a moment old."""
    return not point.is_listed and point.now - point.phase_at < NAME_SECONDS


def _continue_after_end(work: PointWork) -> None:
    """Continue a publication whose end was announced: the encoder was started again."""
    settle_ending(work)
    restart(work, set())
    enter_phase(work, "live")
    work.decide(ChannelChanged(state="live"))


def _note_segment(work: PointWork, given: SegmentPushed) -> None:
    """Count a segment of its rendition, which is new if nothing is known of its series."""
    series = series_of(given.path)
    known = work.point.rendition_of(series)
    if known is None:
        if work.point.is_listed:
            return  # its name may have several numbers that change: its playlist will tell
        known = KnownRendition(
            name=series,
            series=(series,),
            is_video=_may_show_pictures(work.point, given),
        )
    moved = replace(known, segments=known.segments + 1, moved_at=work.point.now)
    note_rendition(work, moved)


def _may_show_pictures(point: PublishingPoint, given: SegmentPushed) -> bool:
    """Return whether neither its name nor its init segment says that a segment has no pictures."""
    init = choose_init(point.inits, named=None, segment=given.path, after=given.number)
    known = given.is_video if init is None else init.is_video
    return known is not False and not is_sound(given.path)


def _take_init(work: PointWork, given: InitPushed) -> None:
    settle(work, given.number, "used")
    if work.point.phase == "ended" and any(
        (one.path, one.sha256) == (given.path, given.sha256) for one in work.point.inits
    ):
        return
    _begin_if_new(work, given)
    known = KnownInit(
        number=given.number, path=given.path, sha256=given.sha256, is_video=given.is_video
    )
    work.set(inits=(*work.point.inits, known)[-INITS_KEPT:])
    place_waiting(work)


def _take_playlist(work: PointWork, given: PlaylistPushed) -> None:
    if not work.point.is_active and (given.is_end or not (given.offered or given.listings)):
        settle(work, given.number, "ignored")
        return
    settle(work, given.number, "used")
    _begin_if_new(work, given)
    if given.offered:
        work.set(offered=given.offered[:OFFERED_MOST])
    for listing in given.listings:
        note_listing(work, listing)
        if listing.rendition == work.point.chosen:
            apply_listing(work, listing)
            _settle_unselected(work)


# Time


def _pass_time(work: PointWork, at: float, uploads: frozenset[str] | None) -> None:
    """Apply the rules of time. ``uploads`` is None where it is not known what is being received:
    then nothing that an upload may prevent is decided, unless it is long overdue."""
    work.set(now=max(work.point.now, at))
    if not work.point.is_active:
        return
    _leave_probing(work)
    if work.point.phase in ("live", "stalled"):
        _place_by_arrival(work)
        _end_at_last(work)
    if uploads is not None:
        _give_up_absent(work, uploads)
    _give_up_without_init(work)
    if work.point.phase == "live":
        switch_rendition(work)
        _settle_unselected(work)
    stall_or_end(work, uploads)


def _leave_probing(work: PointWork) -> None:
    point = work.point
    if point.phase != "probing":
        return
    if not (point.offered or _knows_enough(point)):
        return
    chosen = choose_rendition(point)
    if chosen is None:
        return
    latest = chosen.latest
    enter_phase(work, "live")
    note_rendition(work, replace(chosen, latest=None))
    work.set(
        chosen=chosen.name,
        renditions=tuple(replace(one, latest=None) for one in work.point.renditions),
    )
    work.decide(ChannelChanged(state="live"))
    if latest is not None:
        apply_listing(work, latest)
    _settle_unselected(work)


def _knows_enough(point: PublishingPoint) -> bool:
    """Return whether a rendition can be chosen without an offer: one with pictures is known, or
    none came for long."""
    moving = [one for one in point.renditions if one.segments]
    waited = point.now - point.held[0].at if point.held else 0.0
    if not any(one.is_video for one in moving):
        return waited >= SOUND_SECONDS
    most = max(one.segments for one in moving if one.is_video)
    return most >= PROBE_SEGMENTS or waited >= PROBE_SECONDS


def _settle_unselected(work: PointWork) -> None:
    """Settle held segments that are now known to be of another rendition."""
    others = tuple(o for o in work.point.held if is_chosen(work.point, o.path) is False)
    settle_all(work, others, "unselected")


def _place_by_arrival(work: PointWork) -> None:
    """Place segments that no playlist will name, in the order in which they arrived: there is
    none, or it fails or is too large while segments come."""
    is_listed = work.point.is_listed
    if is_listed and not _is_unnamed_for_long(work.point):
        return
    kept = HELD_MOST if is_listed else PATHS_KEPT
    for one in work.point.held:
        if work.point.now - one.at < NAME_SECONDS:
            break
        if not is_chosen(work.point, one.path):
            continue
        if one.same:
            settle_all(work, (one,), "same")
            continue
        repeats = one.path in work.point.placed
        place(work, one, discontinuity=one.changed and (repeats or is_listed))
        placed = (one.path,) if repeats else (*work.point.placed, one.path)
        work.set(placed=placed[-kept:])
        if one.is_last:
            enter_phase(work, "ending")


def _is_unnamed_for_long(point: PublishingPoint) -> bool:
    """Return whether a segment waits for its name as long as a silent channel stalls."""
    limit = stall_seconds(point)
    return any(
        point.now - one.at >= limit and not one.same and is_chosen(point, one.path)
        for one in point.held
    )


def _end_at_last(work: PointWork) -> None:
    """End the publication once the segment that declares itself the last one has its place."""
    if work.point.is_listed and any(
        one.is_last and is_chosen(work.point, one.path) for one in work.point.held
    ):
        enter_phase(work, "ending")


def _give_up_absent(work: PointWork, uploads: frozenset[str]) -> None:
    wait = max(work.point.target_seconds, LEAST_AWAIT_SECONDS)
    absent = tuple(
        one
        for one in work.point.awaited
        if work.point.now - one.since >= wait and one.path not in uploads
    )
    give_up_awaited(work, absent)


def _give_up_without_init(work: PointWork) -> None:
    for one in work.point.waiting:
        if work.point.now - one.since >= INIT_SECONDS:
            lose_without_init(work, one)

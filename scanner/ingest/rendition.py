"""Which of several renditions is scanned: chosen once, and left only if it falls silent."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Final

from scanner.ingest.decisions import PlaceLost
from scanner.ingest.placing import (
    PointWork,
    give_up_awaited,
    note_rendition,
    settle_all,
)
from scanner.ingest.point import KnownRendition, PublishingPoint

__all__ = ["choose_rendition", "switch_rendition"]

SILENT_TARGETS: Final = 2
"""Target durations without a segment after which another rendition is chosen."""


def choose_rendition(point: PublishingPoint) -> KnownRendition | None:
    """Return the rendition to scan: the first that is offered; else one with pictures that a
    playlist lists, of which the most segments arrived. None while there is none."""
    for offer in (*(o for o in point.offered if o.is_video), *point.offered):
        return point.rendition(offer.name) or KnownRendition(
            name=offer.name, is_video=offer.is_video
        )
    moving = [one for one in point.renditions if one.segments]
    if not moving:
        return None
    return min(moving, key=lambda one: (not one.is_video, one.latest is None, -one.segments))


def switch_rendition(work: PointWork) -> None:
    """Choose another rendition if the chosen one is silent, or without pictures, while that one
    moves."""
    point = work.point
    if point.chosen is None:
        return
    limit = SILENT_TARGETS * point.target_seconds
    chosen = point.rendition(point.chosen)
    silent_since = max(0.0 if chosen is None else chosen.moved_at, point.began_at)
    others = [
        one
        for one in point.renditions
        if one.name != point.chosen
        and one.is_video
        and (one.moved_at > silent_since or (chosen is not None and not chosen.is_video))
        and one.moved_at
        and point.now - one.moved_at < limit
    ]
    is_blind = chosen is not None and not chosen.is_video
    if not others or (point.now - silent_since < limit and not is_blind):
        return
    order = [one.name for one in point.offered]
    best = min(others, key=lambda one: order.index(one.name) if one.name in order else len(order))
    _follow(work, best, silent=point.now - silent_since)


def _follow(work: PointWork, best: KnownRendition, *, silent: float) -> None:
    give_up_awaited(work, work.point.awaited)
    settle_all(work, work.point.held, "unselected")
    sequence = work.take_sequence()
    work.decide(
        PlaceLost(
            sequence=sequence,
            duration=Fraction(round(silent * 1000), 1000),
            discontinuity=work.take_break(False),
        )
    )
    work.set(chosen=best.name, breaks=True, placed=(), discontinuity_sequence=None)
    if best.next:
        work.set(first=0, next=best.next)
    else:
        work.set(first=None, next=0)
    note_rendition(work, replace(best, latest=None))

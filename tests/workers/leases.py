"""Leases of a dispatch that tests take and finish by hand."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.stream.events import SegmentFailed, SegmentScored
from scanner.stream.inputs import Turn
from scanner.stream.state import StreamProgress
from tests.workers.pool_fakes import (
    MANY,
    all_progress,
    fold_quarantined,
)
from workers.dispatch import Bounds, Dispatch, Lease

BOUNDS = Bounds(workers=1, lease_size=4, deaths_in_a_row=MANY)


def dispatch_of(*turns: Turn, bounds: Bounds = BOUNDS) -> Dispatch:
    dispatch = Dispatch(bounds, fold_quarantined)
    for turn in turns:
        dispatch.offer(turn)
    return dispatch


def take(dispatch: Dispatch) -> Lease:
    lease = dispatch.take("worker", now=0)
    assert lease is not None
    return lease


def finish(dispatch: Dispatch, lease: Lease) -> None:
    dispatch.receive(lease, all_progress(lease))


def shares(lease: Lease | None) -> list[tuple[str, int, int]]:
    """Return the streams of a lease, each with its first turn and the number of its turns."""
    if lease is None:
        return []
    return [(one.state.stream_id, one.state.turn, len(one.turns)) for one in lease.work]


def seen(progress: Iterable[StreamProgress]) -> list[tuple[str, int]]:
    """Return which segments were scored or failed, in order."""
    found = []
    for event in (event for one in progress for event in one.events):
        match event:
            case SegmentScored(segment=segment):
                found.append(("scored", segment.key.sequence))
            case SegmentFailed(key=key):
                found.append(("failed", key.sequence))
    return found

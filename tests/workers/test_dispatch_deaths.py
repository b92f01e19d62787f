"""A worker that dies costs a retry; a turn that kills its workers alone is quarantined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.errors import QuarantinedError, SetupError
from scanner.stream.events import SegmentFailed, SegmentLate, StreamFinished
from scanner.stream.inputs import Turn
from tests.workers.leases import BOUNDS, dispatch_of, finish, seen, shares, take
from tests.workers.pool_fakes import (
    MANY,
    all_progress,
    end,
    fold_quarantined,
    scripted,
)
from workers.blame import LONE_DEATHS, PARTS_BETWEEN
from workers.dispatch import Bounds, Dispatch


def test_turns_that_were_with_a_dead_worker_travel_alone_one_by_one() -> None:
    dispatch = dispatch_of(*(scripted("s", n) for n in range(8)))
    together = take(dispatch)

    dispatch.lose(together, "killed")
    sizes = []
    for _ in range(5):
        lease = take(dispatch)
        sizes.append(sum(len(share.turns) for share in lease.work))
        finish(dispatch, lease)

    assert shares(together) == [("s", 0, 4)]
    assert sizes == [1, 1, 1, 1, 2]


def test_streams_that_were_with_a_dead_worker_travel_one_by_one_and_the_others_as_before() -> None:
    bounds = Bounds(workers=1, lease_size=2, deaths_in_a_row=MANY)
    dispatch = dispatch_of(*(scripted(f"s{n}") for n in range(6)), bounds=bounds)

    dispatch.lose(take(dispatch), "killed")

    assert [shares(take(dispatch)) for _ in range(4)] == [
        [("s0", 0, 1)],
        [("s1", 0, 1)],
        [("s2", 0, 1), ("s3", 0, 1)],
        [("s4", 0, 1)],
    ]


def test_a_segment_that_kills_its_workers_alone_is_quarantined_and_its_stream_continues() -> None:
    dispatch = dispatch_of(scripted("s", 5), scripted("s", 6))

    for _ in range(LONE_DEATHS):
        dispatch.lose(take(dispatch), "killed by signal 9")
    finish(dispatch, take(dispatch))
    progress = list(dispatch.take_ready())

    (failed,) = progress[0].events
    assert isinstance(failed, SegmentFailed)
    assert (failed.kind, failed.quarantined) == (QuarantinedError.kind, True)
    assert failed.message == "s-5: its worker ended 5 times (killed by signal 9); quarantined"
    assert seen(progress) == [("failed", 5), ("scored", 6)]
    assert dispatch.is_idle()


def test_a_file_that_is_quarantined_gives_up_its_rest() -> None:
    dispatch = dispatch_of(scripted("s", 0, windows=4), end())
    lease = take(dispatch)
    dispatch.receive(lease, all_progress(lease)[:1])

    dispatch.lose(lease, "killed")
    for _ in range(LONE_DEATHS - 1):
        dispatch.lose(take(dispatch), "killed")
    finish(dispatch, take(dispatch))

    progress = list(dispatch.take_ready())
    assert seen(progress) == [("scored", 0), ("failed", 1)]
    assert isinstance(progress[-1].events[-1], StreamFinished)
    assert dispatch.is_idle()


def test_a_late_segment_that_is_quarantined_is_recorded_as_late() -> None:
    dispatch = dispatch_of(scripted("s", 5, late=True))

    for _ in range(LONE_DEATHS):
        dispatch.lose(take(dispatch), "killed")
    (progress,) = dispatch.take_ready()

    (late,) = progress.events
    assert isinstance(late, SegmentLate)
    assert isinstance(late.outcome, SegmentFailed)
    assert late.outcome.quarantined


def test_deaths_with_other_work_in_hand_do_not_count() -> None:
    dispatch = dispatch_of(
        *(scripted("s", n) for n in range(4)), bounds=Bounds(workers=1, lease_size=2)
    )

    for _ in range(LONE_DEATHS):
        dispatch.lose(take(dispatch), "killed")

    assert list(dispatch.take_ready()) == []


def test_deaths_at_different_parts_do_not_add_up() -> None:
    dispatch = dispatch_of(scripted(windows=3))

    for _ in range(2):
        lease = take(dispatch)
        dispatch.receive(lease, all_progress(lease)[:1])
        dispatch.lose(lease, "killed")
    finish(dispatch, take(dispatch))

    assert seen(dispatch.take_ready()) == [("scored", 0), ("scored", 1), ("scored", 2)]


def test_a_turn_without_a_segment_is_never_quarantined() -> None:
    dispatch = dispatch_of(end())

    for _ in range(5):
        dispatch.lose(take(dispatch), "killed")
    finish(dispatch, take(dispatch))

    (progress,) = dispatch.take_ready()
    assert progress.state.ended


def test_workers_that_only_die_are_an_error_for_the_operator() -> None:
    dispatch = dispatch_of(
        *(scripted("s", n) for n in range(4)), bounds=Bounds(workers=1, deaths_in_a_row=3)
    )
    dispatch.lose(take(dispatch), "killed")
    dispatch.lose(take(dispatch), "killed")

    with pytest.raises(
        SetupError,
        match="3 workers ended one after another without progress, the last one: killed",
    ):
        dispatch.lose(take(dispatch), "killed")


def test_progress_between_two_deaths_resets_their_count() -> None:
    dispatch = dispatch_of(
        *(scripted("s", n, windows=2) for n in range(0, 20, 2)),
        bounds=Bounds(workers=1, deaths_in_a_row=2),
    )

    for _ in range(5):
        lease = take(dispatch)
        dispatch.receive(lease, all_progress(lease)[:1])
        dispatch.lose(lease, "killed")

    assert len(list(dispatch.take_ready())) == 5


def test_a_worker_that_reports_nothing_loses_its_lease_in_time() -> None:
    dispatch = dispatch_of(scripted(), bounds=Bounds(workers=1, patience=30))
    lease = take(dispatch)

    assert dispatch.overdue(29.9) == ()
    assert dispatch.overdue(30) == (lease,)

    dispatch.renew(lease, until=60)

    assert dispatch.overdue(30) == ()


def test_a_lease_that_is_done_or_lost_is_never_overdue() -> None:
    dispatch = dispatch_of(scripted("s"), scripted("t"))
    done, lost = take(dispatch), take(dispatch)

    finish(dispatch, done)
    dispatch.lose(lost, "killed")
    for lease in (done, lost):
        dispatch.renew(lease, until=1)

    assert dispatch.overdue(MANY) == ()


def is_marked(turn: Turn) -> bool:
    """Return whether a turn is of a stream that earlier runs ended with."""
    return turn.stream_id.startswith("marked")


def marked_dispatch(*turns: Turn) -> Dispatch:
    dispatch = Dispatch(replace(BOUNDS, workers=3), fold_quarantined, is_suspect=is_marked)
    for turn in turns:
        dispatch.offer(turn)
    return dispatch


def test_of_the_segments_that_runs_ended_with_one_is_out_at_a_time_and_after_other_work() -> None:
    others = [scripted("s", n) for n in range(PARTS_BETWEEN)]
    dispatch = marked_dispatch(scripted("marked-a"), scripted("marked-b"), *others)

    before = dispatch.lone_suspect(), dispatch.has_survivors
    finished = []
    while dispatch.lone_suspect() is None:
        lease = take(dispatch)
        if dispatch.lone_suspect() is None:
            finish(dispatch, lease)
            finished += shares(lease)
    suspect, none = dispatch.lone_suspect(), dispatch.take("worker", now=0)
    finish(dispatch, lease)

    assert before == (None, False)
    assert sum(count for _, _, count in finished) == PARTS_BETWEEN
    assert {stream for stream, _, _ in finished} == {"s"}
    assert (shares(lease), none) == ([("marked-a", 0, 1)], None)
    assert shares(take(dispatch)) == [("marked-b", 0, 1)]
    assert suspect is not None
    assert suspect.stream_id == "marked-a"
    assert dispatch.has_survivors


def test_a_segment_that_runs_ended_with_does_not_wait_for_work_that_is_not_there() -> None:
    dispatch = marked_dispatch(scripted("marked-a"))

    assert shares(take(dispatch)) == [("marked-a", 0, 1)]
    assert not dispatch.has_survivors

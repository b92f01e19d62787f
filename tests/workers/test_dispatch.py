from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from scanner.errors import QuarantinedError, SetupError
from scanner.stream.events import SegmentFailed, SegmentLate, SegmentScored, StreamFinished
from scanner.stream.inputs import Turn
from scanner.stream.state import StreamProgress, StreamState
from scanner.types import StreamId
from tests.workers.pool_fakes import (
    HERE,
    MANY,
    all_progress,
    end,
    fold_quarantined,
    scripted,
)
from workers.blame import LONE_DEATHS
from workers.decode import DecodeActor
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


# Leases


def test_a_stream_is_in_one_lease_at_a_time() -> None:
    dispatch = dispatch_of(scripted("s", 0), scripted("s", 1))
    first = take(dispatch)

    meanwhile = dispatch.take("bert", now=0)
    finish(dispatch, first)

    assert shares(first) == [("s", 0, 1)]
    assert meanwhile is None
    assert shares(take(dispatch)) == [("s", 1, 1)]


def test_turns_that_arrive_while_their_stream_is_leased_wait_for_its_next_lease() -> None:
    dispatch = dispatch_of(scripted("s", 0))
    first = take(dispatch)
    for sequence in range(1, 5):
        dispatch.offer(scripted("s", sequence))

    finish(dispatch, first)

    assert shares(take(dispatch)) == [("s", 1, 2)]


def test_a_lease_carries_the_state_that_its_first_turn_continues() -> None:
    dispatch = dispatch_of(scripted("s", 0), scripted("s", 1))
    first = take(dispatch)
    *_, last = all_progress(first)

    finish(dispatch, first)

    assert take(dispatch).work[0].state == last.state


def test_streams_do_not_wait_for_each_other() -> None:
    dispatch = dispatch_of(scripted("s"), scripted("t"))
    take(dispatch)

    finish(dispatch, take(dispatch))

    assert [one.stream_id for one in dispatch.take_ready()] == ["t"]


def test_each_stream_has_one_turn_in_a_lease_before_any_has_a_second() -> None:
    turns = [*(scripted("s", n) for n in range(6)), scripted("t"), scripted("u")]

    lease = take(dispatch_of(*turns))

    assert shares(lease) == [("s", 0, 2), ("t", 0, 1), ("u", 0, 1)]


def test_live_work_goes_at_once_and_the_rest_is_shared_evenly() -> None:
    bounds = Bounds(workers=2, lease_size=16, deaths_in_a_row=MANY)
    dispatch = dispatch_of(*(scripted(f"s{n}") for n in range(8)), bounds=bounds)

    sizes = [len(take(dispatch).work) for _ in range(5)]

    assert sizes == [2, 2, 1, 1, 1]


def test_the_oldest_turn_goes_first() -> None:
    turns = [scripted("s", 0), scripted("t", 0), scripted("s", 1)]
    dispatch = dispatch_of(*turns, bounds=Bounds(workers=1, lease_size=1))
    finish(dispatch, take(dispatch))

    assert [shares(take(dispatch)) for _ in range(2)] == [[("t", 0, 1)], [("s", 1, 1)]]


def test_a_stream_with_an_open_incident_goes_first() -> None:
    dispatch = dispatch_of(scripted("fire", 0, windows=4, bright=True))
    finish(dispatch, take(dispatch))
    for turn in (scripted("calm", 0), scripted("fire", 4, bright=True)):
        dispatch.offer(turn)

    assert shares(take(dispatch)) == [("fire", 1, 1)]


# Progress


def test_progress_goes_out_in_the_order_of_the_turns() -> None:
    dispatch = dispatch_of(scripted("s", 0, windows=2), scripted("s", 2), end())

    while (lease := dispatch.take("worker", now=0)) is not None:
        finish(dispatch, lease)
    progress = list(dispatch.take_ready())

    assert [(one.state.turn, one.state.part) for one in progress] == [
        (0, 1),
        (1, 0),
        (2, 0),
        (3, 0),
    ]
    assert seen(progress) == [("scored", 0), ("scored", 1), ("scored", 2)]
    assert dispatch.is_idle()


def test_a_merged_report_closes_all_turns_that_it_covers() -> None:
    turns = [scripted("s", n) for n in range(8)]
    dispatch = dispatch_of(*turns)
    lease = take(dispatch)
    (report,) = DecodeActor(HERE, clock=lambda: 0.0).work(lease.work)

    dispatch.receive(lease, report)
    (progress,) = dispatch.take_ready()

    assert shares(lease) == [("s", 0, 4)]
    assert seen([progress]) == [("scored", n) for n in range(4)]
    assert shares(take(dispatch)) == [("s", 4, 2)]


def test_a_retry_continues_after_the_last_committed_part() -> None:
    dispatch = dispatch_of(scripted(windows=3))
    lost = take(dispatch)
    dispatch.receive(lost, all_progress(lost)[:2])

    dispatch.lose(lost, "killed")
    retry = take(dispatch)
    finish(dispatch, retry)

    assert [(share.state.position, share.suspect) for share in retry.work] == [((0, 2), True)]
    assert seen(dispatch.take_ready()) == [("scored", 0), ("scored", 1), ("scored", 2)]


def test_reports_of_a_lost_lease_have_no_effect() -> None:
    dispatch = dispatch_of(scripted(windows=2))
    lost = take(dispatch)
    dispatch.lose(lost, "silent")
    retry = take(dispatch)

    finish(dispatch, lost)
    dispatch.lose(lost, "silent again")
    late = seen(dispatch.take_ready())
    finish(dispatch, retry)
    finish(dispatch, retry)

    assert late == []
    assert seen(dispatch.take_ready()) == [("scored", 0), ("scored", 1)]


def test_a_report_that_comes_twice_is_committed_once() -> None:
    dispatch = dispatch_of(*(scripted("s", n, windows=2) for n in range(0, 8, 2)), end())
    lease = take(dispatch)
    first, second, *rest = all_progress(lease)

    for report in ([first], [first], [second], [first, second], rest, rest):
        dispatch.receive(lease, report)
    while (lease_now := dispatch.take("worker", now=0)) is not None:
        finish(dispatch, lease_now)

    assert seen(dispatch.take_ready()) == [("scored", n) for n in range(8)]
    assert dispatch.is_idle()


def test_a_stream_is_dropped_at_its_end_and_its_name_can_start_again() -> None:
    dispatch = dispatch_of(scripted("s"), end("s"), bounds=replace(BOUNDS, lease_size=2))
    for _ in range(2):
        finish(dispatch, take(dispatch))

    dispatch.offer(scripted("s"))

    assert take(dispatch).work[0].state == StreamState.new(StreamId("s"))


# Deaths


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
    assert failed.message == "s-5: its worker ended 5 times (killed by signal 9); set aside"
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


# Bounds


def test_a_turn_is_in_flight_until_the_progress_that_closed_it_is_taken() -> None:
    bounds = Bounds(workers=1, lease_size=1, leases_ahead=1)
    dispatch = dispatch_of(scripted("s", 0, windows=2), bounds=bounds)
    lease = take(dispatch)
    first, last = all_progress(lease)

    capacity = [dispatch.has_capacity()]
    for progress in (first, last):
        dispatch.receive(lease, [progress])
        capacity.append(dispatch.has_capacity())
        list(dispatch.take_ready())
        capacity.append(dispatch.has_capacity())

    assert capacity == [False, False, False, False, True]


def test_a_segment_over_the_limit_travels_alone() -> None:
    small, large = scripted("s", 0), scripted("s", 1, windows=100, child_dies=range(100))
    dispatch = dispatch_of(small, bounds=Bounds(workers=1, bytes_in_flight=250))

    assert not dispatch.admits(large)
    with pytest.raises(ValueError, match="stream s: turn offered beyond"):
        dispatch.offer(large)

    finish(dispatch, take(dispatch))
    list(dispatch.take_ready())

    assert dispatch.admits(large)


def test_workers_pause_while_their_results_are_not_taken() -> None:
    dispatch = dispatch_of(scripted(windows=2), bounds=Bounds(workers=1, progress_ready=2))
    lease = take(dispatch)

    crowded = []
    for progress in all_progress(lease):
        dispatch.receive(lease, [progress])
        crowded.append(dispatch.is_crowded())
    list(dispatch.take_ready())

    assert [*crowded, dispatch.is_crowded()] == [False, True, False]


@pytest.mark.parametrize("name", ["workers", "lease_size", "bytes_in_flight", "patience"])
def test_impossible_bounds_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Bounds(**{"workers": 1, name: 0})

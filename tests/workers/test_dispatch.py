"""Streams are leased with their turns in order, and progress goes out in order, within bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scanner.stream.state import StreamState
from scanner.types import StreamId
from tests.workers.leases import BOUNDS, dispatch_of, finish, seen, shares, take
from tests.workers.pool_fakes import (
    HERE,
    MANY,
    all_progress,
    end,
    scripted,
)
from workers.decode import DecodeActor
from workers.dispatch import Bounds

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


def test_a_stream_can_be_forgotten_once_it_has_nothing_in_flight_or_ended() -> None:
    dispatch = dispatch_of(scripted("idle"), scripted("ended"), end("ended"), scripted("busy"))
    while (lease := dispatch.take("anna", now=0)) is not None:
        finish(dispatch, lease)
    dispatch.offer(scripted("busy", 1))

    left = [name for name in ("idle", "ended", "busy") if not dispatch.forget(StreamId(name))]

    assert left == ["busy"]


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

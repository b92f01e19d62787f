"""The next turns of a stream are decided from its rows and the time alone."""

from __future__ import annotations

from scanner.stream.next_turns import DeclaredEnd, NextTurns, WaitingSegment, next_turns
from scanner.stream.order import Late, Missing, Ready, TurnOrder

ORDER = TurnOrder(patience=3)


def decide(
    order: TurnOrder, *waiting: int, end: DeclaredEnd | None = None, now: float = 0.0
) -> NextTurns:
    arrived = [WaitingSegment(sequence=sequence, arrived=0.0) for sequence in waiting]
    return next_turns(order, arrived, end, now=now, wait_seconds=10.0)


def test_segments_in_order_come_next() -> None:
    decided = decide(ORDER, 1, 0)
    assert decided.releases == (Ready(sequence=0), Ready(sequence=1))
    assert decided.order.next == 2


def test_a_segment_behind_a_hole_waits_and_is_not_part_of_the_stored_order() -> None:
    decided = decide(TurnOrder(next=1), 2)
    assert decided.releases == ()
    assert decided.order.waiting == ()


def test_a_hole_is_given_up_once_a_later_segment_waited_long_enough() -> None:
    order = TurnOrder(next=1)
    assert decide(order, 2, now=9.9).releases == ()
    decided = decide(order, 2, now=10.0)
    assert decided.releases == (Missing(first=1, last=1), Ready(sequence=2))


def test_a_segment_that_was_given_up_is_late() -> None:
    order = decide(TurnOrder(next=1), 2, now=10.0).order
    assert decide(order, 1).releases == (Late(sequence=1),)


def test_a_stream_ends_once_its_declared_last_segment_is_placed() -> None:
    end = DeclaredEnd(last_sequence=1, declared=0.0)
    assert not decide(ORDER, 0, end=end).ends
    decided = decide(ORDER, 0, 1, end=end)
    assert decided.ends
    assert decided.releases == (Ready(sequence=0), Ready(sequence=1))


def test_what_is_missing_before_a_declared_end_is_given_up_in_time() -> None:
    end = DeclaredEnd(last_sequence=3, declared=0.0)
    order = TurnOrder(next=1)
    decided = decide(order, 2, end=end, now=10.0)
    assert decided.ends
    assert decided.releases == (
        Missing(first=1, last=1),
        Ready(sequence=2),
        Missing(first=3, last=3),
    )


def test_an_end_without_a_last_sequence_waits_for_a_grace_period() -> None:
    end = DeclaredEnd(last_sequence=None, declared=0.0)
    assert not decide(ORDER, 0, end=end, now=4.9).ends
    assert decide(ORDER, 0, end=end, now=5.0).ends

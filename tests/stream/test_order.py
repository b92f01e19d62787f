from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.stream.order import Late, Missing, Ready, Release, TurnOrder
from tests.risk.streams import quick

START = TurnOrder.starting_at(0, patience=3)


def offered(sequences: Iterable[int], order: TurnOrder = START) -> tuple[TurnOrder, list[Release]]:
    """Return the order after all of these arrivals, and what they released."""
    out: list[Release] = []
    for sequence in sequences:
        order, released = order.add(sequence)
        out += released
    return order, out


def ready(*sequences: int) -> list[Release]:
    return [Ready(sequence=sequence) for sequence in sequences]


def test_sequences_in_order_are_released_at_once() -> None:
    assert offered([0, 1, 2])[1] == ready(0, 1, 2)


def test_a_sequence_before_its_turn_waits() -> None:
    assert offered([0, 2, 3])[1] == ready(0)
    assert offered([0, 2, 3, 1])[1] == ready(0, 1, 2, 3)


def test_a_sequence_is_missing_when_three_later_ones_are_there() -> None:
    assert offered([0, 2, 3, 4])[1] == [*ready(0), Missing(first=1, last=1), *ready(2, 3, 4)]


def test_a_sequence_that_was_given_up_is_late_and_then_a_duplicate() -> None:
    _, released = offered([0, 3, 4, 5, 2, 2, 1])

    assert released == [
        *ready(0),
        Missing(first=1, last=2),
        *ready(3, 4, 5),
        Late(sequence=2),
        Late(sequence=1),
    ]


def test_a_giant_hole_is_one_release() -> None:
    assert offered([10**12, 10**12 + 1, 10**12 + 2])[1][0] == Missing(first=0, last=10**12 - 1)


def test_the_end_releases_the_sequences_that_wait() -> None:
    assert list(offered([0, 2, 5])[0].end()[1]) == [
        Missing(first=1, last=1),
        *ready(2),
        Missing(first=3, last=4),
        *ready(5),
    ]


def test_a_stream_whose_first_sequence_is_not_known_begins_with_the_lowest_of_three() -> None:
    assert offered([18, 17], TurnOrder())[1] == []
    assert offered([18, 17, 19], TurnOrder())[1] == ready(17, 18, 19)
    assert list(offered([18, 17], TurnOrder())[0].end()[1]) == ready(17, 18)


def test_patience_is_one_at_least() -> None:
    with pytest.raises(ValueError, match="patience must be 1 or more"):
        TurnOrder(patience=0)


@quick
@given(st.lists(st.integers(0, 30), max_size=60))
def test_every_sequence_is_released_once_and_in_order(
    sequences: list[int],
) -> None:
    order, released = offered(sequences)
    released += order.end()[1]

    folded = [release.sequence for release in released if isinstance(release, Ready)]
    late = [release.sequence for release in released if isinstance(release, Late)]
    missing = [
        n
        for release in released
        if isinstance(release, Missing)
        for n in range(release.first, release.last + 1)
    ]
    assert sorted([*folded, *late]) == sorted(set(sequences))
    assert sorted([*folded, *missing]) == list(range(max(sequences, default=-1) + 1))
    assert folded == sorted(folded)
    assert set(late) <= set(missing)


@quick
@given(st.lists(st.integers(0, 30), max_size=60))
def test_duplicates_have_no_effect_on_the_order(sequences: list[int]) -> None:
    assert offered(n for n in sequences for _ in range(2)) == offered(sequences)


@quick
@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 40))
def test_a_restored_order_releases_the_rest(sequences: list[int], where: int) -> None:
    before, first = offered(sequences[:where])

    restored = TurnOrder.from_json(json.loads(json.dumps(before.to_json())))

    assert restored == before
    assert [*first, *offered(sequences[where:], restored)[1]] == offered(sequences)[1]


def test_a_stream_whose_first_sequence_is_not_known_begins_with_zero_at_once() -> None:
    assert offered([0], TurnOrder())[1] == ready(0)
    assert offered([1, 0], TurnOrder())[1] == ready(0, 1)


def test_a_sequence_below_the_declared_first_one_is_late_and_not_dropped() -> None:
    assert offered([8, 7, 9, 3, 3], TurnOrder())[1] == [*ready(7, 8, 9), Late(sequence=3)]


def test_a_sequence_is_given_up_when_a_later_one_has_waited_too_long() -> None:
    order = TurnOrder.starting_at(0, patience=3, wait_seconds=10.0)
    order, _ = order.add(0, now=0.0)
    order, _ = order.add(2, now=5.0)
    order, _ = order.add(4, now=8.0)

    assert order.expire(now=14.9)[1] == ()
    order, released = order.expire(now=15.0)
    assert list(released) == [Missing(first=1, last=1), *ready(2)]
    assert list(order.expire(now=18.0)[1]) == [Missing(first=3, last=3), *ready(4)]


def test_a_sequence_of_a_hole_that_is_no_longer_stored_is_late_and_not_dropped() -> None:
    order, _ = offered(range(0, 6000, 2), TurnOrder.starting_at(0, patience=1))

    assert len(order.missing) == 1024
    assert order.add(1)[1] == (Late(sequence=1),)


def test_no_new_sequence_is_accepted_after_the_end() -> None:
    order, _ = offered([0, 1])[0].end()

    assert order.classify(2) == "ended"
    assert order.add(2) == (order, ())


def test_a_sequence_that_was_given_up_may_arrive_after_the_end() -> None:
    order, _ = offered([0, 2])[0].end()

    assert order.add(1)[1] == (Late(sequence=1),)

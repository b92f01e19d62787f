from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.risk.reorder import Late, Missing, Ready, Release, Reorder
from tests.risk.streams import quick

START: Reorder[str] = Reorder()


def offered(
    sequences: Iterable[int], reorder: Reorder[str] = START
) -> tuple[Reorder[str], list[Release[str]]]:
    """All of them, one after another; each item is its sequence as text."""
    out: list[Release[str]] = []
    for sequence in sequences:
        reorder, released = reorder.offer(sequence, str(sequence))
        out += released
    return reorder, out


def ready(*sequences: int) -> list[Release[str]]:
    return [Ready(sequence=sequence, item=str(sequence)) for sequence in sequences]


def test_what_comes_in_order_is_released_at_once() -> None:
    assert offered([0, 1, 2])[1] == ready(0, 1, 2)


def test_what_comes_before_its_turn_waits() -> None:
    assert offered([0, 2, 3])[1] == ready(0)
    assert offered([0, 2, 3, 1])[1] == ready(0, 1, 2, 3)


def test_a_sequence_is_missing_when_three_later_ones_are_there() -> None:
    assert offered([0, 2, 3, 4])[1] == [*ready(0), Missing(first=1, last=1), *ready(2, 3, 4)]


def test_one_that_comes_after_it_was_given_up_is_late_and_then_a_duplicate() -> None:
    _, released = offered([0, 3, 4, 5, 2, 2, 1])

    assert released == [
        *ready(0),
        Missing(first=1, last=2),
        *ready(3, 4, 5),
        Late(sequence=2, item="2"),
        Late(sequence=1, item="1"),
    ]


def test_a_giant_hole_is_one_release() -> None:
    assert offered([10**12, 10**12 + 1, 10**12 + 2])[1][0] == Missing(first=0, last=10**12 - 1)


def test_flush_releases_what_waits() -> None:
    assert list(offered([0, 2, 5])[0].flush()[1]) == [
        Missing(first=1, last=1),
        *ready(2),
        Missing(first=3, last=4),
        *ready(5),
    ]


def test_a_stream_whose_first_sequence_is_not_known_begins_with_the_lowest_of_three() -> None:
    assert offered([18, 17], Reorder(next=None))[1] == []
    assert offered([18, 17, 19], Reorder(next=None))[1] == ready(17, 18, 19)
    assert list(offered([18, 17], Reorder(next=None))[0].flush()[1]) == ready(17, 18)


def test_patience_is_one_at_least() -> None:
    with pytest.raises(ValueError, match="patience must be 1 or more"):
        Reorder(patience=0)


@quick
@given(st.lists(st.integers(0, 30), max_size=60))
def test_every_sequence_is_released_once_and_in_order_whatever_is_offered(
    sequences: list[int],
) -> None:
    reorder, released = offered(sequences)
    released += reorder.flush()[1]

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
def test_a_restart_that_hands_everything_in_again_releases_the_rest(
    sequences: list[int], where: int
) -> None:
    before, first = offered(sequences[:where])

    restored: Reorder[str] = Reorder.from_json(json.loads(json.dumps(before.to_json())))
    waiting = [sequence for sequence, _ in before.waiting]
    _, second = offered([*waiting, *sequences[where:]], restored)

    assert [*first, *second] == offered(sequences)[1]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.batching import Batcher, Batching


def test_a_full_batch_is_due_at_once() -> None:
    batcher: Batcher[int] = Batcher(Batching(size=2, wait=10))

    batcher.add(1, now=0)
    batcher.add(2, now=0)

    assert batcher.take_due(now=0) == [1, 2]


def test_an_item_waits_for_others_until_its_deadline() -> None:
    batcher: Batcher[int] = Batcher(Batching(size=2, wait=10))

    batcher.add(1, now=5)

    assert batcher.take_due(now=14.9) == []
    assert batcher.deadline() == 15
    assert batcher.take_due(now=15) == [1]
    assert batcher.deadline() is None


def test_items_that_do_not_fit_stay_for_the_next_batch() -> None:
    batcher: Batcher[int] = Batcher(Batching(size=2, wait=10))

    for item in range(3):
        batcher.add(item, now=item)

    assert batcher.take_due(now=2) == [0, 1]
    assert batcher.take_due(now=2) == []
    assert batcher.deadline() == 12


@given(st.integers(1, 5), st.integers(0, 9), st.lists(st.integers(0, 7), max_size=30))
def test_no_batch_is_too_large_none_waits_too_long_and_nothing_is_lost(
    size: int, wait: int, arrivals: list[int]
) -> None:
    batcher: Batcher[tuple[int, int]] = Batcher(Batching(size=size, wait=wait))
    added: list[tuple[int, int]] = []
    taken: list[tuple[int, int]] = []

    for now, count in enumerate([*arrivals, *[0] * (wait + 1)]):
        for number in range(count):
            added.append((now, number))
            batcher.add((now, number), now=now)
        while batch := batcher.take_due(now=now):
            assert len(batch) <= size
            assert all(now - arrived <= wait for arrived, _ in batch)
            taken += batch
        assert len(batcher) < size

    assert taken == added


@pytest.mark.parametrize("settings", [{"size": 0}, {"wait": -1.0}, {"wait": float("nan")}])
def test_impossible_batching_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        Batching(**settings)  # type: ignore[arg-type]

from __future__ import annotations

from collections import Counter

from scanner.evaluate.rows import sample_rows
from tests.evaluate.build import row

ROWS = [row(f"{i}.jpg", "weapon", "1", f"web {i}") for i in range(20)] + [
    row(f"cam {i}.jpg", "weapon", "1", "camera") for i in range(50)
]


def test_rows_are_taken_from_one_group_after_another() -> None:
    groups = Counter(one.group for one in sample_rows(ROWS, 21))

    assert len(groups) == 21
    assert set(groups.values()) == {1}


def test_a_seed_determines_the_rows_and_their_order_is_kept() -> None:
    some = sample_rows(ROWS, 10, seed=1)

    assert some == sample_rows(ROWS, 10, seed=1)
    assert some == sorted(some, key=ROWS.index)
    assert some != sample_rows(ROWS, 10, seed=2)


def test_the_limit_applies_to_each_task_and_label_and_to_ordinary_pictures_together() -> None:
    rows = [
        *ROWS,
        *(row(f"b{i}.jpg", "benign", f"class {i}") for i in range(30)),
        row("g.mp4", "game_video", "screen"),
    ]

    found = Counter(one.task for one in sample_rows(rows, 5))

    assert found == {"weapon": 5, "benign": 5, "game_video": 1}


def test_without_a_limit_all_rows_are_kept() -> None:
    assert sample_rows(ROWS, None) == ROWS

from __future__ import annotations

from collections import Counter

from scanner.evaluate.rows import sample_rows
from tests.evaluate.build import row

ROWS = [row(f"{i}.jpg", "weapon", "1", f"web {i}") for i in range(20)] + [
    row(f"cam {i}.jpg", "weapon", "1", "camera") for i in range(50)
]


def test_groups_take_turns() -> None:
    groups = Counter(one.group for one in sample_rows(ROWS, 21))

    assert len(groups) == 21
    assert set(groups.values()) == {1}


def test_the_same_seed_gives_the_same_rows_in_their_old_order_and_another_seed_others() -> None:
    some = sample_rows(ROWS, 10, seed=1)

    assert some == sample_rows(ROWS, 10, seed=1)
    assert some == sorted(some, key=ROWS.index)
    assert some != sample_rows(ROWS, 10, seed=2)


def test_each_task_and_label_has_its_share_and_ordinary_pictures_are_of_one_kind() -> None:
    rows = [
        *ROWS,
        *(row(f"b{i}.jpg", "benign", f"class {i}") for i in range(30)),
        row("g.mp4", "game_video", "screen"),
    ]

    found = Counter(one.task for one in sample_rows(rows, 5))

    assert found == {"weapon": 5, "benign": 5, "game_video": 1}


def test_without_a_limit_all_rows_stay() -> None:
    assert sample_rows(ROWS, None) == ROWS

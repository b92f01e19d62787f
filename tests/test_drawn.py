"""Drawn screens and games are always the same and have the declared medium."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module", autouse=True)
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


def test_a_scene_is_always_drawn_the_same_and_differs_from_the_next() -> None:
    from frame_model.drawn import draw_scene, drawn_rows

    for first, second in zip(*[iter(drawn_rows(2))] * 2, strict=True):
        picture = draw_scene(first.path)
        assert picture.shape == (360, 640, 3)
        assert picture.dtype == np.uint8
        assert np.array_equal(picture, draw_scene(first.path))
        assert not np.array_equal(picture, draw_scene(second.path))


def test_a_drawn_picture_is_a_screen_or_rendered_and_has_no_label() -> None:
    from frame_model.corpus import MEDIA, training_target
    from frame_model.drawn import drawn_rows

    lessons = [training_target(row) for row in drawn_rows(1)]

    assert {MEDIA[target.medium] for target in lessons} == {"screen", "rendered"}
    assert all((target.values == 0).all() for target in lessons)


def test_a_scene_is_a_group_so_that_its_pictures_share_a_fold() -> None:
    from frame_model.corpus import assign_folds
    from frame_model.drawn import drawn_rows

    rows = drawn_rows(3)

    assert len(assign_folds(rows, 5)) == len({row.path.split("/")[1] for row in rows})


def test_drawn_pictures_do_not_move_the_folds_of_the_footage() -> None:
    from frame_model.corpus import CorpusRow, assign_folds
    from frame_model.drawn import drawn_rows

    footage = [
        CorpusRow(path=f"{index}.jpg", task="fire", label="fire", group=f"scene{index}")
        for index in range(7)
    ]
    folds = assign_folds(footage, 5)

    assert {group: (folds | assign_folds(drawn_rows(1), 5))[group] for group in folds} == folds

"""What the recipe of streamwarden-frame makes of a picture: other light, flames and guns moved."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
SEEDS = range(24)


@pytest.fixture(scope="module", autouse=True)
def recipes() -> None:
    """The recipes are scripts, not an installed package."""
    sys.path.insert(0, str(REPOSITORY / "models" / "recipes"))


def picture(task: str, label: str, *, glowing: bool = False, gun: bool = False) -> Any:
    """A grey scene, with a warm and bright square or a gun's box in it."""
    from frame_model.corpus import CorpusRow, training_target
    from frame_model.pictures import Picture

    rgb = np.full((90, 160, 3), 70, np.uint8)
    if glowing:
        rgb[20:60, 50:100] = (250, 160, 60)
    row = CorpusRow(path="p", task=task, label=label, group="g")
    boxes = [[0.3, 0.3, 0.6, 0.7]] if gun else []
    return Picture(
        rgb=rgb,
        guns=np.array(boxes, np.float32).reshape(-1, 4),
        target=training_target(row),
    )


def backdrops() -> list[Any]:
    return [np.full((90, 160, 3), level, np.uint8) for level in (40, 120, 200)]


def value(seen: Any, label: str) -> float:
    from frame_model.corpus import LABELS

    return float(seen.target.values[LABELS.index(label)])


def test_other_light_keeps_size_and_labels_and_can_be_made_again() -> None:
    from frame_model import lights

    rgb = picture("fire", "fire", glowing=True).rgb

    for change in (lights.night, lights.colours):
        first, second = (
            [change(rgb, np.random.default_rng(seed)) for seed in SEEDS] for _ in range(2)
        )
        assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
        assert {lit.shape for lit in first} == {rgb.shape}
        assert not any(np.array_equal(lit, rgb) for lit in first)


def test_what_glows_stays_brighter_than_the_night_around_it() -> None:
    from frame_model import lights

    rgb = picture("fire", "fire", glowing=True).rgb
    nights = [lights.night(rgb, np.random.default_rng(seed)) for seed in SEEDS]

    assert np.mean([night[30:50, 60:90].mean() - night.mean() for night in nights]) > 20


def test_a_flame_in_another_scene_is_fire_and_a_leaf_is_not() -> None:
    from frame_model.flames import compose

    burning, leaf = picture("fire", "fire", glowing=True), picture("fire", "normal", glowing=True)

    def labels(one: Any) -> set[float]:
        found = [
            value(compose(one, np.random.default_rng(seed), backdrops()), "fire") for seed in SEEDS
        ]
        return {label for label in found if not np.isnan(label)}

    assert labels(burning) == {1.0}
    assert labels(leaf) == {0.0}


def test_a_drawn_lamp_in_place_of_a_flame_says_nothing_of_fire() -> None:
    from frame_model.flames import compose

    smoke_only = picture("fire", "fire")

    assert all(
        np.isnan(value(compose(smoke_only, np.random.default_rng(seed), backdrops()), "fire"))
        for seed in SEEDS
    )


def test_a_moved_gun_is_a_gun_where_its_box_is_and_a_covered_one_is_none() -> None:
    from frame_model.guns import rearrange

    seen = [
        rearrange(picture("weapon", "1", gun=True), np.random.default_rng(seed), backdrops())
        for seed in SEEDS
    ]

    assert {value(one, "gun") for one in seen} >= {0.0, 1.0}
    assert all(len(one.guns) == (value(one, "gun") == 1.0) for one in seen)


def test_other_things_that_are_moved_or_covered_are_no_guns() -> None:
    from frame_model.guns import rearrange

    seen = [
        rearrange(picture("benign_video", "0"), np.random.default_rng(seed), backdrops())
        for seed in SEEDS
    ]

    assert {value(one, "gun") for one in seen} == {0.0}


def test_a_gun_whose_box_is_not_known_stays_where_it_is() -> None:
    from frame_model.guns import rearrange

    one = picture("weapon", "1")

    assert rearrange(one, np.random.default_rng(0), backdrops()) is one

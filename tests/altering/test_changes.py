from __future__ import annotations

import numpy as np
import pytest

from scanner.altering.changes import CHANGES, Change, Scene, change_named
from scanner.errors import SetupError
from scanner.media.samples import Rgb

ALL = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)


def picture(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def scene(number: int = 0) -> Scene:
    return Scene(seed=5, number=number, others=tuple(picture(i, (40, 40)) for i in (1, 2, 3)))


def drawn(name: str, rgb: Rgb) -> Rgb:
    return change_named(name).draw(rgb, scene())


@ALL
def test_the_same_picture_gives_the_same_and_stays_as_it_was(change: Change) -> None:
    rgb = picture()
    before = rgb.copy()

    one, again = (change.draw(rgb, scene()) for _ in range(2))

    assert np.array_equal(one, again)
    assert np.array_equal(rgb, before)
    assert one.dtype == np.uint8
    assert one.ndim == 3


@ALL
def test_all_pictures_of_a_source_come_out_in_one_size_without_others_too(change: Change) -> None:
    sizes = {change.draw(picture(i), Scene(seed=5, number=i)).shape for i in range(3)}

    assert len(sizes) == 1


def test_names_are_the_changes_own() -> None:
    assert len({change.name for change in CHANGES}) == len(CHANGES)
    with pytest.raises(SetupError, match="no change 'sepia'"):
        change_named("sepia")


def test_a_mirrored_mirror_is_the_picture() -> None:
    rgb = picture()

    assert np.array_equal(drawn("mirror", drawn("mirror", rgb)), rgb)


def test_what_lies_over_the_picture_does_not_jump_and_noise_does() -> None:
    white = np.full((48, 64, 3), 255, np.uint8)
    panels, darks = (
        [change_named(name).draw(white, scene(number)) for number in (0, 1)]
        for name in ("chat panel", "dark")
    )

    assert np.array_equal(*panels)
    assert not np.array_equal(*darks)


def test_bars_make_the_frame_larger_and_keep_the_picture_whole() -> None:
    rgb = picture()

    letterbox, pillarbox = drawn("letterbox", rgb), drawn("pillarbox", rgb)

    assert np.array_equal(letterbox[12:-12], rgb)
    assert not letterbox[:12].any()
    assert np.array_equal(pillarbox[:, 16:-16], rgb)


def test_a_shrunk_scene_has_half_the_sides_and_black_around() -> None:
    white = drawn("shrunk x 0.5", np.full((48, 64, 3), 255, np.uint8))

    assert white.shape == (48, 64, 3)
    assert (white > 0).all(axis=2).sum() == 32 * 24


def test_a_grid_shows_the_picture_once_among_three_others() -> None:
    white = np.full((48, 64, 3), 255, np.uint8)
    grid = change_named("grid 2 x 2").draw(white, Scene(seed=5))

    assert (grid == 255).all(axis=2).sum() == 32 * 24


def test_a_face_cam_covers_a_corner_and_nothing_else() -> None:
    white = np.full((50, 100, 3), 255, np.uint8)

    covered = (change_named("face-cam").draw(white, Scene(seed=5)) != 255).any(axis=2)

    assert covered.sum() == 30 * 15
    assert covered[[0, 0, -1, -1], [0, -1, 0, -1]].sum() == 1


def test_the_dark_is_dark() -> None:
    assert drawn("dark", picture()).mean() < 0.3 * picture().mean()


def test_fewer_pixels_are_fewer_pixels() -> None:
    assert drawn("resolution x 0.25", picture(size=(640, 360))).shape == (90, 160, 3)

from __future__ import annotations

import numpy as np
import pytest

from scanner.errors import SetupError
from scanner.media.samples import Rgb
from scanner.perturbations.transforms import (
    PERTURBATIONS,
    Perturbation,
    PerturbationContext,
    find_perturbation,
)

every_perturbation = pytest.mark.parametrize(
    "change", PERTURBATIONS, ids=lambda change: change.name
)


def picture(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Rgb:
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def context(number: int = 0) -> PerturbationContext:
    return PerturbationContext(
        seed=5, number=number, others=tuple(picture(i, (40, 40)) for i in (1, 2, 3))
    )


def perturbed(name: str, rgb: Rgb) -> Rgb:
    return find_perturbation(name).apply(rgb, context())


@every_perturbation
def test_the_same_input_gives_the_same_output_and_is_not_modified(change: Perturbation) -> None:
    rgb = picture()
    before = rgb.copy()

    first, second = (change.apply(rgb, context()) for _ in range(2))

    assert np.array_equal(first, second)
    assert np.array_equal(rgb, before)
    assert first.dtype == np.uint8
    assert first.ndim == 3


@every_perturbation
def test_all_pictures_of_a_source_keep_one_size_even_without_other_pictures(
    change: Perturbation,
) -> None:
    sizes = {
        change.apply(picture(i), PerturbationContext(seed=5, number=i)).shape for i in range(3)
    }

    assert len(sizes) == 1


def test_every_name_is_unique_and_an_unknown_name_is_an_error() -> None:
    assert len({change.name for change in PERTURBATIONS}) == len(PERTURBATIONS)
    with pytest.raises(SetupError, match="no change 'sepia'"):
        find_perturbation("sepia")


def test_mirroring_twice_gives_the_original_picture() -> None:
    rgb = picture()

    assert np.array_equal(perturbed("mirror", perturbed("mirror", rgb)), rgb)


def test_overlays_stay_in_place_from_frame_to_frame_and_noise_does_not() -> None:
    white = np.full((48, 64, 3), 255, np.uint8)
    panels, darks = (
        [find_perturbation(name).apply(white, context(number)) for number in (0, 1)]
        for name in ("chat panel", "dark")
    )

    assert np.array_equal(*panels)
    assert not np.array_equal(*darks)


def test_bars_make_the_frame_larger_and_keep_the_picture_whole() -> None:
    rgb = picture()

    letterbox, pillarbox = perturbed("letterbox", rgb), perturbed("pillarbox", rgb)

    assert np.array_equal(letterbox[12:-12], rgb)
    assert not letterbox[:12].any()
    assert np.array_equal(pillarbox[:, 16:-16], rgb)


def test_a_shrunk_scene_has_half_the_sides_and_black_around() -> None:
    white = perturbed("shrunk x 0.5", np.full((48, 64, 3), 255, np.uint8))

    assert white.shape == (48, 64, 3)
    assert (white > 0).all(axis=2).sum() == 32 * 24


def test_a_grid_shows_the_picture_once_among_three_others() -> None:
    white = np.full((48, 64, 3), 255, np.uint8)
    grid = find_perturbation("grid 2 x 2").apply(white, PerturbationContext(seed=5))

    assert (grid == 255).all(axis=2).sum() == 32 * 24


def test_a_face_cam_covers_a_corner_and_nothing_else() -> None:
    white = np.full((50, 100, 3), 255, np.uint8)

    covered = (find_perturbation("face-cam").apply(white, PerturbationContext(seed=5)) != 255).any(
        axis=2
    )

    assert covered.sum() == 30 * 15
    assert covered[[0, 0, -1, -1], [0, -1, 0, -1]].sum() == 1


def test_low_light_darkens_the_picture() -> None:
    assert perturbed("dark", picture()).mean() < 0.3 * picture().mean()


def test_downscaling_multiplies_both_sides_by_the_share() -> None:
    assert perturbed("resolution x 0.25", picture(size=(640, 360))).shape == (90, 160, 3)

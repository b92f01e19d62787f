from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from scanner.media.samples import Rgb, Sample
from scanner.scoring.options import Reuse
from scanner.scoring.segment import is_alike, largest_tile_difference, score_samples
from scanner.testing.scorers import FakeScorer, sample
from scanner.types import FrameSpec

SPEC = FrameSpec(width=224, height=224)
RANDOM = np.random.default_rng(0)
TEXTURE = RANDOM.integers(60, 196, (28, 28, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.int16)


def screen(*, noise: int = 1) -> Rgb:
    """Return a static screen with the noise of a decoder."""
    off = RANDOM.integers(-noise, noise, TEXTURE.shape, endpoint=True)
    return (TEXTURE + off).astype(np.uint8)


def with_object(top: int, left: int, contrast: int = 40) -> Rgb:
    """Return the screen with an object of 9 x 6 pixels, the size of a pistol in a CCTV picture."""
    picture = screen()
    picture[top : top + 6, left : left + 9] += np.uint8(contrast)
    return picture


def scored_frames(*images: Rgb, reuse: Reuse | None = None) -> list[int]:
    """Return the indices of the frames that were scored and did not reuse scores."""
    scorer = FakeScorer(spec=SPEC)
    frames = score_samples(
        [scorer], [sample(at, image) for at, image in enumerate(images)], reuse=reuse or Reuse()
    )
    assert [int(at) for at in scorer.scored_times] == [
        int(frame.at) for frame in frames if not frame.reused
    ]
    return [int(at) for at in scorer.scored_times]


def test_a_static_screen_is_scored_once() -> None:
    assert scored_frames(*(screen() for _ in range(8))) == [0]


@pytest.mark.parametrize(
    ("top", "left"), [(96, 96), (101, 100), (93, 91), (0, 0), (218, 215), (117, 203)]
)
def test_a_small_gun_that_appears_on_a_static_screen_is_scored_wherever_it_is(
    top: int, left: int
) -> None:
    assert scored_frames(
        screen(), screen(), with_object(top, left), with_object(top, left), screen()
    ) == [0, 2, 4]


def test_a_faint_object_is_scored_too() -> None:
    assert scored_frames(screen(noise=0), with_object(101, 100, contrast=12)) == [0, 1]


def test_a_slow_drift_adds_up_until_it_is_scored() -> None:
    steps = [np.full((224, 224, 3), 100 + level, np.uint8) for level in range(7)]

    assert scored_frames(*steps) == [0, 3, 6]


def test_a_reused_frame_has_the_scores_of_the_one_that_it_equals_and_its_own_time() -> None:
    first, second = score_samples(
        [FakeScorer(spec=SPEC)], [sample(0, screen()), sample(1, screen())], reuse=Reuse()
    )

    assert second.scores == first.scores
    assert (second.at, second.pts, second.reused) == (Fraction(1), 1000, True)


def test_nothing_is_carried_into_the_next_segment() -> None:
    scorer = FakeScorer(spec=SPEC)
    picture = screen()

    for _ in range(2):
        score_samples([scorer], [sample(0, picture), sample(1, picture)], reuse=Reuse())

    assert scorer.scored_times == [0, 0]


@pytest.mark.parametrize("threshold", [-2.0, 256.0, float("nan")])
def test_an_impossible_threshold_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="must lie in"):
        Reuse(threshold=threshold)


def test_below_zero_nothing_is_reused() -> None:
    picture = screen()

    assert scored_frames(picture, picture, reuse=Reuse(threshold=-1.0)) == [0, 1]


def test_every_image_of_a_sample_must_be_alike() -> None:
    small, large = np.zeros((8, 8, 3), np.uint8), np.zeros((16, 16, 3), np.uint8)
    one, other = sample(0, small, large), sample(1, small, large + np.uint8(9))

    assert is_alike(one, one, Reuse())
    assert not is_alike(one, other, Reuse())


@pytest.mark.parametrize(("width", "height"), [(8, 8), (9, 8), (20, 13), (224, 224), (161, 90)])
def test_the_worst_tile_is_found_at_every_edge_of_every_size(width: int, height: int) -> None:
    black = np.zeros((height, width, 3), np.uint8)
    corner = black.copy()
    corner[-1, -1] = 255
    tile = ((height - 1) % 8 + 1) * ((width - 1) % 8 + 1)

    assert largest_tile_difference(black, corner) == pytest.approx(255 / tile)
    assert largest_tile_difference(black, black + np.uint8(200)) == 200.0
    assert largest_tile_difference(black + np.uint8(200), black) == 200.0


def test_images_are_not_modified() -> None:
    one, other = screen(), screen()
    before = one.copy(), other.copy()

    largest_tile_difference(one, other)

    assert np.array_equal(one, before[0])
    assert np.array_equal(other, before[1])


def unequal(count: int) -> list[Sample]:
    return [sample(at, RANDOM.integers(0, 256, (8, 8, 3), np.uint8)) for at in range(count)]


def test_every_sample_has_a_result_of_each_scorer_in_order() -> None:
    scorers = [FakeScorer("gun", name="one"), FakeScorer("fire", "smoke", name="two")]

    frames = score_samples(scorers, unequal(3), reuse=Reuse())

    assert [[str(scores.model) for scores in frame.scores] for frame in frames] == [
        ["one@1", "two@1"]
    ] * 3
    assert set(frames[0].values) == {"gun", "fire", "smoke"}
    assert [int(frame.at) for frame in frames] == [0, 1, 2]


def test_a_segment_without_samples_gives_no_frames() -> None:
    assert score_samples([FakeScorer()], [], reuse=Reuse()) == ()

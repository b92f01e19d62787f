from __future__ import annotations

from fractions import Fraction

from scanner.risk.incident import Opened, Reason
from tests.risk.streams import (
    CAMERA,
    FIRE,
    GAME,
    HIGH,
    LOW,
    fold,
    incidents,
    kinds,
    policies,
    samples,
    seconds,
)

ON_CAMERA = policies(when=frozenset(CAMERA))


def test_a_weapon_in_a_game_is_not_a_weapon_on_camera() -> None:
    assert fold(samples(seconds(HIGH, 30), medium=GAME), ON_CAMERA)[1] == []
    assert kinds(fold(samples(seconds(HIGH, 5), medium=CAMERA), ON_CAMERA)[1]) == [Opened]


def test_a_harmless_switch_from_game_to_camera_opens_nothing() -> None:
    stream = samples(seconds(HIGH, 30), medium=GAME) + samples(
        seconds(LOW, 30), start=30, medium=CAMERA
    )

    assert fold(stream, ON_CAMERA)[1] == []


def test_after_a_switch_from_game_to_camera_a_label_opens_within_the_floor() -> None:
    """It opens within D of the first sample that counts, which is the second one on camera: the
    weight is a median, so that a single picture changes nothing."""
    stream = samples(seconds(LOW, 30), medium=GAME) + samples(
        seconds(HIGH, 10), start=30, medium=CAMERA
    )

    (opened,) = fold(stream, ON_CAMERA)[1]

    floor, step = Fraction(5, 2), Fraction(1, 2)
    assert floor <= opened.at - 30 <= floor + step


def test_one_doubtful_picture_changes_no_weight() -> None:
    stream = (
        samples(seconds(HIGH, 10), medium=GAME)
        + samples([HIGH], start=10, medium=CAMERA)
        + samples([HIGH] * 20, start=10.5, medium=GAME)
    )

    assert fold(stream, ON_CAMERA)[0].labels[FIRE].peak_level is None


def test_where_no_model_tells_the_medium_every_sample_counts() -> None:
    assert kinds(fold(samples(seconds(HIGH, 5)), ON_CAMERA)[1]) == [Opened]


def test_time_whose_medium_does_not_count_is_unseen() -> None:
    events = fold(
        samples(seconds(HIGH, 5), medium=CAMERA) + samples(seconds(LOW, 40), start=5, medium=GAME),
        ON_CAMERA,
    )[1]

    assert [i.reason for i in incidents(events)] == [Reason.UNSEEN]


def test_a_burst_has_the_weight_of_the_frames_before_it_and_does_not_change_the_medium() -> None:
    frames = samples([LOW] * 4, medium=GAME)
    bursts = samples(seconds(HIGH, 10), start=2, medium=CAMERA, is_burst=True)

    risk, events = fold([*frames, *bursts], ON_CAMERA)

    assert events == []
    assert risk.media == (GAME,) * 3


def test_a_burst_before_any_frame_has_the_weight_of_its_own_medium() -> None:
    assert fold(samples(seconds(HIGH, 10), medium=GAME, is_burst=True), ON_CAMERA)[1] == []
    assert kinds(fold(samples(seconds(HIGH, 5), medium=CAMERA, is_burst=True), ON_CAMERA)[1]) == [
        Opened
    ]

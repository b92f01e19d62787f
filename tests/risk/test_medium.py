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
    looks,
    policies,
    seconds,
)

ON_CAMERA = policies(when=frozenset(CAMERA))


def test_a_weapon_in_a_game_is_not_a_weapon_on_camera() -> None:
    assert fold(looks(seconds(HIGH, 30), medium=GAME), ON_CAMERA)[1] == []
    assert kinds(fold(looks(seconds(HIGH, 5), medium=CAMERA), ON_CAMERA)[1]) == [Opened]


def test_a_harmless_switch_from_game_to_camera_opens_nothing() -> None:
    stream = looks(seconds(HIGH, 30), medium=GAME) + looks(
        seconds(LOW, 30), start=30, medium=CAMERA
    )

    assert fold(stream, ON_CAMERA)[1] == []


def test_a_switch_from_game_to_camera_rearms_within_the_floor() -> None:
    """Within D of the first look that counts; that is the second one, because a single picture may
    be mistaken."""
    stream = looks(seconds(LOW, 30), medium=GAME) + looks(
        seconds(HIGH, 10), start=30, medium=CAMERA
    )

    (opened,) = fold(stream, ON_CAMERA)[1]

    floor, step = Fraction(5, 2), Fraction(1, 2)
    assert floor <= opened.at - 30 <= floor + step


def test_one_doubtful_picture_changes_no_weight() -> None:
    stream = (
        looks(seconds(HIGH, 10), medium=GAME)
        + looks([HIGH], start=10, medium=CAMERA)
        + looks([HIGH] * 20, start=10.5, medium=GAME)
    )

    assert fold(stream, ON_CAMERA)[0].labels[FIRE].peak_level is None


def test_where_no_model_tells_the_medium_everything_counts() -> None:
    assert kinds(fold(looks(seconds(HIGH, 5)), ON_CAMERA)[1]) == [Opened]


def test_time_whose_medium_does_not_count_is_unseen() -> None:
    events = fold(
        looks(seconds(HIGH, 5), medium=CAMERA) + looks(seconds(LOW, 40), start=5, medium=GAME),
        ON_CAMERA,
    )[1]

    assert [i.reason for i in incidents(events)] == [Reason.UNSEEN]


def test_a_burst_is_weighed_by_the_frames_beside_it_and_tells_no_medium_itself() -> None:
    frames = looks([LOW] * 4, medium=GAME)
    bursts = looks(seconds(HIGH, 10), start=2, medium=CAMERA, moving=True)

    risk, events = fold([*frames, *bursts], ON_CAMERA)

    assert events == []
    assert risk.media == (GAME,) * 3


def test_a_burst_before_any_frame_is_weighed_by_what_it_says() -> None:
    assert fold(looks(seconds(HIGH, 10), medium=GAME, moving=True), ON_CAMERA)[1] == []
    assert kinds(fold(looks(seconds(HIGH, 5), medium=CAMERA, moving=True), ON_CAMERA)[1]) == [
        Opened
    ]

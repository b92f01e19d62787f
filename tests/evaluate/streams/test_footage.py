from __future__ import annotations

from fractions import Fraction

from scanner.evaluate.streams.footage import HELD, LONGEST, Kind, collect
from tests.evaluate.streams.made import FIGHT, FIRE, GUN, clip, still


def frames(labels: str, group: str = "cam", stem: str = "frame_", first: int = 1) -> list:
    """One still for each letter: ``g`` a gun, ``.`` none."""
    return [
        still("weapon", "1" if letter == "g" else "0", group, f"{stem}{number}.jpg", number / 100)
        for number, letter in enumerate(labels, first)
    ]


def test_clips_of_one_camera_are_joined_until_they_are_long_enough_for_an_event() -> None:
    fights = [clip("violence_clip", "1", "a", f"fi{k}.mp4", [0.9, 0.9]) for k in range(4)]

    takes = collect(fights).takes

    assert [[piece.name for piece in take.shows] for take in takes] == [
        ["fi0.mp4", "fi1.mp4", "fi2.mp4"],
        ["fi3.mp4"],
    ]
    assert takes[0].length >= LONGEST


def test_what_the_camera_showed_before_is_an_onset_without_a_cut() -> None:
    (take,) = collect(
        [
            clip("violence_clip", "1", "a", "fi.mp4", [0.9]),
            clip("violence_clip", "0", "a", "nofi.mp4", [0.1]),
        ]
    ).takes

    assert [piece.name for piece in take.before] == ["nofi.mp4"]


def test_frames_of_a_scene_stand_in_the_order_of_their_numbers() -> None:
    (take,) = collect(frames("g" * 12)).takes

    assert [look.values[GUN] for look in take.shows[0].looks] == [
        number / 100 for number in range(1, 13)
    ]


def test_a_gun_that_is_hidden_for_a_moment_is_one_event() -> None:
    takes = collect(frames("....gggg..gggg....")).takes

    assert [(take.length, len(take.before)) for take in takes] == [(Fraction(5), 1)]


def test_frames_around_an_event_are_safe_and_those_within_are_not() -> None:
    safe = collect(frames("....gggg..gggg....")).safe

    assert [piece.length for piece in safe] == [Fraction(2), Fraction(2)]
    assert {piece.kind for piece in safe} == {Kind.FRAMES}


def test_a_long_event_is_several_and_only_the_first_has_its_own_onset() -> None:
    takes = collect(frames("....." + "g" * 50)).takes

    assert [(take.length, bool(take.before)) for take in takes] == [
        (10, True),
        (10, False),
        (5, False),
    ]


def test_frames_whose_numbers_lie_far_apart_are_of_two_scenes() -> None:
    takes = collect([*frames("gggggg"), *frames("gggggg", first=70)]).takes

    assert [take.length for take in takes] == [3, 3]


def test_a_hash_in_the_name_is_no_frame_number() -> None:
    stills = [
        still("fire", "fire", "a", f"img_{n}_jpg_{n * 7919:06x}.jpg", 0.5, FIRE)
        for n in range(1, 13)
    ]

    assert [take.length for take in collect(stills).takes] == [6]


def test_a_photograph_is_held() -> None:
    (take,) = collect([still("weapon", "1", "web1", "a.jpg", 0.7)]).takes

    assert (take.length, [look.at for look in take.shows[0].looks]) == (HELD, [0, 2, 4, 6])


def test_a_held_picture_is_looked_at_as_often_as_the_sampler_does() -> None:
    (take,) = collect([still("weapon", "1", "web1", "a.jpg", 0.7)], Fraction(1)).takes

    assert (take.length, len(take.shows[0].looks)) == (HELD, 8)


def test_a_picture_of_a_rifle_is_safe_for_all_but_guns() -> None:
    (piece,) = collect([still("benign", "n04090263_rifle", "n04090263", "rifle.jpg", 0.9)]).safe

    assert piece.unsafe == {GUN}


def test_groups_of_two_tasks_are_two_groups() -> None:
    found = collect(
        [
            clip("violence_clip", "0", "a", "x.mp4", [0.1]),
            clip("game_video", "screen", "a", "y.mp4", [0.1]),
        ]
    )

    assert found.groups == ("game_video/a", "violence_clip/a")


def test_times_are_whole_milliseconds() -> None:
    odd = clip("violence_clip", "0", "a", "x.mp4", [0.1, 0.1])
    moved = [
        type(odd)(row=odd.row, looks=odd.looks, length=Fraction(4004, 1001) + Fraction(1, 3000))
    ]

    assert collect(moved).safe[0].length == Fraction(4)
    assert FIGHT in collect(moved).safe[0].looks[0].values

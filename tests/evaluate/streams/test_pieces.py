from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from scanner.evaluate.streams.assemble import assemble
from scanner.evaluate.streams.pieces import MAX_EVENT, STILL_DURATION, FootageKind, build_pool
from scanner.evaluate.streams.recordings import Recording
from tests.evaluate.streams.build import FIGHT, FIRE, GUN, recorded_clip, recorded_still


def frames(
    labels: str, group: str = "cam", stem: str = "frame_", first: int = 1
) -> list[Recording]:
    """One still for each letter: ``g`` a gun, ``.`` none."""
    return [
        recorded_still(
            "weapon", "1" if letter == "g" else "0", group, f"{stem}{number}.jpg", number / 100
        )
        for number, letter in enumerate(labels, first)
    ]


def test_clips_of_one_camera_are_joined_until_they_are_long_enough_for_an_event() -> None:
    fights = [recorded_clip("violence_clip", "1", "a", f"fi{k}.mp4", [0.9, 0.9]) for k in range(4)]

    event_clips = build_pool(fights).event_clips

    assert [[piece.name for piece in clip.pieces] for clip in event_clips] == [
        ["fi0.mp4", "fi1.mp4", "fi2.mp4"],
        ["fi3.mp4"],
    ]
    assert event_clips[0].length >= MAX_EVENT


def test_earlier_footage_of_the_camera_gives_an_onset_without_a_cut() -> None:
    (clip,) = build_pool(
        [
            recorded_clip("violence_clip", "1", "a", "fi.mp4", [0.9]),
            recorded_clip("violence_clip", "0", "a", "nofi.mp4", [0.1]),
        ]
    ).event_clips

    assert [piece.name for piece in clip.before] == ["nofi.mp4"]


def test_frames_of_a_scene_are_in_the_order_of_their_numbers() -> None:
    (clip,) = build_pool(frames("g" * 12)).event_clips

    assert [sample.values[GUN] for sample in clip.pieces[0].samples] == [
        number / 100 for number in range(1, 13)
    ]


def test_a_gun_that_is_hidden_for_a_moment_is_one_event() -> None:
    event_clips = build_pool(frames("....gggg..gggg....")).event_clips

    assert [(clip.length, len(clip.before)) for clip in event_clips] == [(Fraction(5), 1)]


def test_frames_around_an_event_are_safe_and_frames_within_it_are_not() -> None:
    safe = build_pool(frames("....gggg..gggg....")).safe

    assert [piece.length for piece in safe] == [Fraction(2), Fraction(2)]
    assert {piece.kind for piece in safe} == {FootageKind.FRAMES}


def test_a_long_event_is_split_and_only_the_first_part_has_an_onset() -> None:
    event_clips = build_pool(frames("....." + "g" * 50)).event_clips

    assert [(clip.length, bool(clip.before)) for clip in event_clips] == [
        (10, True),
        (10, False),
        (5, False),
    ]


def test_frames_with_distant_numbers_belong_to_two_scenes() -> None:
    event_clips = build_pool([*frames("gggggg"), *frames("gggggg", first=70)]).event_clips

    assert [clip.length for clip in event_clips] == [3, 3]


def test_a_hash_in_the_name_is_no_frame_number() -> None:
    stills = [
        recorded_still("fire", "fire", "a", f"img_{n}_jpg_{n * 7919:06x}.jpg", 0.5, FIRE)
        for n in range(1, 13)
    ]

    assert [clip.length for clip in build_pool(stills).event_clips] == [6]


def test_a_photograph_is_shown_for_some_seconds() -> None:
    (clip,) = build_pool([recorded_still("weapon", "1", "web1", "a.jpg", 0.7)]).event_clips

    assert (clip.length, [sample.at for sample in clip.pieces[0].samples]) == (
        STILL_DURATION,
        [0, 2, 4, 6],
    )


def test_a_photograph_is_sampled_at_the_given_step() -> None:
    (clip,) = build_pool(
        [recorded_still("weapon", "1", "web1", "a.jpg", 0.7)], Fraction(1)
    ).event_clips

    assert (clip.length, len(clip.pieces[0].samples)) == (STILL_DURATION, 8)


def test_a_picture_of_a_rifle_is_safe_for_all_labels_but_gun() -> None:
    (piece,) = build_pool(
        [recorded_still("benign", "n04090263_rifle", "n04090263", "rifle.jpg", 0.9)]
    ).safe

    assert piece.unsafe_for == {GUN}


def test_equal_group_names_of_two_tasks_are_two_groups() -> None:
    found = build_pool(
        [
            recorded_clip("violence_clip", "0", "a", "x.mp4", [0.1]),
            recorded_clip("game_video", "screen", "a", "y.mp4", [0.1]),
        ]
    )

    assert found.groups == ("game_video/a", "violence_clip/a")


def test_times_are_whole_milliseconds() -> None:
    odd = recorded_clip("violence_clip", "0", "a", "x.mp4", [0.1, 0.1])
    moved = [
        type(odd)(row=odd.row, samples=odd.samples, length=Fraction(4004, 1001) + Fraction(1, 3000))
    ]

    assert build_pool(moved).safe[0].length == Fraction(4)
    assert FIGHT in build_pool(moved).safe[0].samples[0].values


def test_changed_video_is_apart_from_the_video_that_it_was_made_from() -> None:
    day = recorded_clip("benign_video", "0", "a", "a.mp4", [0.1] * 4)
    pool = build_pool([day, replace(day, change="night")])

    assert [piece.kind for piece in pool.safe] == [FootageKind.CHANGED, FootageKind.ORDINARY]
    assert all(
        placed.piece.kind is not FootageKind.CHANGED
        for stream in assemble(pool)
        for placed in stream.placed
    )


def test_changed_events_and_pictures_are_left_out() -> None:
    fight = recorded_clip("violence_clip", "1", "a", "fi.mp4", [0.9] * 4)
    game = recorded_clip("game_video", "screen", "b", "game.mp4", [0.9] * 4)

    assert build_pool([replace(fight, change="night"), replace(game, change="night")]).safe == ()


def test_clips_of_guns_and_fire_are_events() -> None:
    pool = build_pool(
        [
            recorded_clip("weapon_clip", "gun", "a", "gun.mp4", [0.9] * 4, scored=GUN),
            recorded_clip("fire_clip", "fire", "b", "fire.mp4", [0.9] * 4, scored=FIRE),
        ]
    )

    assert {clip.label for clip in pool.event_clips} == {GUN, FIRE}

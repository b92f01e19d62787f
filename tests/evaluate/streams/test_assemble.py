from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.evaluate.streams.assemble import FOLDS, LEAD_SECONDS, EventLead, assemble, assign_folds
from scanner.evaluate.streams.pieces import FootageKind, build_pool
from scanner.types import Span
from tests.evaluate.streams.build import (
    piece,
    recorded_clip,
    recorded_still,
    recordings_of_cameras,
    stream,
)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cameras=st.integers(5, 20))
def test_every_safe_second_is_shown_once_in_a_safe_stream(seed: int, cameras: int) -> None:
    found = build_pool(recordings_of_cameras(cameras))

    event_pieces = Counter(
        one.piece.name
        for assembled in assemble(found, seed)
        if assembled.event is None
        for one in assembled.placed
    )

    assert event_pieces == Counter(one.name for one in found.safe)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), cameras=st.integers(5, 20))
def test_a_group_belongs_to_one_fold_in_all_streams(seed: int, cameras: int) -> None:
    folds = assign_folds(build_pool(recordings_of_cameras(cameras)), seed)

    for assembled in assemble(build_pool(recordings_of_cameras(cameras)), seed):
        assert {folds[one.piece.group] for one in assembled.placed} == {assembled.fold}


def test_folds_have_equal_shares_of_every_label_and_kind() -> None:
    folds = assign_folds(build_pool(recordings_of_cameras(10)))

    assert Counter(fold for group, fold in folds.items() if "camera" in group) == dict.fromkeys(
        range(FOLDS), 2
    )
    assert Counter(fold for group, fold in folds.items() if "game" in group) == dict.fromkeys(
        range(FOLDS), 2
    )


def test_a_seed_determines_the_streams() -> None:
    found = build_pool(recordings_of_cameras(12))

    assert assemble(found, 1) == assemble(found, 1)
    assert assemble(found, 1) != assemble(found, 2)


def test_an_event_is_staged_after_its_own_camera_after_another_and_after_a_game() -> None:
    events = [
        assembled.event
        for assembled in assemble(build_pool(recordings_of_cameras(10)))
        if assembled.event is not None
    ]

    assert Counter(event.lead for event in events) == {
        EventLead.OWN: 10,
        EventLead.ORDINARY: 10,
        EventLead.GAMES: 10,
    }


def test_onset_and_end_are_where_the_event_is_shown() -> None:
    for assembled in assemble(build_pool(recordings_of_cameras(10))):
        if assembled.event is not None:
            event_pieces = [one for one in assembled.placed if one.piece.name.startswith("fight")]
            assert assembled.event.span == Span(
                start=event_pieces[0].start, end=event_pieces[-1].end
            )
            assert event_pieces[0].cut is assembled.event.lead.cut
            assert (
                assembled.event.lead is EventLead.OWN or assembled.event.span.start >= LEAD_SECONDS
            )


def test_each_photograph_has_a_stream_of_its_own() -> None:
    pictures = [recorded_still("benign", f"n{k}_thing", f"n{k}", f"{k}.jpg", 0.5) for k in range(7)]

    assembled = [
        one
        for one in assemble(build_pool([*recordings_of_cameras(5), *pictures]))
        if one.placed[0].piece.kind is FootageKind.PHOTOGRAPHS
    ]

    assert [len(one.placed) for one in assembled] == [1] * 7


def test_the_second_sample_at_the_end_of_a_short_clip_is_left_out_if_the_stream_continues() -> None:
    short = replace(
        piece([0.1]),
        samples=(*piece([0.1]).samples, replace(piece([0.1]).samples[0], at=Fraction(197, 100))),
    )

    assert [sample.at for sample in stream(short, short).samples()] == [0, 2, Fraction(397, 100)]


def test_a_burst_at_the_end_of_a_clip_is_kept() -> None:
    short = replace(
        piece([0.1]),
        samples=(
            *piece([0.1]).samples,
            replace(piece([0.1]).samples[0], at=Fraction(197, 100), is_burst=True),
        ),
    )

    assert [(sample.at, sample.cut) for sample in stream(short, short).samples()][:3] == [
        (0, True),
        (Fraction(197, 100), True),
        (2, True),
    ]


def test_a_camera_with_no_other_footage_has_no_onset_without_a_cut() -> None:
    recordings = [one for one in recordings_of_cameras(10) if one.row.name != "calm0.mp4"]

    leads = Counter(
        assembled.event.lead
        for assembled in assemble(build_pool(recordings))
        if assembled.event and assembled.event.group.endswith("camera0")
    )

    assert leads == {EventLead.ORDINARY: 1, EventLead.GAMES: 1}


def test_a_stream_lasts_as_long_as_its_pieces() -> None:
    assembled = stream(piece([0.1, 0.1]), piece([0.1]))

    assert assembled.length == 6
    assert recorded_clip("violence_clip", "0", "a", "x", [0.1]).length == 2

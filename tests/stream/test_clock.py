from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.stream.clock import OVERLAP, Clock, add_missing, place, place_picture, trailing
from scanner.types import SegmentTimes

TICK = Fraction(1, 90000)
quick = settings(max_examples=100, deadline=None)


def times(
    first: int,
    frames: int = 120,
    every: int = 3000,
    *,
    wrap_bits: int = 33,
    time_base: Fraction = TICK,
) -> SegmentTimes:
    """Return the times of a segment of 4 s at 30 frames a second, with changes."""
    last = first + (frames - 1) * every
    wrapped = (first % 2**33, last % 2**33) if wrap_bits == 33 else (first, last)
    return SegmentTimes(
        first_pts=wrapped[0],
        last_pts=wrapped[1],
        duration=frames * every * time_base,
        time_base=time_base,
        wrap_bits=wrap_bits,
    )


def placed(
    segments: Sequence[SegmentTimes],
    cuts: frozenset[int] = frozenset(),
    sequences: Sequence[int] | None = None,
) -> list[Fraction]:
    """Return the offset of each segment; ``cuts`` are the flagged discontinuities."""
    clock, offsets = Clock(), []
    for index, segment in enumerate(segments):
        sequence = index if sequences is None else sequences[index]
        clock, offset = place(clock, segment, sequence=sequence, discontinuity=index in cuts)
        offsets.append(offset)
    return offsets


def test_the_first_segment_lies_at_zero_whatever_its_time_stamps() -> None:
    assert placed([times(126000), times(126000 + 360000)]) == [0, 4]


def test_a_counter_that_wraps_between_segments_continues() -> None:
    assert placed([times(2**33 - 360000), times(0)]) == [0, 4]


def test_a_counter_that_wraps_inside_a_segment_continues() -> None:
    assert placed([times(2**33 - 90000), times(270000), times(630000)]) == [0, 4, 8]


def test_a_flagged_discontinuity_begins_at_the_expected_end() -> None:
    assert placed([times(0), times(5_000_000)], cuts=frozenset({1})) == [0, 4]


@pytest.mark.parametrize("jump", [20 * 90000, -2 * 90000, 2**32])
def test_an_unflagged_jump_of_a_transport_stream_begins_at_the_expected_end(jump: int) -> None:
    assert placed([times(10**9), times(10**9 + 360000 + jump)]) == [0, 4]


def test_a_segment_that_begins_a_few_frames_before_the_end_stays_in_the_epoch() -> None:
    """A packager that cuts between any packets leaves frames that are shown earlier behind the
    cut."""
    first = times(0, frames=60)
    second = times(57 * 3000, frames=60)

    assert placed([first, second, times(120 * 3000)]) == [0, Fraction(57, 30), 4]


@pytest.mark.parametrize("frames", [30, 12, 2])
def test_a_segment_that_begins_before_the_middle_of_the_one_before_starts_anew(
    frames: int,
) -> None:
    first, second = times(0, frames=frames), times(3000 * (frames // 2 - 1), frames=frames)

    assert placed([first, second]) == [0, Fraction(frames, 30)]


def test_a_stall_shorter_than_a_jump_is_a_hole() -> None:
    assert placed([times(0), times(360000 + 9 * 90000)]) == [0, 13]


def test_a_long_hole_in_a_files_own_timeline_is_a_hole() -> None:
    assert placed([times(0, wrap_bits=64), times(3600 * 90000, wrap_bits=64)]) == [0, 3600]


def test_segments_that_each_start_at_zero_lie_one_after_another() -> None:
    assert placed([times(0, wrap_bits=64)] * 3) == [0, 4, 8]


def test_a_missing_sequence_leaves_its_hole_where_time_stamps_continue() -> None:
    assert placed([times(0), times(3 * 360000)], sequences=[0, 3]) == [0, 12]


def test_a_missing_sequence_leaves_a_hole_of_the_last_length_where_time_stamps_start_anew() -> None:
    assert placed([times(0, wrap_bits=64)] * 2, sequences=[0, 2]) == [0, 8]


def test_each_missing_sequence_may_have_been_long() -> None:
    assert placed([times(0), times(360000 + 50 * 90000)], sequences=[0, 2]) == [0, 54]


def test_a_sequence_far_ahead_leaves_a_short_hole() -> None:
    assert placed([times(0, wrap_bits=64)] * 2, sequences=[0, 10**6]) == [0, 44]


def test_time_stamps_continue_in_another_time_base() -> None:
    assert placed(
        [times(0, wrap_bits=64), times(4000, every=33, wrap_bits=64, time_base=Fraction(1, 1000))]
    ) == [0, 4]


def lost(clock: Clock, *sequences: int, seconds: int | None = 2, broken: int = -1) -> Clock:
    """The clock after sequences that are missing; ``broken`` begins with a discontinuity."""
    for sequence in sequences:
        clock = add_missing(
            clock,
            sequence=sequence,
            duration=None if seconds is None else Fraction(seconds),
            discontinuity=sequence == broken,
        )
    return clock


def after(*segments: SegmentTimes) -> Clock:
    clock = Clock()
    for sequence, segment in enumerate(segments):
        clock, _ = place(clock, segment, sequence=sequence, discontinuity=False)
    return clock


def test_many_missing_sequences_in_a_row_keep_their_declared_length() -> None:
    clock = lost(after(times(0)), *range(1, 31))

    assert trailing(clock, 30).end == 64
    assert place(clock, times(7, wrap_bits=64), sequence=31, discontinuity=True)[1] == 64
    assert place(clock, times(0), sequence=31, discontinuity=False)[1] == 64


def test_the_discontinuity_of_a_missing_sequence_applies_to_the_next_segment() -> None:
    clock = lost(after(times(0)), 1, broken=1)

    clock, offset = place(clock, times(62 * 90000), sequence=2, discontinuity=False)

    assert offset == 6
    assert place(clock, times(66 * 90000), sequence=3, discontinuity=False)[1] == 10


def test_time_stamps_are_believed_where_they_agree_with_the_declared_length() -> None:
    clock = lost(after(times(0)), *range(1, 31))

    _, agreeing = place(clock, times(65 * 90000), sequence=31, discontinuity=False)
    _, other = place(clock, times(80 * 90000), sequence=31, discontinuity=False)

    assert (agreeing, other) == (65, 64)


def test_missing_sequences_without_a_declared_length_are_estimated_beside_the_others() -> None:
    clock = lost(lost(after(times(0)), 1, 2), 3, seconds=None)

    assert trailing(clock, 4).end == 4 + 2 + 2 + 4 + 4


def test_missing_sequences_before_the_first_segment_are_a_hole_of_their_declared_length() -> None:
    clock = lost(Clock(), 7, 8)

    assert place(clock, times(10**9), sequence=9, discontinuity=False)[1] == 4


def test_a_segment_without_pictures_to_its_declared_end_is_a_hole_and_no_jump() -> None:
    clock, _ = place(Clock(), times(0), sequence=0, discontinuity=False, declared=Fraction(24))

    assert place(clock, times(25 * 90000), sequence=1, discontinuity=False)[1] == 25


def test_a_sequence_that_is_reported_missing_after_its_hole_was_placed_changes_nothing() -> None:
    clock = after(times(0), times(360000))

    assert lost(clock, 1, broken=1) == clock


def test_a_picture_stands_behind_the_declared_hole_and_hands_a_discontinuity_on() -> None:
    clock = lost(after(times(0)), 1)

    clock, start = place_picture(clock, sequence=2, length=Fraction(2), discontinuity=True)

    assert (start, clock.end) == (6, 8)
    assert place(clock, times(8 * 90000 + 7), sequence=3, discontinuity=False)[1] == 8


def test_a_sequence_is_placed_once() -> None:
    clock, _ = place(Clock(), times(0), sequence=4, discontinuity=False)

    with pytest.raises(ValueError, match="sequence 4 is placed after 4"):
        place(clock, times(0), sequence=4, discontinuity=False)


def test_a_time_base_that_keeps_changing_does_not_make_fractions_grow_without_limit() -> None:
    odd = [times(0, wrap_bits=64, time_base=Fraction(1, 90001 + 2 * k)) for k in range(200)]

    assert max(offset.denominator for offset in placed(odd)) < 10**20


@st.composite
def frames(draw: st.DrawFn) -> list[int]:
    """Time stamps of frames in order of showing, at most 5 s apart."""
    ticks = draw(st.lists(st.integers(1, 5 * 90000), min_size=2, max_size=40))
    return [sum(ticks[:k]) for k in range(len(ticks) + 1)]


def cut(
    stamps: Sequence[int], borders: set[int], base: int
) -> list[tuple[SegmentTimes, list[Fraction]]]:
    """The frames in segments, with the raw time stamps of a counter that stood at ``base`` in the
    beginning."""
    edges = [0, *sorted(b for b in borders if 0 < b < len(stamps)), len(stamps)]
    out = []
    for begin, end in pairwise(edges):
        part = stamps[begin:end]
        raw = SegmentTimes(
            first_pts=(base + part[0]) % 2**33,
            last_pts=(base + part[-1]) % 2**33,
            duration=(part[-1] - part[0] + 3000) * TICK,
            time_base=TICK,
            wrap_bits=33,
        )
        out.append((raw, [(stamp - part[0]) * TICK for stamp in part]))
    return out


def on_the_stream(segments: list[tuple[SegmentTimes, list[Fraction]]]) -> list[Fraction]:
    offsets = placed([raw for raw, _ in segments])
    return [
        offset + inside
        for offset, (_, insides) in zip(offsets, segments, strict=True)
        for inside in insides
    ]


@quick
@given(frames(), st.sets(st.integers(1, 40)), st.integers(0, 2**33 - 1))
def test_a_wrap_at_any_point_changes_nothing(
    stamps: list[int], borders: set[int], base: int
) -> None:
    assert on_the_stream(cut(stamps, borders, base)) == on_the_stream(cut(stamps, borders, 0))


@quick
@given(frames(), st.sets(st.integers(1, 40)), st.integers(0, 2**33 - 1))
def test_cutting_into_segments_at_any_points_changes_nothing(
    stamps: list[int], borders: set[int], base: int
) -> None:
    assert on_the_stream(cut(stamps, borders, base)) == [stamp * TICK for stamp in stamps]


anything = st.lists(
    st.tuples(
        st.integers(0, 2**33 - 1),
        st.integers(1, 300),
        st.integers(0, 6000),
        st.booleans(),
        st.integers(1, 5),
    ),
    max_size=20,
)


@quick
@given(anything, st.data())
def test_replay_from_json_is_equal_and_time_never_runs_backwards(
    segments: list[tuple[int, int, int, bool, int]], data: st.DataObject
) -> None:
    clock, shown, sequence = Clock(), Fraction(0), -1
    for first, count, every, discontinuity, step in segments:
        raw, sequence = times(first, count, every), sequence + step
        if step > 2:
            clock = lost(clock, sequence - 1, seconds=step, broken=first % 7 and sequence - 1)
        restored = Clock.from_json(json.loads(json.dumps(clock.to_json())))

        after, offset = place(clock, raw, sequence=sequence, discontinuity=discontinuity)

        assert place(restored, raw, sequence=sequence, discontinuity=discontinuity) == (
            after,
            offset,
        )
        assert shown - OVERLAP <= offset <= after.last <= after.end
        assert shown <= after.last
        assert clock.end <= after.end
        clock, shown = after, after.last

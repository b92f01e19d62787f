"""The run of segments that decoding of the next one may need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from scanner.stream.advance import advance
from scanner.stream.inputs import Job, MissingTurn
from scanner.stream.run import LONGEST_RUN, extend_run, run_before
from scanner.stream.state import StreamState
from scanner.types import MediaInfo, ScoredSegment, Segment, SegmentKey
from tests.stream.build import POLICIES, STREAM
from tests.stream.build import segment as scored


def keyed(sequence: int, *, keyframe: bool = False, discontinuity: bool = False) -> ScoredSegment:
    segment = scored(sequence, {0: 0.1})
    return replace(segment, has_keyframe=keyframe, discontinuity=discontinuity)


def run_of(segments: Sequence[ScoredSegment]) -> tuple[int, ...]:
    run: tuple[int, ...] = ()
    for segment in segments:
        run = extend_run(run, segment)
    return run


def job(
    sequence: int,
    previous: Sequence[int] = (),
    *,
    init: bytes | None = None,
    discontinuity: bool = False,
    windowed: bool = False,
) -> Job:
    def segment(number: int, own: bytes | None) -> Segment:
        return Segment(
            key=SegmentKey(stream_id=STREAM, sequence=number),
            source=b"",
            init=own,
            discontinuity=discontinuity,
        )

    return Job(
        segment=segment(sequence, init),
        name="name",
        windowed=windowed,
        previous=tuple(segment(number, None) for number in previous),
    )


def sequences(segments: Sequence[Segment]) -> list[int]:
    return [segment.key.sequence for segment in segments]


def test_a_run_begins_with_the_latest_keyframe() -> None:
    assert run_of([keyed(0, keyframe=True), keyed(1), keyed(2)]) == (0, 1, 2)
    assert run_of([keyed(0, keyframe=True), keyed(1), keyed(2, keyframe=True)]) == (2,)


@pytest.mark.parametrize(
    "after",
    [
        [keyed(1)],
        [keyed(0, keyframe=True), keyed(2)],
        [keyed(0, keyframe=True), keyed(1, discontinuity=True)],
        [replace(keyed(0, keyframe=True), whole_file=True)],
        [
            replace(
                keyed(0, keyframe=True),
                info=MediaInfo(container="jpeg", codec="mjpeg", width=8, height=8, still=True),
            )
        ],
    ],
    ids=["no keyframe", "hole", "discontinuity", "file", "picture"],
)
def test_there_is_no_run(after: list[ScoredSegment]) -> None:
    assert run_of(after) == ()


def test_a_run_is_bounded() -> None:
    segments = [keyed(0, keyframe=True), *(keyed(number) for number in range(1, LONGEST_RUN + 1))]

    assert len(run_of(segments[:LONGEST_RUN])) == LONGEST_RUN
    assert run_of(segments) == ()


def test_decoding_begins_in_the_whole_run_or_in_none_of_it() -> None:
    assert sequences(run_before((3, 4), job(5, [1, 2, 3, 4]))) == [3, 4]
    assert run_before((3, 4), job(5, [4])) == ()
    assert run_before((3, 4), job(6, [3, 4, 5])) == ()
    assert run_before((), job(5, [4])) == ()


def test_decoding_begins_in_no_segment_of_another_kind() -> None:
    assert run_before((4,), job(5, [4], init=b"another")) == ()
    assert run_before((4,), job(5, [4], discontinuity=True)) == ()
    assert run_before((4,), job(5, [4], windowed=True)) == ()


def test_the_state_has_the_run_and_says_from_where_segments_are_needed() -> None:
    state = StreamState.new(STREAM)
    assert state.needed_from == 0
    for segment in (keyed(0, keyframe=True), keyed(1)):
        state, _ = advance(state, segment, POLICIES)

    assert state.run == (0, 1)
    assert state.needed_from == 0
    assert StreamState.from_json(state.to_json()) == state
    state, _ = advance(state, MissingTurn(stream_id=STREAM, first=2, last=2), POLICIES)
    state, _ = advance(state, keyed(3), POLICIES)
    assert state.run == ()
    assert state.needed_from == 4

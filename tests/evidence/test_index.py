"""The index says which source shows a second, and is bounded by time, number and bytes."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from scanner.evidence import index as index_module
from scanner.evidence.index import SegmentIndex
from tests.evidence.build import job, scored, span


def test_each_segment_of_a_stream_is_a_source_of_its_own() -> None:
    index = SegmentIndex()
    for sequence in range(3):
        index = index.add(scored(sequence), job(Path(f"{sequence}.ts")))

    shown = index.overlapping(span(5, 9))

    assert [one.source for one in shown] == [Path("1.ts"), Path("2.ts")]
    assert index.end == 12


def test_windows_of_a_file_whose_time_stamps_continue_are_one_span() -> None:
    file, index = job(Path("a.ts"), windowed=True), SegmentIndex()
    for sequence in range(3):
        index = index.add(scored(sequence), file)

    (whole,) = index.sources
    assert whole.span == span(0, 12)
    assert (whole.first_pts, whole.jumps) == (0, 0)


def test_a_jump_of_a_files_time_stamps_begins_a_new_span() -> None:
    file = job(Path("a.ts"), windowed=True)
    index = SegmentIndex().add(scored(0), file)

    index = index.add(scored(1, first_pts=7_000_000, discontinuity=True), file)

    assert [(one.first_pts, one.jumps) for one in index.sources] == [(0, 0), (7_000_000, 1)]


def test_another_codec_of_a_file_begins_a_new_span() -> None:
    file = job(Path("a.ts"), windowed=True)
    after = scored(1)
    info = replace(after.segment.info, codec="hevc")

    index = SegmentIndex().add(scored(0), file)
    index = index.add(replace(after, segment=replace(after.segment, info=info)), file)

    assert [one.codec for one in index.sources] == ["h264", "hevc"]


def test_samples_have_their_stream_seconds_and_the_later_one_of_an_instant_counts() -> None:
    first = scored(0, {1: 0.5, 3: 1.0})
    twice = replace(first.segment.frames[1], keyframe=False)
    segment = replace(first.segment, frames=(*first.segment.frames, twice))
    burst = replace(scored(0, {3: 9.0}).risks[0])

    index = SegmentIndex().add(replace(first, segment=segment, risks=(*first.risks, burst)), job())

    assert [sample.at for sample in index.samples_within(Fraction(1), Fraction(3))] == [1, 3]
    assert index.samples[-1].risk == burst


def test_sources_and_samples_before_an_instant_are_forgotten() -> None:
    index = SegmentIndex()
    for sequence in range(4):
        index = index.add(scored(sequence, {1: 0.0}), job(Path(f"{sequence}.ts")))

    kept = index.keep_since(Fraction(8))

    assert [one.source for one in kept.sources] == [Path("2.ts"), Path("3.ts")]
    assert [sample.at for sample in kept.samples] == [9, 13]


def test_only_bytes_count_as_memory_and_what_sources_share_counts_once() -> None:
    init = b"i" * 5
    index = SegmentIndex().add(scored(0), job(b"0" * 100, init=init))
    index = index.add(scored(1), job(b"1" * 10, init=init))
    index = index.add(scored(2), job(Path("2.ts")))

    assert index.memory_bytes == 115


def test_the_oldest_bytes_are_dropped_first_and_the_index_remembers_which_seconds() -> None:
    index = SegmentIndex()
    for sequence in range(3):
        index = index.add(scored(sequence), job(bytes([sequence]) * 10))

    less = index.drop_oldest().drop_oldest()

    assert [one.span for one in less.sources] == [span(8, 12)]
    assert less.dropped == span(0, 8)
    assert less.keep_since(Fraction(8)).dropped is None


def test_an_index_without_bytes_has_nothing_to_drop() -> None:
    index = SegmentIndex().add(scored(0), job(Path("a.ts")))

    assert index.drop_oldest() == index


def test_sources_and_samples_are_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_SOURCES", 5)
    monkeypatch.setattr(index_module, "MOST_SAMPLES", 16)
    index = SegmentIndex()

    for sequence in range(50):
        index = index.add(scored(sequence, {0: 0.0, 2: 1.0}), job(Path(f"{sequence}.ts")))

    assert len(index.sources) == 5
    assert len(index.samples) <= 16
    assert index.samples[0].at == 0
    assert [sample.at for sample in index.samples[-4:]] == [192, 194, 196, 198]

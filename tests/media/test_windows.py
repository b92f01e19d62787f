"""A file is cut into windows, and decoding can be resumed at any of them."""

from __future__ import annotations

import resource
from collections.abc import Callable
from fractions import Fraction
from itertools import chain, pairwise, zip_longest

import numpy as np
import psutil
import pytest

from samples.facts import SampleFile
from scanner.media.limits import MediaLimits
from scanner.media.samples import DecodedWindow
from scanner.media.sampling import Sampling
from tests.media.build import encode
from tests.media.decoding import SPEC, decode_all, times


def same(one: DecodedWindow, other: DecodedWindow) -> bool:
    pixels = zip(one.samples, other.samples, strict=True)
    return (one.times, one.unseen, one.index, one.last) == (
        other.times,
        other.unseen,
        other.index,
        other.last,
    ) and all(a.at == b.at and np.array_equal(a.images[SPEC], b.images[SPEC]) for a, b in pixels)


def test_windows_are_cut_at_keyframes_and_no_longer_than_asked() -> None:
    windows = decode_all(encode(frames=300, gop=45), window=Fraction(4))

    assert [w.times.duration for w in windows] == [3, 3, 4]
    assert [w.samples[0].keyframe for w in windows] == [True] * 3
    assert [w.index for w in windows] == [0, 1, 2]
    assert [w.last for w in windows] == [False, False, True]


@pytest.mark.parametrize("first_window", [0, 1, 2])
def test_a_window_knows_where_in_its_source_it_begins(first_window: int) -> None:
    windows = decode_all(
        encode(frames=300, gop=45, bframes=2), window=Fraction(4), first_window=first_window
    )

    assert [w.begins for w in windows] == [0, 3, 6][first_window:]


def test_windows_follow_each_other_without_a_hole() -> None:
    windows = decode_all(encode(frames=300, gop=45, bframes=2), window=Fraction(4))

    starts = [w.times.first_pts * w.times.time_base for w in windows]
    assert [b - a for a, b in pairwise(starts)] == [w.times.duration for w in windows[:-1]]


def test_a_gop_longer_than_a_window_is_cut_inside() -> None:
    windows = decode_all(encode(frames=300, gop=300, bframes=2), window=Fraction(3))

    assert all(w.times.duration <= 3 for w in windows)
    assert all(w.samples[0].at == 0 for w in windows)
    assert sum(w.times.duration for w in windows) == 10
    assert not any(w.unseen for w in windows)


def test_a_gop_larger_than_the_limit_is_cut_inside() -> None:
    windows = decode_all(encode(frames=300, gop=300), limits=MediaLimits(max_gop_bytes=3000))

    assert not any(w.unseen for w in windows)
    assert sum(w.times.duration for w in windows) == 10


def test_the_last_sample_before_a_cut_inside_a_gop_comes_out() -> None:
    windows = decode_all(
        encode(frames=300, gop=300, bframes=3),
        window=Fraction(3),
        sampling=Sampling(strategy="every", every=Fraction(1, 3)),
    )

    gaps = [b - a for a, b in pairwise(times(windows))]
    assert max(gaps) <= Fraction(1, 3) + Fraction(1, 30)


@pytest.mark.parametrize("gop", [45, 300], ids=["many keyframes", "one keyframe"])
def test_decoding_can_be_resumed_at_any_window_with_the_same_result(gop: int) -> None:
    data = encode(frames=300, gop=gop, bframes=2)
    windows = decode_all(data, window=Fraction(4))

    for first in range(len(windows) + 1):
        again = decode_all(data, window=Fraction(4), first_window=first)
        assert len(again) == len(windows) - first
        assert all(same(a, b) for a, b in zip(again, windows[first:], strict=True))


def test_a_segment_is_one_window_however_long() -> None:
    (window,) = decode_all(encode(frames=600, gop=30), window=None)

    assert window.times.duration == 20
    assert len(window.samples) == 20


def test_a_segment_decodes_to_the_same_window_each_time() -> None:
    data = encode(frames=120, gop=90, bframes=2)

    (one,), (other,) = decode_all(data, window=None), decode_all(data, window=None)

    assert same(one, other)


@pytest.mark.slow
def test_a_thousand_segments_leave_memory_flat() -> None:
    data = encode(frames=60, gop=60, size=(320, 240), bframes=2)
    process = psutil.Process()
    for _ in range(100):
        decode_all(data)
    before = process.memory_info().rss

    for _ in range(900):
        decode_all(data)

    assert process.memory_info().rss - before < 4 << 20


@pytest.mark.slow
def test_an_hour_with_one_keyframe_leaves_memory_flat() -> None:
    data = encode(frames=18000, rate=5, gop=20000, size=(64, 48))
    decode_all(data[: len(data) // 20])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    windows = sum(1 for _ in decode_all(data))

    assert windows >= 360
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 << 10


@pytest.mark.parametrize("frames", [95, 98, 99, 100])
def test_a_long_gop_that_ends_just_behind_a_cut_loses_no_frame(frames: int) -> None:
    data = encode(container="mp4", frames=frames, rate=10, gop=250, bframes=3)

    (window,) = decode_all(data, window=Fraction(10))

    assert window.unseen == ()
    assert frames / 10 - float(window.samples[-1].at) <= 2.1


def test_a_short_file_has_a_second_sample_if_that_is_requested() -> None:
    data = encode(container="mp4", frames=45, rate=30, gop=250)

    (once,), (twice,) = decode_all(data), decode_all(data, second_sample=True)

    assert [sample.at for sample in once.samples] == [0]
    assert len(twice.samples) == 2
    assert twice.samples[1].at > 1


def test_a_short_file_of_many_gops_has_a_second_sample_too() -> None:
    data = encode(container="mp4", frames=12, rate=30, gop=1)

    (window,) = decode_all(data, second_sample=True)

    assert [sample.at for sample in window.samples] == [0, Fraction(11, 30)]


def test_a_short_animation_has_a_second_sample(sample_media: Callable[[str], SampleFile]) -> None:
    data = sample_media("webp_moving").path.read_bytes()

    (once,), (twice,) = decode_all(data), decode_all(data, second_sample=True)

    assert [sample.at for sample in once.samples] == [0]
    assert [sample.at for sample in twice.samples] == [0, Fraction(88, 100)]


def test_the_keyframes_strategy_adds_no_second_sample_and_no_gap() -> None:
    data = encode(container="mp4", frames=45, rate=30, gop=250)

    (window,) = decode_all(data, second_sample=True, sampling=Sampling(strategy="keyframes"))

    assert [sample.at for sample in window.samples] == [0]
    assert window.unseen == ()


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_file_of_one_frame_is_a_still_and_a_segment_of_one_frame_is_not(container: str) -> None:
    data = encode(container=container, frames=1, gop=250)

    (file,), (segment,) = decode_all(data, second_sample=True), decode_all(data)

    assert file.info.still
    assert not segment.info.still


OTHER_TRACK = {"mpegts_start_pid": "768", "mpegts_pmt_start_pid": "4112"}


def continue_in_another_track(frames: int) -> bytes:
    """Encode frames in one track and then 3 s in another one.

    With few frames both tracks are known when the source is opened; with many the second one is
    added later.
    """
    before = encode(
        frames=frames, size=(640, 480), values=[number % 200 for number in range(frames)]
    )
    return before + encode(frames=90, mux=OTHER_TRACK)


@pytest.mark.parametrize("frames", [10, 600])
def test_a_picture_that_continues_in_another_track_is_seen(frames: int) -> None:
    (window,) = decode_all(continue_in_another_track(frames), window=None)

    assert window.unseen == ()
    assert window.times.duration == pytest.approx(Fraction(frames, 30) + 3, abs=0.1)


@pytest.mark.parametrize("frames", [10, 600])
def test_in_a_large_source_a_picture_that_continues_in_another_track_is_reported_as_a_gap(
    monkeypatch: pytest.MonkeyPatch, frames: int
) -> None:
    monkeypatch.setattr("scanner.media.picture_parts.MAX_FOLLOWED", 0)

    (window,) = decode_all(continue_in_another_track(frames), window=None)

    (hole,) = (hole for hole in window.unseen if hole.reason == "undecodable")
    assert hole.span.start == Fraction(frames, 30)
    assert hole.span.length == pytest.approx(3, abs=0.1)
    assert window.times.duration == hole.span.end


def test_a_second_track_beside_the_first_is_not_scanned() -> None:
    streams = encode(frames=90), encode(frames=95, mux=OTHER_TRACK)
    packets = [[stream[at : at + 188] for at in range(0, len(stream), 188)] for stream in streams]

    (window,) = decode_all(b"".join(chain.from_iterable(zip_longest(*packets, fillvalue=b""))))

    assert window.times.duration < 4
    assert [hole.reason for hole in window.unseen] == ["not_scanned"]


def test_a_file_of_one_frame_has_no_second_sample() -> None:
    data = encode(container="mp4", frames=1, gop=250)

    (window,) = decode_all(data, second_sample=True)

    assert len(window.samples) == 1

"""Clips copy the sender's packets, or encode what browsers do not play again; both kinds play."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from scanner.media.clip import ClipLimits, ClipPiece
from scanner.types import Span
from tests.media_clip.clips import (
    SampleMedia,
    clip,
    is_run_of,
    payloads,
    rotation_of,
    span,
    with_sound,
)
from tests.media_clip.mp4 import pictures, read, sync_samples

COPIED = [
    "ts_h264",
    "ts_h264_b_frames",
    "ts_h264_open_gop",
    "mp4_h264_b_frames",
    "mov_h264",
    "mkv_h264_b_frames",
    "webm_vp9",
    "webm_av1",
    "mp4_av1",
    "ts_wrap",
    "mp4_uneven",
    "ts_late_start",
    "mkv_late_start",
]


@pytest.mark.parametrize("name", COPIED)
def test_packets_of_what_browsers_play_are_copied(sample_media: SampleMedia, name: str) -> None:
    sample = sample_media(name)
    middle = sample.facts.times[len(sample.facts.times) // 2]

    info, data = clip(
        [sample.path],
        [ClipPiece(span=Span(start=middle, end=middle + 1), first_pts=sample.facts.pts[0])],
    )

    assert info.method == "copied"
    assert info.video == sample.facts.codec
    first, *others = payloads(data)
    assert first in payloads(sample.path)
    assert is_run_of(others, payloads(sample.path))


@pytest.mark.parametrize("name", COPIED)
def test_a_copied_clip_begins_at_the_keyframe_at_or_before_its_span_and_reaches_its_end(
    sample_media: SampleMedia, name: str
) -> None:
    facts = (sample := sample_media(name)).facts
    start = facts.times[len(facts.times) // 2]
    end = start + Fraction(3, 10)

    info, data = clip(
        [sample.path], [ClipPiece(span=Span(start=start, end=end), first_pts=facts.pts[0])]
    )

    keyframe = max(facts.times[index] for index in facts.keyframes if facts.times[index] <= start)
    assert info.span.start == pytest.approx(keyframe, abs=1e-3)
    assert info.span.end >= min(end, facts.times[-1])
    assert read(data)[0].keyframe
    assert read(data)[0].at == 0


@pytest.mark.parametrize("name", COPIED)
def test_a_copied_clip_shows_every_picture_of_its_span_at_its_time(
    sample_media: SampleMedia, name: str
) -> None:
    facts = (sample := sample_media(name)).facts
    start = facts.times[len(facts.times) // 2]
    end = start + Fraction(3, 10)

    info, data = clip(
        [sample.path], [ClipPiece(span=Span(start=start, end=end), first_pts=facts.pts[0])]
    )

    shown = [at + info.span.start for at in pictures(data)]
    wanted = [at for at in facts.times if start <= at < end]
    assert shown == sorted(shown)
    for at in wanted:
        assert min(abs(at - other) for other in shown) < Fraction(1, 1000)


@pytest.mark.parametrize(
    "name",
    [
        "ts_long_gop_b_frames",
        "mp4_long_gop_b_frames",
        "webm_long_gop",
        "ts_h264",
        "mkv_h264_b_frames",
        "avi_mpeg4",
    ],
)
def test_seeking_finds_what_reading_from_the_beginning_finds(
    sample_media: SampleMedia, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = (sample := sample_media(name)).facts
    piece = ClipPiece(
        span=Span(start=facts.times[-12], end=facts.times[-3]), first_pts=facts.pts[0]
    )
    read_through = clip([sample.path], [piece])

    monkeypatch.setattr("scanner.media.span_reader.SEEK_ABOVE", 0)

    assert clip([sample.path], [piece]) == read_through


@pytest.mark.parametrize("name", COPIED)
def test_decode_times_rise_and_never_pass_presentation_times(
    sample_media: SampleMedia, name: str
) -> None:
    sample = sample_media(name)

    _, data = clip([sample.path], [ClipPiece(span=span(0, 60), first_pts=sample.facts.pts[0])])

    packets = read(data)
    assert all(earlier.decoded_at < later.decoded_at for earlier, later in pairwise(packets))
    assert all(packet.decoded_at <= packet.at for packet in packets)


@pytest.mark.parametrize(
    "name",
    [
        "mp4_mpeg4",
        "avi_mpeg4",
        "ts_mpeg2",
        "ts_hevc",
        "mp4_hevc_10_bit",
        "h264_422",
        "h264_10_bit",
        "avi_mjpeg",
    ],
)
def test_what_browsers_do_not_play_is_encoded_as_h264_within_exactly_the_span(
    sample_media: SampleMedia, name: str
) -> None:
    facts = (sample := sample_media(name)).facts
    start, end = facts.times[5], facts.times[10]

    info, data = clip(
        [sample.path], [ClipPiece(span=Span(start=start, end=end), first_pts=facts.pts[0])]
    )

    with av.open(io.BytesIO(data)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert info.method == "transcoded"
    assert info.reason in {"codec", "pixels"}
    assert info.span.start == pytest.approx(start, abs=1e-3)
    assert len(pictures(data)) == 5


def test_a_clip_that_is_encoded_again_is_no_larger_than_requested(
    sample_media: SampleMedia,
) -> None:
    facts = (sample := sample_media("mp4_mpeg4")).facts

    info, data = clip([sample.path], [ClipPiece(span=span(0, 1))], ClipLimits(max_side=64))

    with av.open(io.BytesIO(data)) as container:
        context = container.streams.video[0].codec_context
        assert max(context.width, context.height) == 64
        assert context.width / context.height == pytest.approx(facts.width / facts.height, rel=0.1)
    assert (info.width, info.height) == (context.width, context.height)


def test_the_index_comes_before_the_pictures(sample_media: SampleMedia) -> None:
    _, data = clip([sample_media("ts_h264").path], [ClipPiece(span=span(0, 2))])

    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_a_span_between_segments_is_one_clip_on_one_clock(sample_media: SampleMedia) -> None:
    facts = (sample := sample_media("ts_h264_b_frames")).facts
    length = facts.times[-1] + facts.times[1]
    first = ClipPiece(span=Span(start=facts.times[-20], end=length), first_pts=facts.pts[0])
    second = ClipPiece(
        span=Span(start=Fraction(0), end=facts.times[10]), first_pts=facts.pts[0], offset=length
    )

    info, data = clip([sample.path, sample.path], [first, second])

    shown = pictures(data)
    assert info.method == "copied"
    assert {later - earlier for earlier, later in pairwise(shown)} == {facts.times[1]}
    assert info.span.start < length < info.span.end


def test_a_missing_segment_stays_a_hole_in_the_clip(sample_media: SampleMedia) -> None:
    facts = (sample := sample_media("ts_h264")).facts
    length = facts.times[-1] + facts.times[1]
    whole = ClipPiece(span=Span(start=Fraction(0), end=length), first_pts=facts.pts[0])

    _, data = clip([sample.path, sample.path], [whole, replace(whole, offset=length + 3)])

    steps = [later - earlier for earlier, later in pairwise(pictures(data))]
    assert max(steps) == 3 + facts.times[1]


def test_segments_that_overlap_are_shown_one_after_the_other(sample_media: SampleMedia) -> None:
    facts = (sample := sample_media("ts_h264")).facts
    whole = ClipPiece(span=span(0, 4), first_pts=facts.pts[0])

    _, data = clip([sample.path, sample.path], [whole, replace(whole, offset=Fraction(1))])

    shown = pictures(data)
    assert len(shown) == 2 * len(facts.times)
    assert all(earlier < later for earlier, later in pairwise(shown))


def test_segments_that_do_not_fit_together_are_encoded_again(sample_media: SampleMedia) -> None:
    small, other = sample_media("ts_h264"), sample_media("webm_vp9")

    info, data = clip(
        [small.path, other.path],
        [ClipPiece(span=span(0, 1)), ClipPiece(span=span(0, 1), offset=Fraction(1))],
    )

    assert (info.method, info.reason) == ("transcoded", "pieces")
    assert len(pictures(data)) == sum(at < 1 for at in small.facts.times) + sum(
        at < 1 for at in other.facts.times
    )


def test_a_gop_that_begins_long_before_the_span_is_encoded_from_the_span_on(
    sample_media: SampleMedia,
) -> None:
    facts = (sample := sample_media("ts_long_gop_b_frames")).facts

    info, data = clip(
        [sample.path],
        [ClipPiece(span=span(8, 9), first_pts=facts.pts[0])],
        ClipLimits(max_lead=Fraction(5)),
    )

    assert (info.method, info.reason) == ("transcoded", "gop")
    assert len(pictures(data)) == sum(8 <= at < 9 for at in facts.times)


@pytest.mark.parametrize(
    ("container", "codec", "kept"),
    [("mpegts", "aac", "aac"), ("matroska", "libopus", "opus"), ("mp4", "aac", "aac")],
)
def test_sound_that_browsers_play_is_copied(container: str, codec: str, kept: str) -> None:
    source = with_sound(container, codec)

    info, data = clip([source], [ClipPiece(span=span(1, "1.5"))])

    with av.open(io.BytesIO(data)) as written:
        first, *_, last = [
            p for p in written.demux(written.streams.audio[0]) if p.pts is not None and p.size
        ]
    assert info.audio == kept
    assert first.pts is not None
    assert last.pts is not None
    assert first.pts * first.time_base < Fraction(1, 10)
    assert last.pts * last.time_base == pytest.approx(float(info.span.length), abs=0.1)


def test_sound_that_browsers_do_not_play_is_left_out() -> None:
    info, data = clip([with_sound("matroska", "pcm_s16le")], [ClipPiece(span=span(0, 1))])

    with av.open(io.BytesIO(data)) as written:
        assert not written.streams.audio
    assert info.audio is None


@pytest.mark.parametrize("name", ["fmp4_second", "fmp4_second_b_frames"])
def test_an_init_segment_goes_before_its_source(sample_media: SampleMedia, name: str) -> None:
    sample = sample_media(name)
    assert sample.init is not None

    info, data = clip(
        [sample.path],
        [ClipPiece(span=span(0, 60), init=sample.init.read_bytes(), first_pts=sample.facts.pts[0])],
    )

    assert info.method == "copied"
    assert len(pictures(data)) == len(sample.facts.pts)


@pytest.mark.parametrize(
    ("name", "degrees"),
    [("mp4_rotated_90", 90), ("mp4_rotated_180", 180), ("mp4_rotated_270", 270)],
)
def test_a_copied_clip_stands_upright_as_its_source_does(
    sample_media: SampleMedia, name: str, degrees: int
) -> None:
    sample = sample_media(name)

    _, data = clip([sample.path], [ClipPiece(span=span(0, 1))])

    assert rotation_of(data) == rotation_of(sample.path.read_bytes()) != 0
    assert sample.facts.rotation == degrees


def test_a_clip_that_was_encoded_again_stands_upright_as_its_source_does(
    sample_media: SampleMedia,
) -> None:
    sample = sample_media("mp4_rotated_90")

    info, data = clip(
        [sample.path],
        [ClipPiece(span=span(1, 2), first_pts=sample.facts.pts[0])],
        ClipLimits(max_lead=Fraction(-1)),
    )

    assert info.method == "transcoded"
    assert rotation_of(data) == rotation_of(sample.path.read_bytes())


def test_keyframes_with_leading_pictures_are_no_places_to_begin_at(
    sample_media: SampleMedia,
) -> None:
    sample = sample_media("ts_h264_open_gop")

    _, data = clip([sample.path], [ClipPiece(span=span(0, 60), first_pts=sample.facts.pts[0])])

    assert len(sample.facts.keyframes) > 1
    assert sync_samples(data) == [1]


def test_keyframes_without_leading_pictures_are_places_to_begin_at(
    sample_media: SampleMedia,
) -> None:
    sample = sample_media("ts_h264_b_frames")

    _, data = clip([sample.path], [ClipPiece(span=span(0, 60), first_pts=sample.facts.pts[0])])

    assert sync_samples(data) == [1 + index for index in sample.facts.keyframes]

"""Thumbnails are the frames that were scored."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from samples.facts import SampleFile
from scanner.errors import FormatError, NoVideoError
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.media.samples import DecodedWindow
from scanner.media.sampling import Sampling
from scanner.media.thumbnails import ThumbnailRequest, decode_thumbnails
from scanner.types import Fit, FrameSpec

SPEC = FrameSpec(width=96, height=64, fit=Fit.LETTERBOX)
SampleMedia = Callable[[str], SampleFile]


def thumbnails(sample: SampleFile, *times: Fraction) -> DecodedWindow:
    with sample.path.open("rb") as source:
        init = sample.init.read_bytes() if sample.init is not None else None
        first_pts = sample.facts.pts[0] if sample.facts.pts else None
        (window,) = decode_thumbnails(
            [source],
            ThumbnailRequest(times=times, spec=SPEC, first_pts=first_pts, init=init),
            name="test",
        )
    return window


def scored(sample: SampleFile) -> DecodedWindow:
    request = DecodeRequest(specs=(SPEC,), sampling=Sampling(strategy="keyframes"), window=None)
    with sample.path.open("rb") as source:
        (window,) = decode_windows(
            source,
            request,
            name="test",
            init=sample.init.read_bytes() if sample.init is not None else None,
        )
    return window


@pytest.mark.parametrize(
    "name",
    [
        "ts_h264_b_frames",
        "mp4_h264_b_frames",
        "mkv_hevc_10_bit",
        "webm_vp9",
        "avi_mpeg4",
        "mp4_rotated_90",
        "ts_wrap",
        "ts_anamorphic",
        "fmp4_second",
    ],
)
def test_a_thumbnail_is_the_frame_that_was_scored_at_its_time(
    sample_media: SampleMedia, name: str
) -> None:
    sample = sample_media(name)
    wanted = scored(sample)

    got = thumbnails(sample, *(one.at for one in wanted.samples))

    assert [one.at for one in got.samples] == [one.at for one in wanted.samples]
    for still, frame in zip(got.samples, wanted.samples, strict=True):
        assert np.array_equal(still.images[SPEC], frame.images[SPEC])


def test_a_thumbnail_between_two_frames_is_the_earlier_one(sample_media: SampleMedia) -> None:
    facts = (sample := sample_media("ts_h264")).facts
    between = (facts.times[7] + facts.times[8]) / 2

    (at_frame,) = thumbnails(sample, facts.times[7]).samples
    (after,) = thumbnails(sample, between).samples

    assert after.at == between
    assert after.pts == at_frame.pts == facts.pts[7]


def test_thumbnails_far_apart_are_the_frames_at_their_instants(sample_media: SampleMedia) -> None:
    facts = (sample := sample_media("ts_long_gop")).facts

    window = thumbnails(sample, Fraction(1, 10), facts.times[-1])

    assert [still.pts for still in window.samples] == [facts.pts[1], facts.pts[-1]]


def test_instants_before_the_first_picture_are_left_out(sample_media: SampleMedia) -> None:
    sample = sample_media("ts_h264")

    window = thumbnails(sample, Fraction(-1), Fraction(0))

    assert [still.at for still in window.samples] == [0]


def test_a_still_picture_is_its_own_thumbnail(sample_media: SampleMedia) -> None:
    window = thumbnails(sample_media("jpeg_420"), Fraction(0))

    assert [still.at for still in window.samples] == [0]


def test_instants_without_any_picture_are_refused(sample_media: SampleMedia) -> None:
    with pytest.raises(NoVideoError, match="test: no picture"):
        thumbnails(sample_media("ts_h264"), Fraction(-2), Fraction(-1))


def test_a_source_that_is_no_media_is_an_error_of_its_sender(sample_media: SampleMedia) -> None:
    sample = sample_media("ts_h264")
    text = sample.path.with_name("text.ts")
    text.write_text("#EXTM3U\nhttp://127.0.0.1/x.ts\n" * 20)

    with text.open("rb") as source, pytest.raises(FormatError, match="test"):
        next(
            decode_thumbnails(
                [source], ThumbnailRequest(times=(Fraction(0),), spec=SPEC), name="test"
            )
        )


@pytest.mark.parametrize("times", [(), (Fraction(1), Fraction(1)), (Fraction(2), Fraction(1))])
def test_instants_must_rise(times: tuple[Fraction, ...]) -> None:
    with pytest.raises(ValueError, match="instant"):
        ThumbnailRequest(times=times, spec=SPEC)

"""A picture that the decoder could only make up is not a sample."""

from __future__ import annotations

import io
from fractions import Fraction
from functools import partial

import av
import pytest

from scanner.media.sampling import Sampling
from scanner.types import Span, Unseen
from tests.media.damage import GOP, RATE, damaged, decode_independently, noisy, spoil
from tests.media.decoding import SPEC, decode_all


def corrupt_seconds(data: bytes) -> list[Fraction]:
    """Return the times of the keyframes that a plain PyAV loop reports as corrupt."""
    with av.open(io.BytesIO(data)) as container:
        track = container.streams.video[0]
        track.codec_context.thread_count = 1
        assert track.time_base is not None
        return [
            (frame.pts or 0) * track.time_base
            for frame in container.decode(track)
            if frame.is_corrupt and (frame.pts or 0) * track.time_base * RATE % GOP == 0
        ]


@pytest.mark.parametrize("strategy", ["adaptive", "keyframes"])
@pytest.mark.parametrize("broken", [(3,), (2, 3, 4), (0,), (7,), (0, 1, 2, 3, 4, 5, 6, 7)], ids=str)
def test_keyframes_that_the_decoder_reports_as_corrupt_are_unseen(
    strategy: str, broken: tuple[int, ...]
) -> None:
    data = damaged(broken)
    corrupt = corrupt_seconds(data)
    assert corrupt == list(broken)

    (window,) = decode_all(data, sampling=Sampling(strategy=strategy))  # type: ignore[arg-type]

    assert [s.at for s in window.samples] == [n for n in range(8) if n not in corrupt]
    assert [s.at for s in window.damaged] == corrupt
    assert all(s.images.keys() == {SPEC} for s in window.damaged)
    (unseen,) = window.unseen
    assert unseen == Unseen(
        span=Span(start=Fraction(broken[0]), end=Fraction(broken[-1] + 1)), reason="undecodable"
    )


SOURCES = {
    "h264.ts": partial(noisy, "mpegts", "libx264"),
    "h264_b_frames.mp4": partial(noisy, "mp4", "libx264", bframes=3),
    "h264_long_gop.ts": partial(noisy, "mpegts", "libx264", gop=100, bframes=2),
    "h264.flv": partial(noisy, "flv", "libx264"),
    "h264_b_frames.mkv": partial(noisy, "matroska", "libx264", bframes=2),
    "hevc.ts": partial(noisy, "mpegts", "libx265"),
    "mpeg2.ts": partial(noisy, "mpegts", "mpeg2video", bframes=2),
    "mpeg4.avi": partial(noisy, "avi", "mpeg4"),
    "vp8.webm": partial(noisy, "webm", "libvpx"),
}
KINDS = ("keyframes", "noise", "bits", "lost")


def assert_decoder_agrees(data: bytes) -> None:
    """Assert that of the frames that sampling asked for, those count as seen that an independent
    decoder, which decodes every packet, does not call corrupt, and no others."""
    corrupt = decode_independently(data)
    windows = decode_all(data)

    for window in windows:
        gaps = [one.span for one in window.unseen]
        for sample in window.samples:
            assert corrupt.get(sample.pts) is False
            assert not [span for span in gaps if span.start <= sample.at < span.end]
        for sample in window.damaged:
            assert corrupt.get(sample.pts) is True
            assert [span for span in gaps if span.start <= sample.at < span.end]
        for span in gaps:
            first = span.start / window.times.time_base + window.times.first_pts
            assert corrupt.get(int(first), True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["h264.ts", "h264_b_frames.mp4"])
def test_coverage_of_a_damaged_file_is_what_an_independent_decoder_reports(
    name: str, kind: str
) -> None:
    assert_decoder_agrees(spoil(SOURCES[name](), kind, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SOURCES)
def test_coverage_of_many_damaged_files_is_what_an_independent_decoder_reports(
    name: str, kind: str, seed: int
) -> None:
    assert_decoder_agrees(spoil(SOURCES[name](), kind, seed=seed))

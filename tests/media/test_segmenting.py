"""Segments that a file is cut into show what the file shows, whatever changes within it."""

from __future__ import annotations

import io
from fractions import Fraction

import pytest

from samples.broadcast import encode_resized_flv
from scanner.media.nal_units import read_h264_sets
from scanner.media.segmenting import SegmentRequest, cut_segments
from tests.media.build import encode
from tests.media.decoding import decode_all, greys


def cut(data: bytes) -> list[bytes]:
    """Return the segments of a file, each as it is sent."""
    out = io.BytesIO()
    places = cut_segments(
        io.BytesIO(data), SegmentRequest(seconds=Fraction(2)), name="test", output=out
    )
    return [out.getvalue()[one.offset : one.offset + one.size] for one in places]


def check_segments(data: bytes, seconds: int, levels: set[int]) -> None:
    windows = [decode_all(segment, window=None)[0] for segment in cut(data)]

    assert len(windows) > 1
    assert abs(sum(window.times.duration for window in windows) - seconds) < Fraction(1, 5)
    assert not any(window.unseen for window in windows)
    assert {round(grey, -1) for grey in greys(windows)} == levels


def test_a_change_of_the_codecs_configuration_is_in_the_segments() -> None:
    data = encode_resized_flv([40] * 25 + [80] * 75, [120] * 50 + [160] * 50)

    check_segments(data, 8, {40, 80, 120, 160})


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("first", [120, 60])
def test_pictures_that_continue_under_another_pid_or_codec_are_in_the_segments(
    codec: str, first: int
) -> None:
    before = encode(at=range(120), values=[40] * 120)
    after = encode(
        codec=codec,
        at=range(first, first + 120),
        values=[80] * 120,
        mux={"mpegts_start_pid": "288"},
    )

    if first < 120:
        assert cut(before + after)
    else:
        check_segments(before + after, 8, {40, 80})


@pytest.mark.parametrize(
    ("record", "sets"),
    [
        (b"\1\x64\0\x1f\xff\xe1\0\2ab\1\0\3cde", b"\0\0\0\2ab\0\0\0\3cde"),
        (b"\1\x64\0\x1f\xff\xe1\0\2ab\1\0\3cd", b""),
        (b"\0\0\0\1\x67abcd", b""),
        (b"\1", b""),
        (b"", b""),
    ],
)
def test_parameter_sets_of_a_configuration_are_read_where_it_is_complete(
    record: bytes, sets: bytes
) -> None:
    assert read_h264_sets(record) == sets

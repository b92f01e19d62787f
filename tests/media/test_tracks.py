"""One of several video tracks is scanned, and the others are reported."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import pytest

from scanner.media import transport_stream
from scanner.types import Span, Unseen
from tests.media.build import encode, picture
from tests.media.decoding import decode_all, greys


def encode_tracks(sizes: Sequence[tuple[int, int]]) -> bytes:
    """Encode 4 s of flat pictures in a track of each size, the first grey 40, then 80 and so on."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="matroska") as out:
        streams = []
        for size in sizes:
            stream = out.add_stream("libx264", rate=25, options={"g": "25", "preset": "ultrafast"})
            stream.width, stream.height = size
            stream.pix_fmt = "yuv420p"
            streams.append(stream)
        for number in range(100):
            for index, (stream, size) in enumerate(zip(streams, sizes, strict=True)):
                frame = av.VideoFrame.from_ndarray(picture(40 * index + 40, size), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))
    return sink.getvalue()


def test_a_track_that_is_not_scanned_is_reported() -> None:
    (window,) = decode_all(encode_tracks([(128, 96), (128, 96)]))

    assert window.unseen == (
        Unseen(span=Span(start=Fraction(0), end=window.times.duration), reason="not_scanned"),
    )
    assert all(abs(grey - 40) < 4 for grey in greys([window]))


def test_the_largest_track_is_scanned() -> None:
    (window,) = decode_all(encode_tracks([(64, 48), (128, 96), (64, 48)]))

    assert window.info.width == 128
    assert all(abs(grey - 80) < 4 for grey in greys([window]))


def test_a_source_with_one_track_has_nothing_to_report() -> None:
    (window,) = decode_all(encode(container="matroska", sound=True))

    assert window.unseen == ()


def with_pid(pid: int, first: int, grey: int, codec: str = "libx264") -> bytes:
    """Encode 4 s of flat pictures from frame ``first`` on under a packet identifier."""
    return encode(
        codec=codec,
        at=range(first, first + 120),
        values=[grey] * 120,
        mux={"mpegts_start_pid": str(pid)},
    )


def test_a_picture_that_continues_under_another_pid_is_followed() -> None:
    data = with_pid(256, 0, 40) + with_pid(288, 120, 80) + with_pid(256, 240, 120)

    windows = decode_all(data)

    assert sum(window.times.duration for window in windows) == 12
    assert not any(window.unseen for window in windows)
    assert {round(grey, -1) for grey in greys(windows)} == {40, 80, 120}


def test_a_change_of_pid_at_the_border_of_two_pieces_that_are_read_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = with_pid(256, 0, 40), with_pid(288, 120, 80)
    monkeypatch.setattr(transport_stream, "_PACKETS_AT_ONCE", len(first) // 188)

    windows = decode_all(first + second)

    assert sum(window.times.duration for window in windows) == 8
    assert {round(grey, -1) for grey in greys(windows)} == {40, 80}


CHANGES = {
    "PID and codec": ((256, "libx264"), (288, "libx265"), (256, "libx264")),
    "codec under the same PID": ((256, "libx264"), (256, "libx265"), (256, "mpeg2video")),
    "to an older codec and another PID of that": (
        *((256, "libx264"), (288, "mpeg2video")),
        (300, "mpeg2video"),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_pictures_that_continue_in_another_codec_are_followed(change: str) -> None:
    data = b"".join(
        with_pid(pid, 120 * number, 40 + 40 * number, codec)
        for number, (pid, codec) in enumerate(CHANGES[change])
    )

    windows = decode_all(data)

    assert [window.index for window in windows] == list(range(len(windows)))
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
    assert [window.begins for window in windows][1:] == [
        sum((one.times.duration for one in windows[:n]), Fraction(0))
        for n in range(1, len(windows))
    ]
    assert sum(window.times.duration for window in windows) == 12
    assert not any(window.unseen or window.discontinuity for window in windows)
    assert {round(grey, -1) for grey in greys(windows)} == {40, 80, 120}


def test_work_on_a_source_whose_codec_changes_can_be_resumed_at_any_window() -> None:
    data = with_pid(256, 0, 40) + with_pid(288, 120, 80, "libx265")

    _, second = decode_all(data)

    (again,) = decode_all(data, first_window=1)
    assert (again.index, again.begins, again.times) == (1, second.begins, second.times)


def test_a_codec_that_changes_within_a_segment_leaves_a_gap_of_the_right_length() -> None:
    data = with_pid(256, 0, 40) + with_pid(288, 120, 80, "libx265")

    (window,) = decode_all(data, window=None)

    assert window.times.duration == 8
    assert [(one.span.start, one.span.end) for one in window.unseen] == [(4, 8)]


def test_a_clock_that_does_not_continue_in_another_codec_is_a_discontinuity() -> None:
    data = with_pid(256, 0, 40) + with_pid(288, 9000, 80, "libx265")

    windows = decode_all(data)

    assert [window.discontinuity for window in windows] == [False, True]
    assert sum(window.times.duration for window in windows) == 8

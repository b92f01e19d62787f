"""Clocks that wrap, jump, begin late or leave frames out."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import av
import pytest

from samples.mp4_boxes import edit
from scanner.errors import DamagedError
from scanner.media.timeline import Timeline
from scanner.types import Span, Unseen
from tests.media.build import encode, remux
from tests.media.decoding import decode_all, decode_reference, greys, times

MPEG = Fraction(1, 90000)
WRAP_FRAME = (1 << 33) // 3000
"""At 30 frames a second the 33-bit clock wraps within this frame."""
OPEN_GOP = {"x264-params": "open-gop=1:keyint=30:min-keyint=30:bframes=2:b-adapt=0:scenecut=0"}


def pts_of(data: bytes) -> list[int]:
    with av.open(io.BytesIO(data)) as container:
        return [
            packet.pts
            for packet in container.demux(video=0)
            if packet.size and packet.pts is not None
        ]


def test_a_clock_that_wraps_within_a_file_continues() -> None:
    data = encode(at=range(WRAP_FRAME - 60, WRAP_FRAME + 60), gop=30)

    (window,) = decode_all(data)

    assert [s.at for s in window.samples] == [0, 1, 2, 3]
    assert window.times.wrap_bits == 33
    assert window.times.first_pts > window.times.last_pts
    assert all(0 <= s.pts < 1 << 33 for s in window.samples)
    assert window.times.duration == 4


def test_a_jump_back_begins_a_new_window() -> None:
    first, second = decode_all(encode(frames=60) + encode(frames=90))

    assert (first.discontinuity, second.discontinuity) == (False, True)
    assert [s.at for s in second.samples] == [0, 1, 2]
    assert (first.times.duration, second.times.duration) == (2, 3)
    assert (first.last, second.last) == (False, True)


def test_a_jump_ahead_begins_a_new_window() -> None:
    first, second = decode_all(encode(frames=60) + encode(at=range(3000, 3060)))

    assert second.discontinuity
    assert second.times.first_pts - first.times.first_pts == 3000 * 3000
    assert first.times.duration == 2


def test_a_segment_is_one_window_even_where_its_clock_jumps() -> None:
    (window,) = decode_all(encode(frames=60) + encode(frames=90), window=None)

    assert [s.at for s in window.samples] == [0, 1, 2, 3, 4]
    assert [s.pts for s in window.samples] == [0, 90000, 0, 90000, 180000]


def test_time_before_the_first_keyframe_is_unseen() -> None:
    data = remux(encode(frames=90, gop=30), keep=lambda number, _: number >= 10)

    (window,) = decode_all(data)

    lead = Fraction(20, 30)
    assert window.unseen == (Unseen(span=Span(start=Fraction(0), end=lead), reason="no_keyframe"),)
    assert [s.at for s in window.samples] == [lead, lead + 1]
    assert window.times.first_pts == min(pts_of(data))
    assert window.times.duration == lead + 2


def test_a_source_without_a_keyframe_is_one_unseen_window() -> None:
    (window,) = decode_all(remux(encode(frames=60, gop=60), keep=lambda number, _: number >= 10))

    assert window.samples == ()
    assert [u.reason for u in window.unseen] == ["no_keyframe"]
    assert window.unseen[0].span.length == window.times.duration


def test_pictures_that_lead_an_open_gop_are_not_the_first_frame() -> None:
    data = encode(frames=90, bframes=2, options=OPEN_GOP)
    keyframe = next(
        n for n, pts in enumerate(pts_of(data)) if n > 0 and pts == pts_of(data)[0] + 90000
    )

    (window,) = decode_all(remux(data, keep=lambda number, _: number >= keyframe))

    assert window.times.first_pts == pts_of(data)[0] + 90000
    assert [s.at for s in window.samples] == [0, 1]
    assert window.unseen == ()


def test_keyframes_of_open_gops_keep_their_times_though_the_decoder_turns_them_round() -> None:
    data = encode(
        frames=300, bframes=2, options=OPEN_GOP, values=[16 + n * 2 % 224 for n in range(300)]
    )

    windows = decode_all(data)

    assert len(times(windows)) == 10
    assert [decode_reference(data)[at][0] for at in times(windows)] == pytest.approx(
        greys(windows), abs=3
    )


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_variable_frame_rate_keeps_every_time(container: str) -> None:
    at = [0, 1, 5, 60, 61, 150, 151, 152, 290, 291]
    data = encode(container=container, at=at, gop=300)

    (window,) = decode_all(data)

    assert times([window]) == [
        t for t in decode_reference(data) if round(t * 30) in {0, 60, 61, 150, 152}
    ]


def with_edits(data: bytes, *edits: tuple[Fraction, Fraction]) -> bytes:
    """Return an MP4 of ``encode`` that shows these stretches, each a start and a length."""
    with av.open(io.BytesIO(data)) as container:
        base = container.streams.video[0].time_base
    assert base is not None

    def rewrite(body: bytes) -> bytes:
        begin = int.from_bytes(body[12:16])
        rows = (
            struct.pack(">IiI", int(1000 * length), begin + int(start / base), 1 << 16)
            for start, length in edits
        )
        return struct.pack(">II", 0, len(edits)) + b"".join(rows)

    return edit(data, b"elst", rewrite)


@pytest.mark.parametrize("bframes", [0, 2])
@pytest.mark.parametrize("lead", [Fraction(1, 2), Fraction(11, 10), Fraction(2)])
def test_keyframes_after_frames_that_an_edit_list_hides_are_sampled(
    bframes: int, lead: Fraction
) -> None:
    data = encode(container="mp4", frames=180, gop=60, bframes=bframes)

    (window,) = decode_all(with_edits(data, (lead, 6 - lead)))

    keyframes = [s.at for s in window.samples if s.keyframe]
    assert keyframes == [at - lead for at in (0, 2, 4) if at >= lead]
    assert window.unseen == ()
    assert window.times.duration == pytest.approx(6 - lead, abs=0.1)


def test_stretches_of_an_edit_list_follow_one_another() -> None:
    data = encode(container="mp4", frames=180, gop=60, bframes=2)
    edits = [
        (Fraction(1), Fraction(2)),
        (Fraction(9, 2), Fraction(1)),
        (Fraction(1, 2), Fraction(3)),
    ]

    windows = decode_all(with_edits(data, *edits))

    assert not any(window.discontinuity or window.unseen for window in windows)
    assert sum(window.times.duration for window in windows) == pytest.approx(6, abs=0.2)


def test_frames_that_an_edit_list_leaves_out_are_not_shown() -> None:
    source = encode(container="mp4", frames=90, gop=30, bframes=2)
    data = edited(source, start=Fraction(1, 2))

    (window,) = decode_all(data)

    assert times([window]) == [0, Fraction(1, 2), Fraction(3, 2)]
    assert [decode_reference(data)[at][0] for at in times([window])] == pytest.approx(
        greys([window]), abs=3
    )
    assert window.times.duration == Fraction(5, 2)


def edited(mp4: bytes, *, start: Fraction) -> bytes:
    """Return the MP4 with an edit list that shows it from ``start`` on."""
    at = mp4.index(b"elst") + 4
    length, begin = int.from_bytes(mp4[at + 8 : at + 12]), int.from_bytes(mp4[at + 12 : at + 16])
    scale = int.from_bytes(mp4[mp4.index(b"mdhd") + 16 :][:4])
    entry = (length - int(start * 1000)).to_bytes(4) + (begin + int(start * scale)).to_bytes(4)
    return mp4[: at + 8] + entry + mp4[at + 16 :]


def test_a_packet_without_a_time_stamp_follows_the_one_before() -> None:
    timeline = Timeline(MPEG, wrap_bits=33)

    placed = [
        timeline.place(pts, duration=3000, keyframe=pts == 9000).ticks
        for pts in (9000, 12000, None, None, 21000)
    ]

    assert placed == [9000, 12000, 15000, 18000, 21000]


def test_reordering_is_no_jump() -> None:
    timeline = Timeline(MPEG, wrap_bits=33, running=True)

    placed = [
        timeline.place(pts, duration=3000, keyframe=pts == 0)
        for pts in (0, 9000, 3000, 6000, 18000, 12000, 15000)
    ]

    assert not any(p.jump for p in placed)
    assert [p.ticks for p in placed] == [0, 9000, 3000, 6000, 18000, 12000, 15000]


def test_a_container_that_counts_every_frame_may_be_silent_for_long() -> None:
    timeline = Timeline(Fraction(1, 1000))

    timeline.place(0, duration=0, keyframe=True)

    assert not timeline.place(3_600_000, duration=0, keyframe=True).jump


def test_tables_without_a_frame_are_refused() -> None:
    tables_only = encode(frames=30)[: 2 * 188] * 2

    with pytest.raises(DamagedError, match="cannot be opened as MPEGTS"):
        decode_all(tables_only)

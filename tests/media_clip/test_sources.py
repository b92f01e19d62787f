"""Clips of odd sources, limits, and errors of the sender."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples.make_hostile import damage, read_sample
from scanner.errors import FormatError, InputError, LimitError, NoVideoError
from scanner.media.clip import ClipInfo, ClipLimits, ClipPiece, split_span
from scanner.media.mux import compute_decode_times
from scanner.media.thumbnails import ThumbnailRequest, decode_thumbnails
from scanner.types import FrameSpec, Span
from tests.media.build import encode
from tests.media.decoding import decode_all, greys
from tests.media_clip.clips import SampleMedia, clip, is_run_of, payloads, span
from tests.media_clip.mp4 import pictures, read


@pytest.mark.parametrize(
    "name",
    ["mp4_trimmed", "mp4_delayed", "ts_starts_mid_gop", "ts_resized", "ts_interlaced", "mkv_live"],
)
def test_odd_sources_give_a_clip_that_plays(sample_media: SampleMedia, name: str) -> None:
    sample = sample_media(name)

    info, data = clip([sample.path], [ClipPiece(span=span(0, 60), first_pts=sample.facts.pts[0])])

    assert pictures(data)
    assert info.method == "transcoded" or is_run_of(payloads(data), payloads(sample.path))


@pytest.mark.parametrize("name", ["ts_jump_back", "ts_jump_forward", "ts_jump_over_wrap"])
def test_a_clip_ends_where_the_clock_of_its_source_jumps(
    sample_media: SampleMedia, name: str
) -> None:
    facts = (sample := sample_media(name)).facts

    info, data = clip([sample.path], [ClipPiece(span=span(0, 60), first_pts=facts.pts[0])])

    assert info.truncated
    assert len(pictures(data)) == facts.jumps[0]


@pytest.mark.parametrize("name", ["ts_jump_back", "ts_jump_forward", "ts_jump_over_wrap"])
def test_a_clip_after_a_jump_is_found_by_the_number_of_jumps_before_it(
    sample_media: SampleMedia, name: str
) -> None:
    facts = (sample := sample_media(name)).facts
    jump = facts.jumps[0]

    _, data = clip([sample.path], [ClipPiece(span=span(0, 60), first_pts=facts.pts[jump], jumps=1)])

    assert payloads(data) == payloads(sample.path)[jump:]


def test_a_clip_holds_no_more_than_its_seconds(sample_media: SampleMedia) -> None:
    facts = (sample := sample_media("ts_long_gop")).facts
    pieces = [
        ClipPiece(span=span(0, 12), first_pts=facts.pts[0]),
        ClipPiece(span=span(0, 12), first_pts=facts.pts[0], offset=Fraction(22)),
    ]

    info, data = clip([sample.path, sample.path], pieces, ClipLimits(max_seconds=Fraction(5)))

    assert info.truncated
    assert max(pictures(data)) <= 10


def test_a_clip_holds_no_more_than_its_bytes(sample_media: SampleMedia) -> None:
    sample = sample_media("ts_h264")
    max_bytes = sample.path.stat().st_size // 3

    info, data = clip([sample.path], [ClipPiece(span=span(0, 60))], ClipLimits(max_bytes=max_bytes))

    assert info.truncated
    assert sum(len(packet.data) for packet in read(data)) <= max_bytes


def test_a_span_deep_inside_a_gop_that_is_too_large_is_refused(sample_media: SampleMedia) -> None:
    sample = sample_media("ts_long_gop")

    with pytest.raises(LimitError, match="no keyframe within") as caught:
        clip([sample.path], [ClipPiece(span=span(9, 10))], ClipLimits(max_bytes=2000))

    assert caught.value.kind == "limit_bytes"


def test_a_span_after_the_last_picture_has_no_clip(sample_media: SampleMedia) -> None:
    facts = (sample := sample_media("ts_h264")).facts
    end = facts.times[-1] + facts.times[1]

    with pytest.raises(NoVideoError, match="no picture within"):
        clip([sample.path], [ClipPiece(span=Span(start=end, end=end + 1), first_pts=facts.pts[0])])


def test_no_pieces_give_no_clip() -> None:
    with pytest.raises(NoVideoError, match="no picture within"):
        clip([], [])


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (b"ffconcat version 1.0\nfile /etc/passwd\n", FormatError),
        (b"", NoVideoError),
        (b"\x00\x00\x00\x18ftypisom" + bytes(400), InputError),
        (b"\x1a\x45\xdf\xa3" + b"\xff" * 400, InputError),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), NoVideoError),
    ],
)
def test_a_source_that_cannot_be_read_is_an_error_of_its_sender(
    source: bytes, error: type[InputError]
) -> None:
    with pytest.raises(error, match="test"):
        clip([source], [ClipPiece(span=span(0, 1))])


def test_a_clip_of_a_truncated_source_has_the_part_that_exists(sample_media: SampleMedia) -> None:
    whole = sample_media("ts_h264").path.read_bytes()

    info, data = clip([whole[: len(whole) // 2]], [ClipPiece(span=span(0, 60))])

    assert info.method == "copied"
    assert read(data)


def test_the_same_source_gives_the_same_clip(sample_media: SampleMedia) -> None:
    sample = sample_media("mp4_h264_b_frames")

    first = clip([sample.path], [ClipPiece(span=span(0, 1))])

    assert clip([sample.path], [ClipPiece(span=span(0, 1))]) == first


def test_a_clips_description_survives_json(sample_media: SampleMedia) -> None:
    info, _ = clip([sample_media("ts_h264").path], [ClipPiece(span=span(0, 1))])

    assert ClipInfo.from_json(info.to_json()) == info


@pytest.mark.parametrize(
    "change",
    [
        {"span": [[1, 1], [0, 1]]},
        {"span": [[0, 1], [1, 0]]},
        {"span": [["1e1000000000", 1], [1, 1]]},
        {"span": [[0, 1], [1 << 127, 1]]},
        {"span": [[0, 1, 1], [1, 1]]},
        {"span": 3},
        {"span": [[0, True], [1, 1]]},
        {"width": "640"},
        {"width": True},
        {"height": 1 << 40},
        {"method": 3},
        {"method": "invented"},
        {"reason": "x" * 1000},
        {"video": "h264\n"},
        {"audio": "x" * 1000},
        {"truncated": 0},
        {"more": 1},
    ],
)
def test_an_invalid_description_of_a_clip_is_refused(
    sample_media: SampleMedia, change: dict[str, object]
) -> None:
    info, _ = clip([sample_media("ts_h264").path], [ClipPiece(span=span(0, 1))])

    with pytest.raises(ValueError, match=r"clip|span"):
        ClipInfo.from_json(info.to_json() | change)


@pytest.mark.parametrize("seconds", [1, 60, 61, 150])
def test_a_long_span_falls_into_equal_parts_that_fit_a_clip(seconds: int) -> None:
    found = split_span(span(5, 5 + seconds))

    assert found[0].start == 5
    assert found[-1].end == 5 + seconds
    assert all(earlier.end == later.start for earlier, later in pairwise(found))
    assert len({part.length for part in found}) == 1
    assert all(part.length <= 60 for part in found)


@given(st.lists(st.integers(-(1 << 40), 1 << 40), unique=True, min_size=1, max_size=40))
def test_decode_times_fit_any_order_of_pictures(pts: list[int]) -> None:
    decoded = compute_decode_times(pts)

    assert all(earlier < later for earlier, later in pairwise(decoded))
    assert all(before <= shown for before, shown in zip(decoded, pts, strict=True))
    assert any(before == shown for before, shown in zip(decoded, pts, strict=True))


@pytest.mark.parametrize(
    ("name", "seed", "copied"), [("gif", 829912909, 0), ("webm_long_gop", 223085455, 11)]
)
def test_any_decoder_error_of_a_broken_packet_costs_only_its_own_picture(
    name: str, seed: int, copied: int
) -> None:
    """FFmpeg reports forbidden operations and wrong arguments here, and not invalid data.

    The broken packet is the first one, from which every other picture is predicted: there is no
    thumbnail, and a clip copies the packets that can be read.
    """
    data = damage(read_sample(name), seed)
    piece = ClipPiece(span=Span(start=Fraction(2), end=Fraction(4)))

    with pytest.raises(NoVideoError, match="test: no picture at the instants asked for"):
        list(
            decode_thumbnails(
                [io.BytesIO(data)],
                ThumbnailRequest(
                    times=(Fraction(17, 10), Fraction(4)), spec=FrameSpec(width=64, height=48)
                ),
                name="test",
            )
        )
    if copied:
        _, made = clip([data], [piece])
        assert payloads(made) == payloads(data)[:copied]
    else:
        with pytest.raises(NoVideoError, match="no picture within its span can be decoded"):
            clip([data], [piece])


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("later", [360_000, 7_000_000])
def test_a_clip_shows_pictures_that_continue_under_another_pid_and_codec(
    codec: str, later: int
) -> None:
    start = (later - 360_000) // 3000 + 120
    data = flat(256, 0, 40, "libx264") + flat(288, start, 200, codec)
    windows = decode_all(data)
    last = windows[-1]
    at = Fraction(last.times.duration - 1)
    jumps = sum(window.discontinuity for window in windows)

    _, cut = clip(
        [data],
        [ClipPiece(span=Span(start=at, end=at + 1), first_pts=last.times.first_pts, jumps=jumps)],
    )

    assert abs(greys(decode_all(cut))[-1] - 200) < 6


def flat(pid: int, first: int, grey: int, codec: str) -> bytes:
    """Encode 4 s of flat pictures from frame ``first`` on under a packet identifier."""
    return encode(
        codec=codec,
        at=range(first, first + 120),
        values=[grey] * 120,
        mux={"mpegts_start_pid": str(pid)},
    )

"""Decoding gives the frames and times of a plain PyAV loop, whatever the container and codec."""

from __future__ import annotations

import os
from fractions import Fraction
from typing import NamedTuple

import pytest

from scanner.errors import DamagedError, FormatError, NoVideoError
from scanner.media.sampling import Sampling
from tests.media.build import encode
from tests.media.decoding import decode_all, decode_reference, greys, times


class Encoding(NamedTuple):
    container: str
    codec: str
    bframes: int = 0
    options: dict[str, str] | None = None
    mux: dict[str, str] | None = None


X265 = {"x265-params": "keyint=75:min-keyint=75:scenecut=0:bframes=3:log-level=none"}
VP9 = {
    "g": "75",
    "deadline": "realtime",
    "cpu-used": "8",
    "lag-in-frames": "16",
    "auto-alt-ref": "1",
}
KINDS = [
    Encoding("mpegts", "libx264", 2),
    Encoding("mpegts", "libx265", 3, X265),
    Encoding("mpegts", "mpeg2video", 2),
    Encoding("mp4", "libx264", 2),
    Encoding("mp4", "libx265", 3, X265),
    Encoding("mp4", "libx264", 2, None, {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    Encoding("matroska", "libx264", 2),
    Encoding("webm", "libvpx-vp9", 0, VP9),
    Encoding("avi", "libx264"),
    Encoding("avi", "mpeg4", 2),
    Encoding("flv", "libx264", 2),
]
RAMP = [16 + number * 2 % 224 for number in range(180)]


def film(kind: Encoding) -> bytes:
    return encode(
        container=kind.container,
        codec=kind.codec,
        bframes=kind.bframes,
        options=kind.options,
        mux=kind.mux,
        frames=180,
        gop=75,
        values=RAMP,
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_keyframes_are_those_of_an_ordinary_loop(kind: Encoding) -> None:
    data = film(kind)

    windows = decode_all(data, sampling=Sampling(strategy="keyframes"))

    assert times(windows) == [
        at for at, (_, keyframe) in decode_reference(data).items() if keyframe
    ]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("window", [Fraction(10), Fraction(2), None], ids=str)
def test_frames_between_keyframes_are_those_shown_at_their_times(
    kind: Encoding, window: Fraction | None
) -> None:
    data = film(kind)
    reference = decode_reference(data)

    windows = decode_all(data, sampling=Sampling(max_gap=Fraction(1, 2)), window=window)

    assert not any(w.unseen for w in windows)
    assert [reference[at][0] for at in times(windows)] == pytest.approx(greys(windows), abs=3)
    assert max(
        b - a for a, b in zip(times(windows), [*times(windows)[1:], max(reference)], strict=True)
    ) <= Fraction(6, 10)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_time_runs_from_the_first_frame_to_the_end_of_the_last(kind: Encoding) -> None:
    data = film(kind)
    reference = decode_reference(data)

    (window,) = decode_all(data, sampling=Sampling(strategy="keyframes"))

    assert window.times.first_pts * window.times.time_base == min(reference)
    assert window.times.last_pts * window.times.time_base == max(reference)
    assert float(window.times.duration) == pytest.approx(6.0, abs=0.002)
    assert [s.at for s in window.samples] == [at - min(reference) for at in times([window])]


def test_av1_is_decoded_frame_by_frame() -> None:
    data = encode(
        container="mp4",
        codec="libsvtav1",
        frames=90,
        options={"preset": "12", "svtav1-params": "keyint=90"},
        values=RAMP,
    )
    reference = decode_reference(data)

    windows = decode_all(data, sampling=Sampling(max_gap=Fraction(1, 2)))

    assert windows[0].info.codec == "av1"
    assert [reference[at][0] for at in times(windows)] == pytest.approx(greys(windows), abs=3)


@pytest.mark.skipif(os.geteuid() != 0, reason="the encoder asks for it as root only")
def test_drawing_av1_leaves_no_real_time_priority_behind() -> None:
    before = os.sched_getscheduler(0)

    encode(container="mp4", codec="libsvtav1", frames=5, options={"preset": "12"})

    assert os.sched_getscheduler(0) == before


def test_an_init_segment_goes_before_its_media_segment() -> None:
    whole = encode(
        container="mp4", frames=60, mux={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    )
    border = whole.index(b"moof") - 4
    init, segment = whole[:border], whole[border:]

    windows = decode_all(segment, init=init)

    assert times(windows) == times(decode_all(whole))
    with pytest.raises(DamagedError, match="a fragment of an MP4 without its init segment"):
        decode_all(segment)


def test_the_source_is_read_again_from_its_first_byte() -> None:
    data = encode(container="mp4")

    assert times(decode_all(data)) == times(decode_all(data))


def test_metadata_in_an_unknown_encoding_is_no_reason_to_fail() -> None:
    data = encode(container="matroska", metadata={"title": "Zaehler"}).replace(
        b"Zaehler", b"Z\xe4\xff\xfe\x80er"
    )

    assert len(decode_all(data)[0].samples) == 2


def test_a_source_with_sound_only_is_refused() -> None:
    with pytest.raises(NoVideoError, match="clip: audio, a video track is wanted"):
        decode_all(encode(container="matroska", sound=True, frames=0))


def test_a_codec_that_is_not_on_the_list_is_refused() -> None:
    with pytest.raises(FormatError, match="video codec ffv1"):
        decode_all(encode(container="matroska", codec="ffv1", frames=3))

"""State that a decoder keeps between packets reaches it, whichever packets sampling leaves out."""

from __future__ import annotations

import io
import random
from fractions import Fraction

import av
import pytest

from samples.broadcast import (
    encode_fields,
    encode_flat,
    encode_intra_refresh,
    encode_parameter_sets_once,
    encode_resized_flv,
)
from scanner.media.sampling import Sampling
from scanner.types import Span, Unseen
from tests.media.decoding import decode_all, greys, times

GREYS = (40, 80, 120, 160, 200)


def seconds(*values: int, rate: int = 25) -> list[int]:
    """Return the frames of a video that has another grey value each second."""
    return [value for value in values for _ in range(rate)]


@pytest.mark.parametrize("strategy", ["adaptive", "keyframes"])
def test_a_new_sequence_header_reaches_the_decoder_though_its_packet_is_left_out(
    strategy: str,
) -> None:
    data = encode_resized_flv(seconds(40, 80) + [80] * 5, seconds(*GREYS))

    windows = decode_all(data, sampling=Sampling(strategy=strategy))  # type: ignore[arg-type]

    assert not any(window.unseen for window in windows)
    assert windows[0].info.width == 320
    after = [grey for at, grey in zip(times(windows), greys(windows), strict=True) if at > 2.2]
    assert after == pytest.approx(GREYS[-len(after) :], abs=3)
    assert len(after) >= 4


def test_the_first_picture_after_a_change_of_size_is_sampled_however_soon_it_comes() -> None:
    data = encode_resized_flv(seconds(40, 80) + [80] * 5, seconds(200, 120))

    windows = decode_all(data)

    at = Fraction(2200, 1000)
    assert at in times(windows)
    assert greys(windows)[times(windows).index(at)] == pytest.approx(200, abs=3)


def test_parameter_sets_that_came_once_are_kept_for_the_keyframes_that_are_sampled() -> None:
    # a keyframe comes every 0.2 s and is sampled every 0.5 s at most
    data = encode_parameter_sets_once(seconds(40, 80), seconds(*GREYS), gop=5)

    windows = decode_all(data, sampling=Sampling(min_gap=Fraction(1, 2)))

    assert not any(window.unseen for window in windows)
    assert windows[0].info.width == 320
    expected = [(40, 80, *GREYS)[int(at - times(windows)[0])] for at in times(windows)]
    assert greys(windows) == pytest.approx(expected, abs=3)


@pytest.mark.parametrize("container", ["mpegts", "matroska"])
@pytest.mark.parametrize("strategy", ["adaptive", "keyframes"])
def test_two_field_pictures_are_one_frame(container: str, strategy: str) -> None:
    data = encode_fields(GREYS[:4], container=container)

    windows = decode_all(data, sampling=Sampling(strategy=strategy))  # type: ignore[arg-type]

    assert greys(windows) == pytest.approx([(v - 16) * 255 // 219 for v in GREYS[:4]], abs=3)
    assert [at - times(windows)[0] for at in times(windows)] == [0, 1, 2, 3]
    assert not any(window.unseen for window in windows)
    assert float(sum(window.times.duration for window in windows)) == pytest.approx(4, abs=0.021)


def test_frames_between_the_keyframes_of_field_pictures_are_sampled() -> None:
    windows = decode_all(
        encode_fields(GREYS[:4]), sampling=Sampling(strategy="every", every=Fraction(3, 10))
    )

    assert not any(window.unseen for window in windows)
    assert len(times(windows)) >= 13


@pytest.mark.parametrize("window", [Fraction(10), Fraction(3), None], ids=str)
def test_a_stream_with_recovery_points_only_is_decoded_through(window: Fraction | None) -> None:
    values = seconds(*(40 + 16 * number for number in range(12)))
    data = encode_intra_refresh(values)

    windows = decode_all(data, window=window)

    assert not any(w.unseen for w in windows)
    seen = [int((at - times(windows)[0]) * 25) for at in times(windows)]
    assert greys(windows) == pytest.approx([values[number] for number in seen], abs=8)
    assert max(b - a for a, b in zip(seen, [*seen[1:], len(values)], strict=True)) <= 51


def test_a_segment_that_begins_at_a_recovery_point_is_seen_once_its_picture_is_complete() -> None:
    data = encode_intra_refresh([120] * 250, skip=50)
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.pts for frame in container.decode(video=0)]

    (window,) = decode_all(data, window=None)

    complete = Fraction(frames[0] - window.times.first_pts, 90_000)
    assert complete > 0
    assert window.unseen == (
        Unseen(span=Span(start=Fraction(0), end=complete), reason="undecodable"),
    )
    assert window.samples[0].at == complete
    assert greys([window]) == pytest.approx([120] * len(window.samples), abs=8)


@pytest.mark.parametrize("noise", [1003, 5000])
def test_noise_before_the_first_transport_packet_is_skipped(noise: int) -> None:
    data = encode_flat(seconds(*GREYS), container="mpegts", size=(160, 96), gop=25)

    (window,) = decode_all(random.Random(noise).randbytes(noise) + data)

    assert greys([window]) == pytest.approx(GREYS, abs=3)
    assert window.unseen == ()

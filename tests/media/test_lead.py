"""Segments that do not begin with a keyframe are decoded from the segments before them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from scanner.media.decode import decode_windows_with_bursts
from scanner.media.limits import MediaLimits
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import DecodedWindow, Sample
from scanner.media.sampling import Sampling
from scanner.types import Burst, FrameSpec, Span, Unseen
from tests.media.build import encode
from tests.media.cutting import cut_fragments, cut_transport_stream
from tests.media.decoding import SPEC, decode_reference, greys, times

LOSS = 4
"""Grey levels; numbers of frames are 7 apart."""
DENSE = Sampling(max_gap=Fraction(1, 2))
BURST = FrameSpec(width=64, height=48, burst=Burst(frames=4, rate=5))
QUIET = {"x265-params": "log-level=0:bframes=2:keyint=300:min-keyint=300:scenecut=0"}

MEDIA = {
    "h264": lambda: encode(frames=240, gop=300),
    "h264_b_frames": lambda: encode(frames=240, gop=300, bframes=3),
    "hevc": lambda: encode(codec="libx265", frames=240, gop=300, options=QUIET),
    "mpeg2": lambda: encode(codec="mpeg2video", frames=240, gop=300, bframes=2),
}


def decode(
    data: bytes,
    previous: Sequence[bytes] = (),
    *,
    init: bytes | None = None,
    specs: tuple[FrameSpec, ...] = (SPEC,),
    sampling: Sampling = DENSE,
    **options: object,
) -> tuple[DecodedWindow, tuple[Sample, ...]]:
    """Return the only window and its bursts."""
    request = DecodeRequest(specs=specs, window=None, sampling=sampling, **options)  # type: ignore[arg-type]
    ((window, maker),) = decode_windows_with_bursts(
        io.BytesIO(data),
        request,
        name="clip",
        init=init,
        previous=[io.BytesIO(one) for one in previous],
    )
    return window, tuple(maker.make_bursts(BurstRequest()))


def assert_as_played(window: DecodedWindow, whole: bytes) -> None:
    """Assert that every sample is the frame that a player of the whole stream shows."""
    reference = decode_reference(whole)
    for at, grey in zip(times([window]), greys([window]), strict=True):
        assert abs(grey - reference[at][0]) <= LOSS


@pytest.mark.parametrize("make", MEDIA.values(), ids=MEDIA)
def test_every_segment_of_a_long_gop_is_seen_as_players_show_it(make: object) -> None:
    whole = make()  # type: ignore[operator]
    segments = cut_transport_stream(whole, [0, 61, 121, 182])

    for number, segment in enumerate(segments):
        window, _ = decode(segment, segments[:number])
        assert not window.unseen
        assert len(window.samples) >= 4
        assert_as_played(window, whole)


def test_a_segment_tells_whether_decoding_may_begin_in_it() -> None:
    segments = cut_transport_stream(encode(frames=180, gop=100), [0, 60, 120])

    assert [decode(segment)[0].has_keyframe for segment in segments] == [True, True, False]


def test_without_the_segments_before_it_a_segment_without_a_keyframe_is_a_gap() -> None:
    first, second, third = cut_transport_stream(encode(frames=180, gop=300), [0, 60, 120])
    whole_span = Span(start=Fraction(0), end=Fraction(2))

    for previous in ([], [second], [first[:188]], [encode(codec="mpeg2video")], [b"noise" * 999]):
        window, bursts = decode(third, previous, specs=(SPEC, BURST))
        assert window.samples == ()
        assert bursts == ()
        assert window.unseen == (Unseen(span=whole_span, reason="no_keyframe"),)
        assert window.lacks_start


def test_the_part_before_a_keyframe_is_decoded_too() -> None:
    whole = encode(frames=180, gop=90, bframes=2)
    first, second = cut_transport_stream(whole, [0, 60])

    alone, _ = decode(second)
    led, _ = decode(second, [first])

    assert alone.lacks_start
    assert not led.unseen
    assert led.has_keyframe
    assert_as_played(led, whole)
    assert_as_played(alone, whole)
    assert alone.samples[0].keyframe
    assert led.times == alone.times


def test_decoding_begins_at_the_latest_keyframe_of_the_segments_before() -> None:
    whole = encode(frames=240, gop=90)  # keyframes at 0, 3 and 6 s
    segments = cut_transport_stream(whole, [0, 60, 120])

    from_its_segment, _ = decode(segments[2], segments[1:2])
    from_further, _ = decode(segments[2], segments[:2])

    assert not from_its_segment.unseen
    for one, other in zip(from_its_segment.samples, from_further.samples, strict=True):
        np.testing.assert_array_equal(one.images[SPEC], other.images[SPEC])


def test_a_segment_that_begins_with_a_keyframe_is_decoded_alone() -> None:
    first, second = cut_transport_stream(encode(frames=120, gop=60), [0, 60])

    alone, _ = decode(second)
    led, _ = decode(second, [first])
    beside_noise, _ = decode(second, [b"noise" * 999])

    for other in (led, beside_noise):
        assert other.unseen == ()
        assert times([other]) == times([alone])
        assert greys([other]) == greys([alone])


def test_fragments_of_an_mp4_are_decoded_with_their_init_segment() -> None:
    flags = {"movflags": "empty_moov+default_base_moof+frag_every_frame"}
    whole = encode(container="mp4", frames=180, gop=300, bframes=2, mux=flags)
    init, segments = cut_fragments(whole, 60)

    for number, segment in enumerate(segments):
        window, _ = decode(segment, segments[:number], init=init)
        assert not window.unseen
        assert_as_played(window, whole)


def test_bursts_before_the_first_keyframe_are_made_too() -> None:
    whole = encode(frames=180, gop=300, bframes=2)
    first, second = cut_transport_stream(whole, [0, 60])
    reference = decode_reference(whole)

    window, bursts = decode(second, [first], specs=(SPEC, BURST), sampling=Sampling())

    assert [burst.start for burst in bursts] == [0, 2]
    start = window.times.first_pts * window.times.time_base
    for burst in bursts:
        for step, image in enumerate(burst.images[BURST]):
            at = start + (burst.start or 0) + Fraction(step, 5)
            shown = max(instant for instant in reference if instant <= at)
            assert abs(int(image[24, 40, 0]) - reference[shown][0]) <= LOSS


def test_segments_before_that_are_larger_than_a_gop_may_be_are_not_read() -> None:
    first, second = cut_transport_stream(encode(frames=120, gop=300), [0, 60])

    window, _ = decode(second, [first], limits=MediaLimits(max_gop_bytes=len(first) - 1))

    assert window.lacks_start


def test_samples_of_keyframes_only_need_no_segment_before() -> None:
    first, second = cut_transport_stream(encode(frames=120, gop=300), [0, 60])

    window, _ = decode(second, [first], sampling=Sampling(strategy="keyframes"))

    assert window.lacks_start

"""Every frame of every burst is the one that an ordinary player shows at its instant, whatever the
container, codec and GOPs."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from scanner.errors import LimitError
from scanner.media import packet_buffer
from scanner.media.bursts import plan_burst_instants
from scanner.media.decode import decode_windows_with_bursts
from scanner.media.decoder import PacketDecoder
from scanner.media.limits import MediaLimits
from scanner.media.request import BurstRequest, DecodeRequest
from scanner.media.samples import DecodedWindow, Rgb, Sample
from scanner.media.sampling import Sampling
from scanner.media.window_sampler import BurstMaker
from scanner.types import Burst, Fit, FrameSpec

from .build import encode, remux

BURST = Burst(frames=8, rate=5)
SPEC = FrameSpec(width=64, height=48, burst=BURST)
SECONDS = 12
LOSS = 3
"""Grey levels: numbers of frames are 7 apart."""

PYRAMID = {"x264-params": "scenecut=0:b-adapt=0:b-pyramid=normal:ref=4"}
OPEN = {"x264-params": "scenecut=0:b-adapt=0:b-pyramid=normal:open-gop=1"}
FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
JUMPY = sorted({number * 3 // 2 + number % 7 for number in range(240)})
"""Frame times at a variable rate, some far apart."""

MEDIA = {
    "ts": lambda: encode(frames=30 * SECONDS),
    "ts_b_pyramid": lambda: encode(frames=30 * SECONDS, bframes=4, gop=48, options=PYRAMID),
    "ts_open_gop": lambda: encode(frames=30 * SECONDS, bframes=3, gop=24, options=OPEN),
    "ts_open_gop_led": lambda: encode(frames=30 * SECONDS, bframes=3, gop=20, options=OPEN),
    "ts_long_gop": lambda: encode(frames=30 * SECONDS, bframes=2, gop=9999),
    "mp4_open_gop": lambda: encode(
        container="mp4", frames=30 * SECONDS, bframes=3, gop=24, options=OPEN
    ),
    "mp4_fragmented": lambda: encode(
        container="mp4", frames=30 * SECONDS, bframes=2, mux=FRAGMENTED
    ),
    "mkv_mpeg4": lambda: encode(
        container="matroska", codec="mpeg4", frames=30 * SECONDS, bframes=2
    ),
    "mkv_hevc": lambda: encode(
        container="matroska",
        codec="libx265",
        frames=30 * SECONDS,
        options={"x265-params": "log-level=0"},
    ),
    "avi_mpeg4": lambda: encode(container="avi", codec="mpeg4", frames=30 * SECONDS),
    "avi_h264_b": lambda: encode(container="avi", frames=30 * SECONDS, bframes=2),
    "mpegts_mpeg2": lambda: encode(codec="mpeg2video", frames=30 * SECONDS, bframes=2),
    "webm_vp9": lambda: encode(
        container="webm", codec="libvpx-vp9", frames=30 * SECONDS, options={"deadline": "realtime"}
    ),
    "mp4_variable_rate": lambda: encode(container="mp4", at=JUMPY, bframes=2),
    "ts_3_a_second": lambda: encode(frames=3 * SECONDS, rate=3, gop=6),
    "ts_1_in_3_seconds": lambda: encode(frames=10, rate=Fraction(1, 3), gop=2),
    "mp4_60_a_second": lambda: encode(
        container="mp4", frames=60 * SECONDS, rate=60, gop=120, bframes=2
    ),
}

Decodings = list[tuple[DecodedWindow, tuple[Sample, ...]]]


def decode_with_bursts(
    data: bytes, *, specs: tuple[FrameSpec, ...] = (SPEC.frame, SPEC), **options: object
) -> Decodings:
    """Return every window and its bursts, made one window late as the sandbox does."""
    request = DecodeRequest(specs=specs, **options)  # type: ignore[arg-type]
    windows: list[DecodedWindow] = []
    bursts: list[tuple[Sample, ...]] = []
    pending: BurstMaker | None = None
    for window, maker in decode_windows_with_bursts(io.BytesIO(data), request, name="clip"):
        if pending is not None:
            bursts.append(tuple(pending.make_bursts(BurstRequest())))
        windows.append(window)
        pending = maker
    if pending is not None:
        bursts.append(tuple(pending.make_bursts(BurstRequest())))
    return list(zip(windows, bursts, strict=True))


def decode_reference(data: bytes, size: tuple[int, int] = (64, 48)) -> dict[Fraction, Rgb]:
    """Decode with a plain PyAV loop and return each frame by its time, scaled as ``media`` does."""
    frames = {}
    with av.open(io.BytesIO(data)) as container:
        track = container.streams.video[0]
        for frame in container.decode(track):
            assert frame.pts is not None
            assert track.time_base is not None
            small = frame.reformat(
                *size, format="rgb24", interpolation="AREA", dst_color_range="JPEG"
            )
            frames[frame.pts * track.time_base] = np.asarray(small.to_ndarray(), np.uint8)
    return frames


def planned(window: DecodedWindow) -> int:
    times = window.times
    return len(plan_burst_instants((times.last_pts - times.first_pts) * times.time_base, BURST))


def instants_of(window: DecodedWindow, burst: Sample) -> tuple[Fraction, ...]:
    times = window.times
    last = (times.last_pts - times.first_pts) * times.time_base
    assert burst.burst is not None
    return next(
        instants
        for instants in plan_burst_instants(last, burst.burst)
        if instants[0] == burst.start
    )


def differences(seen: Decodings, frames: Mapping[Fraction, Rgb]) -> Iterator[int]:
    """Yield for each frame of each burst the grey levels between it and the frame shown then."""
    times = sorted(frames)
    for window, bursts in seen:
        for burst in bursts:
            for image, instant in zip(burst.images[SPEC], instants_of(window, burst), strict=True):
                there = frames[times[bisect_right(times, times[0] + window.begins + instant) - 1]]
                yield int(np.abs(there.astype(int) - image).max())


@pytest.mark.parametrize("name", MEDIA)
def test_each_frame_is_the_one_on_screen(name: str) -> None:
    data = MEDIA[name]()

    seen = decode_with_bursts(data)
    found = list(differences(seen, decode_reference(data)))

    # AVI counts H.264's frames as they are decoded, so that its times are off by a few
    late = sum(difference > LOSS for difference in found)
    assert late == 0 or (name == "avi_h264_b" and late < len(found))
    assert name == "ts_1_in_3_seconds" or [len(bursts) for _, bursts in seen] == [
        planned(window) for window, _ in seen
    ]
    assert sum(len(bursts) for _, bursts in seen) >= 2


@pytest.mark.parametrize("name", ["ts", "ts_b_pyramid", "mp4_variable_rate", "ts_long_gop"])
def test_a_bursts_time_is_that_of_its_last_frame(name: str) -> None:
    data = MEDIA[name]()
    frames = sorted(decode_reference(data))

    for window, bursts in decode_with_bursts(data):
        for burst in bursts:
            last = instants_of(window, burst)[-1]
            assert burst.at <= last
            assert burst.pts * window.times.time_base == frames[0] + window.begins + burst.at
            assert (
                max(at for at in frames if at <= frames[0] + window.begins + last)
                == frames[0] + window.begins + burst.at
            )


@pytest.mark.parametrize(
    "name", ["ts_b_pyramid", "ts_open_gop", "ts_long_gop", "mp4_variable_rate"]
)
def test_resuming_at_a_later_window_gives_the_same_bursts(name: str) -> None:
    data = MEDIA[name]()

    whole, rest = decode_with_bursts(data)[1:], decode_with_bursts(data, first_window=1)

    assert [window.index for window, _ in rest] == [window.index for window, _ in whole]
    for (_, wanted), (_, found) in zip(whole, rest, strict=True):
        assert [(one.at, one.pts, one.start) for one in found] == [
            (one.at, one.pts, one.start) for one in wanted
        ]
        assert all(
            np.array_equal(one.images[SPEC], other.images[SPEC])
            for one, other in zip(found, wanted, strict=True)
        )


def test_bursts_do_not_depend_on_what_follows_the_window() -> None:
    data = MEDIA["ts_open_gop"]()
    with av.open(io.BytesIO(data)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    keyframes = [number for number, packet in enumerate(packets) if packet.is_keyframe]
    (first, bursts), *_ = decode_with_bursts(data)
    border = next(
        n
        for n in keyframes
        if packets[n].pts * packets[n].time_base
        >= first.times.duration + packets[0].pts * Fraction(1, 90_000)
    )

    ((_, alone),) = decode_with_bursts(remux(data, keep=lambda number, _: number < border))

    assert len(alone) == len(bursts)
    assert all(
        np.array_equal(one.images[SPEC], other.images[SPEC])
        for one, other in zip(alone[:-1], bursts[:-1], strict=True)
    )


def test_bursts_have_only_burst_specs_and_samples_only_the_others() -> None:
    other = FrameSpec(width=96, height=64, fit=Fit.CROP, burst=Burst(frames=4, rate=10))
    twin = FrameSpec(width=32, height=32, burst=BURST)

    ((window, bursts),) = decode_with_bursts(
        encode(frames=90), specs=(SPEC.frame, SPEC, other, twin)
    )

    assert all(
        set(sample.images) == {SPEC.frame} and sample.start is None for sample in window.samples
    )
    assert {frozenset(burst.images) for burst in bursts} == {
        frozenset((SPEC, twin)),
        frozenset((other,)),
    }
    assert all(
        image.shape == spec.shape for burst in bursts for spec, image in burst.images.items()
    )
    assert all(earlier.at <= later.at for earlier, later in pairwise(bursts))


def test_without_a_burst_spec_there_are_no_bursts() -> None:
    seen = decode_with_bursts(MEDIA["ts"](), specs=(SPEC.frame,))

    assert [bursts for _, bursts in seen] == [(), ()]


def test_a_segment_that_is_not_cut_has_bursts_to_its_end() -> None:
    ((_, bursts),) = decode_with_bursts(encode(frames=30 * 25), window=None)

    assert [burst.start for burst in bursts] == [
        *range(0, 24, 2),
        Fraction(749, 30) - BURST.length,
    ][: len(bursts)]
    assert len(bursts) >= 12


def test_a_short_segment_has_one_burst_that_is_spread_over_it() -> None:
    data = encode(frames=25)

    ((_, bursts),) = decode_with_bursts(data)

    assert len(bursts) == 1
    assert max(differences(decode_with_bursts(data), decode_reference(data))) <= LOSS


def test_a_segment_shorter_than_half_a_burst_has_none() -> None:
    assert [bursts for _, bursts in decode_with_bursts(encode(frames=20))] == [()]


def test_stills_and_animations_have_no_bursts() -> None:
    gif = encode(container="gif", codec="gif", frames=60, rate=10, pix_fmt="rgb8")

    assert [bursts for _, bursts in decode_with_bursts(gif)] == [()]
    assert [
        bursts
        for _, bursts in decode_with_bursts(encode(frames=1, container="mp4"), second_sample=True)
    ] == [()]


def test_a_rotated_video_is_upright_in_bursts_too() -> None:
    data = encode(container="mp4", frames=60, rotation=90, size=(96, 128))

    ((window, bursts),) = decode_with_bursts(data)

    first = window.samples[0].images[SPEC.frame]
    assert np.abs(first.astype(int) - bursts[0].images[SPEC][0]).max() <= LOSS
    assert first[45, 30, 0] < first[24, 30, 0] == first[2, 30, 0]  # its dark edge is below


def test_fast_decoding_shows_the_last_frame_that_comes_in_order() -> None:
    data = MEDIA["ts_b_pyramid"]()
    frames = decode_reference(data)

    seen = decode_with_bursts(data, sampling=Sampling(between="fast"))

    assert max(differences(seen, frames)) > LOSS
    greys = {int(image[24, 40, 0]) for image in frames.values()}
    found = [
        int(image[24, 40, 0])
        for _, bursts in seen
        for burst in bursts
        for image in burst.images[SPEC]
    ]
    assert all(min(abs(grey - one) for one in greys) <= LOSS for grey in found)


def test_only_the_packets_that_a_burst_needs_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[tuple[int, bool]] = []
    feed = PacketDecoder.feed

    def watch(self: PacketDecoder, packet: object) -> object:
        fed.append((packet.pts, self.is_skipping))  # type: ignore[attr-defined]
        return feed(self, packet)  # type: ignore[arg-type]

    # one burst, of the first 1.4 s of 3 s: two GOPs, the second one up to the burst's end
    ((_, maker),) = decode_windows_with_bursts(
        io.BytesIO(encode(frames=90, gop=30, bframes=2)), DecodeRequest(specs=(SPEC,)), name="clip"
    )
    monkeypatch.setattr(PacketDecoder, "feed", watch)
    bursts = list(maker.make_bursts(BurstRequest()))

    zero = min(pts for pts, _ in fed)
    at = [(pts - zero) / 90_000 for pts, _ in fed]
    assert len(bursts) == 2
    assert any(spared for _, spared in fed)
    assert len(at) < 90


def test_a_window_with_too_many_packets_has_no_bursts() -> None:
    data = MEDIA["ts"]()

    (_, bursts), *_ = decode_with_bursts(data, limits=MediaLimits(max_gop_bytes=2000))

    assert bursts == ()


def test_a_gop_that_began_too_long_before_its_window_has_no_bursts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = MEDIA["ts_long_gop"]()
    assert all(bursts for _, bursts in decode_with_bursts(data))

    monkeypatch.setattr(packet_buffer, "MAX_LEAD", 100 * 128 * 96)

    (_, first), *others = decode_with_bursts(data)
    assert first
    assert [bursts for _, bursts in others] == [()] * len(others)


def blank(data: bytes, lost: range) -> bytes:
    """Return the data with zeros in place of those packets."""
    torn = bytearray(data)
    with av.open(io.BytesIO(data)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    for place, size in places[lost.start : lost.stop]:
        assert place is not None
        torn[place : place + size] = bytes(size)
    return bytes(torn)


PICTURES = {"container": "avi", "codec": "mjpeg", "frames": 120, "pix_fmt": "yuvj420p"}


def test_a_frame_that_cannot_be_decoded_leaves_the_one_before_on_screen() -> None:
    whole, data = encode(**PICTURES), blank(encode(**PICTURES), range(11, 14))  # type: ignore[arg-type]

    ((_, bursts),), ((_, torn),) = decode_with_bursts(whole), decode_with_bursts(data)

    before, after = bursts[0].images[SPEC], torn[0].images[SPEC]
    assert [burst.start for burst in torn] == [0, 2]
    assert [np.array_equal(one, other) for one, other in zip(before, after, strict=True)] == [
        number != 2 for number in range(8)
    ]
    assert np.array_equal(after[2], before[1])


def test_a_burst_with_a_longer_hole_is_not_made() -> None:
    ((_, bursts),) = decode_with_bursts(blank(encode(**PICTURES), range(11, 26)))  # type: ignore[arg-type]

    assert [burst.start for burst in bursts] == [2]


def test_damage_between_keyframes_costs_the_bursts_that_need_those_frames() -> None:
    seen = decode_with_bursts(blank(encode(container="mp4", frames=300, gop=60), range(65, 110)))

    starts = {burst.start for _, bursts in seen for burst in bursts}
    assert {0, 4, 6, 8} <= starts
    assert 2 not in starts


def test_a_frame_that_is_too_large_is_refused_in_a_burst_too() -> None:
    data = encode(frames=60)
    ((_, maker),) = decode_windows_with_bursts(
        io.BytesIO(data),
        DecodeRequest(specs=(SPEC,), limits=MediaLimits(max_pixels=128 * 96)),
        name="clip",
    )
    assert list(maker.make_bursts(BurstRequest()))
    with pytest.raises(LimitError):
        list(
            decode_windows_with_bursts(
                io.BytesIO(data),
                DecodeRequest(specs=(SPEC,), limits=MediaLimits(max_pixels=100)),
                name="clip",
            )
        )

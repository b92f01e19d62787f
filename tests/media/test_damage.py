"""A picture that the decoder could only make up is not a sample."""

from __future__ import annotations

import io
from collections.abc import Collection
from fractions import Fraction

import av
import numpy as np
import pytest

from scanner.media.sampling import Sampling
from scanner.types import Span, Unseen
from tests.media.decoding import decode_all

RATE, GOP, FRAMES = 25, 25, 200


def damaged(keyframes: Collection[int], *, gop: int = GOP) -> bytes:
    """Return noise in Matroska, with bytes inside some of its keyframes overwritten."""
    rng, sink = np.random.default_rng(7), io.BytesIO()
    with av.open(sink, "w", format="matroska") as out:
        options = {"preset": "ultrafast", "x264-params": f"scenecut=0:keyint={gop}:bframes=0"}
        stream = out.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.thread_count = 1
        coarse = rng.integers(0, 255, (FRAMES, 12, 16, 3), np.uint8)
        for number in range(FRAMES):
            picture = np.repeat(np.repeat(coarse[number // gop], 8, 0), 8, 1)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    data = bytearray(sink.getvalue())
    with av.open(io.BytesIO(bytes(data))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for number in keyframes:
            whole = bytes(packets[number * gop])
            middle = data.index(whole) + len(whole) // 2
            data[middle : middle + 64] = b"\xa5" * 64
    return bytes(data)


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
    (unseen,) = window.unseen
    assert unseen == Unseen(
        span=Span(start=Fraction(broken[0]), end=Fraction(broken[-1] + 1)), reason="undecodable"
    )

"""Media that are damaged on purpose, with what an independent decoder calls damaged."""

from __future__ import annotations

import io
from collections.abc import Collection
from fractions import Fraction

import av
import numpy as np

__all__ = ["FRAMES", "GOP", "RATE", "damaged"]

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

"""Media that are damaged on purpose, with what an independent decoder calls damaged."""

from __future__ import annotations

import io
from collections.abc import Collection
from contextlib import suppress
from fractions import Fraction
from random import Random

import av
import numpy as np

__all__ = ["FRAMES", "GOP", "RATE", "damaged", "decode_independently", "noisy", "spoil"]

RATE, GOP, FRAMES = 25, 25, 200


def noisy(container: str, codec: str, *, gop: int = GOP, bframes: int = 0) -> bytes:
    """Return coarse noise that moves, so that every frame has bytes that can be damaged."""
    rng, sink = np.random.default_rng(7), io.BytesIO()
    with av.open(sink, "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE, options=_options(codec, gop, bframes))
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        stream.codec_context.thread_count, stream.codec_context.gop_size = 1, gop
        coarse = rng.integers(0, 255, (FRAMES, 12, 16, 3), np.uint8)
        for number in range(FRAMES):
            picture = np.repeat(np.repeat(coarse[number // gop], 8, 0), 8, 1)
            moved = np.ascontiguousarray(np.roll(picture, number % gop, 1))
            frame = av.VideoFrame.from_ndarray(moved, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return sink.getvalue()


def _options(codec: str, gop: int, bframes: int) -> dict[str, str]:
    keys = f"scenecut=0:keyint={gop}:min-keyint={gop}:bframes={bframes}"
    match codec:
        case "libx264":
            return {"preset": "ultrafast", "x264-params": keys}
        case "libx265":
            return {"preset": "ultrafast", "x265-params": f"log-level=0:{keys}"}
        case "libvpx":
            return {"deadline": "realtime", "cpu-used": "8", "g": str(gop)}
    return {"g": str(gop), "bf": str(bframes), "sc_threshold": "1000000000"}


def damaged(keyframes: Collection[int], *, gop: int = GOP) -> bytes:
    """Return noise in Matroska, with bytes inside some of its keyframes overwritten."""
    data = bytearray(noisy("matroska", "libx264", gop=gop))
    with av.open(io.BytesIO(bytes(data))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        for number in keyframes:
            whole = bytes(packets[number * gop])
            middle = data.index(whole) + len(whole) // 2
            data[middle : middle + 64] = b"\xa5" * 64
    return bytes(data)


def spoil(data: bytes, kind: str, *, seed: int) -> bytes:
    """Return media with damage behind their first fifth, the same for each seed: ``keyframes`` or
    ``noise`` that is overwritten, single ``bits`` that are flipped, or packets that are ``lost``
    (zeros in a container without packets)."""
    rng, spoiled = Random(seed), bytearray(data)
    begin, end = len(data) // 5, len(data)
    match kind:
        case "keyframes":
            packets = _keyframes(data)
            first = rng.randrange(1, len(packets))
            for packet in packets[first : first + rng.randrange(1, 4)]:
                middle = data.index(packet)
                spoiled[middle : middle + 64] = b"\xa5" * 64
        case "noise":
            at = rng.randrange(begin, end - end // 10)
            spoiled[at : at + end // 20] = rng.randbytes(end // 20)
        case "bits":
            for _ in range(12):
                spoiled[rng.randrange(begin, end)] ^= 1 << rng.randrange(8)
        case "lost" if data[:1] == b"G":
            number = rng.randrange(begin // 188, end // 188 - 20)
            del spoiled[number * 188 : (number + rng.randrange(1, 20)) * 188]
        case "lost":
            at = rng.randrange(begin, end - end // 10)
            spoiled[at : at + end // 50] = bytes(end // 50)
    return bytes(spoiled)


def _keyframes(data: bytes) -> list[bytes]:
    """Return bytes in the middle of each keyframe, where the file has them in one piece."""
    with av.open(io.BytesIO(data)) as container:
        whole = [bytes(packet) for packet in container.demux(video=0) if packet.is_keyframe]
    found = (_find_run(one, data) for one in whole)
    return [run for run in found if run is not None]


def _find_run(packet: bytes, data: bytes) -> bytes | None:
    starts = range(len(packet) // 4, len(packet) - 64, 40)
    runs = (packet[start : start + 64] for start in starts)
    return next((run for run in runs if data.count(run) == 1), None)


def decode_independently(data: bytes) -> dict[int, bool]:
    """Decode every packet with a plain PyAV loop, and return by time stamp whether the decoder
    calls the frame corrupt."""
    found: dict[int, bool] = {}
    with av.open(io.BytesIO(data)) as container, suppress(av.error.FFmpegError):
        track = container.streams.video[0]
        track.codec_context.thread_count = 1
        for packet in container.demux(track):
            with suppress(av.error.FFmpegError):
                found |= {
                    frame.pts: frame.is_corrupt
                    for frame in packet.decode()
                    if frame.pts is not None
                }
    return found

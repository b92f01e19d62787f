"""Encode the pictures and videos that take most memory: 4096 x 2304 pixels in every format, and
PNGs whose texts unpack to hundreds of megabytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache, partial

import av
import numpy as np
from numpy.typing import NDArray

from samples.stills import encode_animation, encode_chunk, encode_picture, encode_png
from scanner.media.synthetic import preserved_scheduling

__all__ = ["LARGE", "encode_large_png", "encode_text_png"]

WIDTH, HEIGHT = 4096, 2304
MIB = 1 << 20
Rgb = NDArray[np.uint8]


@cache
def _slope() -> Rgb:
    rows, columns = np.indices((HEIGHT, WIDTH))
    slope: Rgb = ((rows + columns) // 16).astype(np.uint8)[..., None].repeat(3, 2)
    return slope


def _noise() -> Rgb:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def _frame(pix_fmt: str, number: int = 0, rgb: Rgb | None = None) -> av.VideoFrame:
    drawn = np.roll(_slope(), 16 * number, 1) if rgb is None else rgb
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), format="rgb24")
    frame = frame.reformat(format=pix_fmt)
    frame.pts = number
    return frame


def encode_large_png(width: int, height: int) -> bytes:
    """Encode a black PNG of 16 bits with alpha, eight bytes a pixel, of that size."""
    row = zlib.compressobj(1)
    body = b"".join(row.compress(bytes(1 + 8 * width)) for _ in range(height)) + row.flush()
    header = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(encode_chunk(*chunk) for chunk in chunks)


def encode_text_png(pixels: Rgb, kind: bytes, count: int, size: int) -> bytes:
    """Encode a PNG with texts, or colour profiles, of ``size`` bytes when they are unpacked."""
    packed = zlib.compress(b"A" * size, 9)
    bodies: Mapping[bytes, Callable[[int], bytes]] = {
        b"tEXt": lambda number: b"k%d\0" % number + b"A" * size,
        b"zTXt": lambda number: b"k%d\0\0" % number + packed,
        b"iTXt": lambda number: b"k%d\0\1\0\0\0" % number + packed,
        b"iCCP": lambda number: b"k%d\0\0" % number + packed,
    }
    texts = b"".join(encode_chunk(kind, bodies[kind](number)) for number in range(count))
    return encode_png(pixels, 2, extra=texts)


def _texts(kind: bytes, count: int, size: int) -> bytes:
    return encode_text_png(_slope(), kind, count, size)


def _still(codec: str, pix_fmt: str, options: Mapping[str, str], *, noisy: bool = False) -> bytes:
    return encode_picture(codec, _frame(pix_fmt, rgb=_noise() if noisy else None), options)


def _animation(container: str, codec: str, pix_fmt: str) -> bytes:
    frames = (_frame(pix_fmt, number) for number in range(4))
    return encode_animation(container, codec, frames, pix_fmt, {})


@preserved_scheduling()
def _video(
    container: str, codec: str, pix_fmt: str, frames: int, options: Mapping[str, str]
) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=30, options=dict(options), time_base=Fraction(1, 30))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, pix_fmt
        for number in range(frames):
            file.mux(stream.encode(_frame(pix_fmt, number)))
        file.mux(stream.encode(None))
    return out.getvalue()


_X264 = "ref=16:keyint=60:bframes=8:b-pyramid=normal:level=6.2"
LARGE: Mapping[str, Callable[[], bytes]] = {
    "rgb.png": lambda: encode_png(_slope(), 2),
    "rgba16.png": lambda: encode_large_png(WIDTH, HEIGHT),
    "noise.png": lambda: encode_png(_noise(), 2),
    "text.png": partial(_texts, b"tEXt", 60, MIB),
    "many_texts.png": partial(_texts, b"tEXt", 100_000, 300),
    "packed_text.png": partial(_texts, b"zTXt", 1, 400 * MIB),
    "packed_texts.png": partial(_texts, b"zTXt", 60, 8 * MIB),
    "international.png": partial(_texts, b"iTXt", 60, 8 * MIB),
    "profile.png": partial(_texts, b"iCCP", 1, 400 * MIB),
    "yuv420.jpg": partial(_still, "mjpeg", "yuvj420p", {}),
    "yuv444.jpg": partial(_still, "mjpeg", "yuvj444p", {"qscale": "1"}, noisy=True),
    "lossy.webp": partial(_still, "libwebp", "yuv420p", {"quality": "100"}, noisy=True),
    "lossless.webp": partial(_still, "libwebp", "bgra", {"lossless": "1"}, noisy=True),
    "animated.webp": partial(_animation, "webp", "libwebp_anim", "yuva420p"),
    "animated.gif": partial(_animation, "gif", "gif", "rgb8"),
    "animated.png": partial(_animation, "apng", "apng", "rgba"),
    "h264.mp4": partial(
        _video, "mp4", "libx264", "yuv420p", 40, {"preset": "fast", "x264-params": _X264}
    ),
    "h264_444.mkv": partial(
        _video,
        "matroska",
        "libx264",
        "yuv444p10le",
        24,
        {"preset": "ultrafast", "x264-params": _X264},
    ),
    "hevc.mp4": partial(
        _video,
        "mp4",
        "libx265",
        "yuv420p10le",
        24,
        {"preset": "ultrafast", "x265-params": "ref=4:bframes=4:keyint=60:log-level=error"},
    ),
    "vp9.webm": partial(
        _video, "webm", "libvpx-vp9", "yuv444p", 20, {"deadline": "realtime", "cpu-used": "8"}
    ),
    "av1.mp4": partial(_video, "mp4", "libsvtav1", "yuv420p10le", 30, {"preset": "12"}),
}
"""Function that makes each file."""

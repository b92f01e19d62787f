"""Encode still and animated pictures: JPEG with every orientation, PNG, WebP and GIF."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial

import av
import numpy as np
from numpy.typing import NDArray

from samples.colour import Coding, Matrix, to_frame
from samples.drawing import PATCHES, draw_card
from samples.encoded import EncodedSample
from samples.facts import SampleFacts

__all__ = [
    "STILLS",
    "encode_animation",
    "encode_chunk",
    "encode_jpeg",
    "encode_picture",
    "encode_png",
]

Rgb = NDArray[np.uint8]
NUMBER = 77
"""Number drawn on every still."""
LYING: Mapping[int, Callable[[Rgb], Rgb]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.swapaxes(0, 1),
    6: np.rot90,
    7: lambda upright: upright.swapaxes(0, 1)[::-1, ::-1],
    8: lambda upright: np.rot90(upright, -1),
}
"""Function that turns a picture so that each EXIF orientation makes it upright again."""


def draw_stored(orientation: int = 1) -> Rgb:
    """Draw the card as it is stored for that orientation."""
    return np.ascontiguousarray(LYING[orientation](draw_card(NUMBER)))


def still_facts(kind: str, codec: str, **more: object) -> SampleFacts:
    """Return the facts of a still."""
    usual = {
        "pts": (0,),
        "marks": (NUMBER,),
        "keyframes": (0,),
        "patches": PATCHES,
        "still": True,
        "width": 320,
        "height": 180,
    }
    return SampleFacts(container=kind, codec=codec, **{**usual, **more})  # type: ignore[arg-type]


def encode_picture(
    codec: str, frame: av.VideoFrame, options: Mapping[str, str] | None = None
) -> bytes:
    """Encode one frame without a container."""
    context = av.VideoCodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base, context.color_range = Fraction(1, 25), 2
    context.options = dict(options or {})
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


# JPEG


def encode_exif(orientation: int) -> bytes:
    """Encode a TIFF block with one entry; odd orientations in little-endian order, even ones in
    big-endian."""
    mark, order = (b"II", "<") if orientation % 2 else (b"MM", ">")
    return mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def encode_jpeg(rgb: Rgb, pix_fmt: str = "yuvj420p") -> bytes:
    """Encode a JPEG without tags."""
    return encode_picture(
        "mjpeg",
        to_frame(rgb, Coding(pix_fmt=pix_fmt, matrix=Matrix.BT601, full=True)),
        {"flags": "+qscale", "global_quality": "236"},
    )


def encode_rotated_jpeg(orientation: int) -> EncodedSample:
    """Encode a JPEG with an EXIF orientation."""
    plain, body = encode_jpeg(draw_stored(orientation)), b"Exif\0\0" + encode_exif(orientation)
    tagged = plain[:2] + struct.pack(">HH", 0xFFE1, len(body) + 2) + body + plain[2:]
    return EncodedSample(data=tagged, facts=still_facts("jpeg", "mjpeg"), suffix=".jpg")


def encode_plain_jpeg(pix_fmt: str) -> EncodedSample:
    """Encode a JPEG with that subsampling."""
    return EncodedSample(
        data=encode_jpeg(draw_stored(), pix_fmt), facts=still_facts("jpeg", "mjpeg"), suffix=".jpg"
    )


# PNG


def encode_png_with_empty_animation() -> EncodedSample:
    """Encode a PNG that declares twelve pictures and has one, which every viewer shows."""
    declaration = encode_chunk(b"acTL", struct.pack(">II", 12, 0))
    return encode_png_sample(draw_card(NUMBER), 2, declaration)


def encode_chunk(kind: bytes, body: bytes) -> bytes:
    """Encode one PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def encode_png(pixels: NDArray[np.generic], colour_type: int, extra: bytes = b"") -> bytes:
    """Encode a PNG of H x W x channels, 8 or 16 bits as the array has.

    ``extra`` chunks go before the picture.
    """
    height, width = pixels.shape[:2]
    depth = pixels.itemsize * 8
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + encode_chunk(b"IHDR", header)
        + extra
        + encode_chunk(b"IDAT", body)
        + encode_chunk(b"IEND", b"")
    )


def encode_png_sample(
    pixels: NDArray[np.generic], colour_type: int, extra: bytes = b"", **more: object
) -> EncodedSample:
    """Encode a PNG and return it with its facts."""
    return EncodedSample(
        data=encode_png(pixels, colour_type, extra),
        facts=still_facts("png", "png", **more),
        suffix=".png",
    )


def add_alpha(alpha: int) -> NDArray[np.uint8]:
    """Draw the card with the same alpha everywhere."""
    return np.dstack([draw_card(NUMBER), np.full((180, 320), alpha, np.uint8)])


def split_palette(rgb: Rgb) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return indices, H x W, and the palette, 256 x 3; the card has fewer than 256 colours."""
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, indices = np.unique(packed, return_inverse=True)
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours[:, None] >> np.array([16, 8, 0]) & 255
    return indices.reshape(rgb.shape[:2]).astype(np.uint8), table


def encode_palette_png() -> EncodedSample:
    """Encode a PNG with a palette."""
    indices, table = split_palette(draw_card(NUMBER))
    return encode_png_sample(indices, 3, encode_chunk(b"PLTE", table.tobytes()))


# WebP and GIF


def encode_animation(
    container: str,
    codec: str,
    frames: Iterable[av.VideoFrame],
    pix_fmt: str,
    options: Mapping[str, str],
) -> bytes:
    """Encode frames of 80 ms each as an animation."""
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=Fraction(25, 2), options=dict(options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 320, 180, pix_fmt
        stream.codec_context.time_base = stream.time_base = Fraction(1, 100)
        for index, frame in enumerate(frames):
            frame.pts, frame.time_base = index * 8, Fraction(1, 100)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()


WEBP = Coding(matrix=Matrix.BT601)


def encode_webp(frame: av.VideoFrame, **more: object) -> EncodedSample:
    """Encode a plain WebP of that frame."""
    return EncodedSample(
        data=encode_picture("libwebp", frame, {"quality": "90"}),
        facts=still_facts("webp", "webp", **more),
        suffix=".webp",
    )


def draw_half_transparent() -> av.VideoFrame:
    """Draw the card half transparent."""
    frame = to_frame(draw_card(NUMBER), Coding(pix_fmt="yuva420p", matrix=Matrix.BT601))
    frame.planes[3].update(b"\x80" * frame.planes[3].buffer_size)
    return frame


def encode_animated_webp() -> EncodedSample:
    """Encode twelve pictures, most of them stored as the difference to the one before."""
    frames = (to_frame(draw_card(number), WEBP) for number in range(12))
    data = encode_animation("webp", "libwebp_anim", frames, "yuv420p", {"quality": "90"})
    shown = still_facts(
        "webp",
        "webp",
        pts=tuple(range(0, 960, 80)),
        time_base=Fraction(1, 1000),
        marks=tuple(range(12)),
        still=False,
    )
    return EncodedSample(data=data, facts=shown, suffix=".webp")


def encode_rotated_webp(orientation: int) -> EncodedSample:
    """Encode a WebP in the extended form, with an EXIF chunk."""
    plain = encode_webp(to_frame(draw_stored(orientation), WEBP)).data
    height, width = draw_stored(orientation).shape[:2]
    tags = encode_exif(orientation)
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = (
        b"WEBP"
        + encode_riff(b"VP8X", struct.pack("<I", 8) + size)
        + plain[12:]
        + encode_riff(b"EXIF", tags)
    )
    return EncodedSample(
        data=encode_riff(b"RIFF", body), facts=still_facts("webp", "webp"), suffix=".webp"
    )


def encode_riff(kind: bytes, body: bytes) -> bytes:
    """Encode one RIFF chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def draw_indexed(number: int) -> av.VideoFrame:
    """Draw a frame with a palette, whose entries are stored as blue, green, red, alpha."""
    indices, table = split_palette(draw_card(number))
    frame = av.VideoFrame(indices.shape[1], indices.shape[0], "pal8")
    frame.planes[0].update(indices.tobytes())
    frame.planes[1].update(np.hstack([table[:, ::-1], np.full((256, 1), 255, np.uint8)]).tobytes())
    return frame


def encode_gif(numbers: Iterable[int], **more: object) -> EncodedSample:
    """Encode a GIF with a palette of the card's colours; several numbers make an animation."""
    data = encode_animation("gif", "gif", map(draw_indexed, numbers), "pal8", {})
    return EncodedSample(
        data=data,
        facts=still_facts("gif", "gif", time_base=Fraction(1, 100), **more),
        suffix=".gif",
    )


STILLS: Mapping[str, Callable[[], EncodedSample]] = {
    **{f"jpeg_orientation_{n}": partial(encode_rotated_jpeg, n) for n in LYING},
    "jpeg_420": partial(encode_plain_jpeg, "yuvj420p"),
    "jpeg_444": partial(encode_plain_jpeg, "yuvj444p"),
    "png_rgb": lambda: encode_png_sample(draw_card(NUMBER), 2),
    "png_alpha": lambda: encode_png_sample(add_alpha(255), 6),
    "png_see_through": lambda: encode_png_sample(add_alpha(0), 6, marks=(), patches=()),
    "png_16_bit": lambda: encode_png_sample(draw_card(NUMBER).astype(np.uint16) * 257, 2),
    "png_palette": encode_palette_png,
    "png_grey": lambda: encode_png_sample(draw_card(NUMBER)[:, :, 1], 0, patches=()),
    "png_orientation_6": lambda: encode_png_sample(
        draw_stored(6), 2, encode_chunk(b"eXIf", encode_exif(6))
    ),
    "png_empty_animation": encode_png_with_empty_animation,
    "webp": lambda: encode_webp(to_frame(draw_card(NUMBER), WEBP)),
    "webp_alpha": lambda: encode_webp(draw_half_transparent(), patches=()),
    "webp_orientation_8": lambda: encode_rotated_webp(8),
    "webp_moving": encode_animated_webp,
    "gif": lambda: encode_gif([NUMBER]),
    "gif_moving": lambda: encode_gif(
        range(12), pts=tuple(range(0, 96, 8)), marks=tuple(range(12)), still=False
    ),
}
"""Function that encodes each sample, by name."""

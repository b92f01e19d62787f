"""Still pictures: JPEG with every orientation, PNG, WebP, GIF, and those of them that move."""

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
from samples.drawing import PATCHES, card
from samples.facts import Facts
from samples.made import Made

__all__ = ["STILLS", "chunk", "jpeg", "png"]

Rgb = NDArray[np.uint8]
NUMBER = 77
"""Drawn on every still."""
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
"""How a picture is stored so that each EXIF orientation makes it upright again."""


def stored(orientation: int = 1) -> Rgb:
    """The card as it is stored for that orientation."""
    return np.ascontiguousarray(LYING[orientation](card(NUMBER)))


def facts(kind: str, codec: str, **more: object) -> Facts:
    """What is known of a still."""
    usual = {
        "pts": (0,),
        "marks": (NUMBER,),
        "keyframes": (0,),
        "patches": PATCHES,
        "still": True,
        "width": 320,
        "height": 180,
    }
    return Facts(container=kind, codec=codec, **{**usual, **more})  # type: ignore[arg-type]


def picture(codec: str, frame: av.VideoFrame, options: Mapping[str, str] | None = None) -> bytes:
    """One frame, encoded without a container."""
    context = av.VideoCodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
    context.time_base, context.color_range = Fraction(1, 25), 2
    context.options = dict(options or {})
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


# JPEG


def exif(orientation: int) -> bytes:
    """A TIFF block with one entry; odd orientations in little-endian order, even ones in
    big-endian."""
    mark, order = (b"II", "<") if orientation % 2 else (b"MM", ">")
    return mark + struct.pack(order + "HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg(rgb: Rgb, pix_fmt: str = "yuvj420p") -> bytes:
    """A JPEG without tags."""
    return picture(
        "mjpeg",
        to_frame(rgb, Coding(pix_fmt=pix_fmt, matrix=Matrix.BT601, full=True)),
        {"flags": "+qscale", "global_quality": "236"},
    )


def turned_jpeg(orientation: int) -> Made:
    """A JPEG whose EXIF tag says how to turn it."""
    plain, body = jpeg(stored(orientation)), b"Exif\0\0" + exif(orientation)
    tagged = plain[:2] + struct.pack(">HH", 0xFFE1, len(body) + 2) + body + plain[2:]
    return Made(data=tagged, facts=facts("jpeg", "mjpeg"), suffix=".jpg")


def plain_jpeg(pix_fmt: str) -> Made:
    """A JPEG with that subsampling."""
    return Made(data=jpeg(stored(), pix_fmt), facts=facts("jpeg", "mjpeg"), suffix=".jpg")


# PNG


def moving_png() -> Made:
    """A PNG that says that eleven pictures follow the first one; readers that do not know of such
    show only that."""
    data = png(card(NUMBER), 2, chunk(b"acTL", struct.pack(">II", 12, 0)))
    return Made(data=data, facts=Facts(refusal=frozenset({"unsupported"})), suffix=".png")


def chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk with its check sum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(pixels: NDArray[np.generic], colour_type: int, extra: bytes = b"") -> bytes:
    """A PNG of H x W x channels; 8 or 16 bits as the array has.

    ``extra`` chunks go before the picture.
    """
    height, width = pixels.shape[:2]
    depth = pixels.itemsize * 8
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 1)
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + extra
        + chunk(b"IDAT", body)
        + chunk(b"IEND", b"")
    )


def made_png(
    pixels: NDArray[np.generic], colour_type: int, extra: bytes = b"", **more: object
) -> Made:
    """A PNG with its facts."""
    return Made(
        data=png(pixels, colour_type, extra), facts=facts("png", "png", **more), suffix=".png"
    )


def with_alpha(alpha: int) -> NDArray[np.uint8]:
    """The card with the same alpha everywhere."""
    return np.dstack([card(NUMBER), np.full((180, 320), alpha, np.uint8)])


def palette(rgb: Rgb) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Indices, H x W, and the palette, 256 x 3; the card has fewer than 256 colours."""
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours, indices = np.unique(packed, return_inverse=True)
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = colours[:, None] >> np.array([16, 8, 0]) & 255
    return indices.reshape(rgb.shape[:2]).astype(np.uint8), table


def palette_png() -> Made:
    """A PNG with a palette."""
    indices, table = palette(card(NUMBER))
    return made_png(indices, 3, chunk(b"PLTE", table.tobytes()))


# WebP and GIF


def mux(
    container: str,
    codec: str,
    frames: Iterable[av.VideoFrame],
    pix_fmt: str,
    options: Mapping[str, str],
) -> bytes:
    """Frames of 80 ms each in a container for moving pictures."""
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


def webp(frame: av.VideoFrame, **more: object) -> Made:
    """A plain WebP of that frame."""
    return Made(
        data=picture("libwebp", frame, {"quality": "90"}),
        facts=facts("webp", "webp", **more),
        suffix=".webp",
    )


def half_alpha() -> av.VideoFrame:
    """The card, half see-through."""
    frame = to_frame(card(NUMBER), Coding(pix_fmt="yuva420p", matrix=Matrix.BT601))
    frame.planes[3].update(b"\x80" * frame.planes[3].buffer_size)
    return frame


def moving_webp() -> Made:
    """Twelve pictures, most of them stored as what differs from the one before."""
    frames = (to_frame(card(number), WEBP) for number in range(12))
    data = mux("webp", "libwebp_anim", frames, "yuv420p", {"quality": "90"})
    shown = facts(
        "webp",
        "webp",
        pts=tuple(range(0, 960, 80)),
        time_base=Fraction(1, 1000),
        marks=tuple(range(12)),
        still=False,
    )
    return Made(data=data, facts=shown, suffix=".webp")


def turned_webp(orientation: int) -> Made:
    """A WebP in the extended form, with an EXIF chunk."""
    plain = webp(to_frame(stored(orientation), WEBP)).data
    height, width = stored(orientation).shape[:2]
    tags = exif(orientation)
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBP" + riff(b"VP8X", struct.pack("<I", 8) + size) + plain[12:] + riff(b"EXIF", tags)
    return Made(data=riff(b"RIFF", body), facts=facts("webp", "webp"), suffix=".webp")


def riff(kind: bytes, body: bytes) -> bytes:
    """One RIFF chunk, padded to an even length."""
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def indexed(number: int) -> av.VideoFrame:
    """A frame with a palette, whose entries are stored as blue, green, red, alpha."""
    indices, table = palette(card(number))
    frame = av.VideoFrame(indices.shape[1], indices.shape[0], "pal8")
    frame.planes[0].update(indices.tobytes())
    frame.planes[1].update(np.hstack([table[:, ::-1], np.full((256, 1), 255, np.uint8)]).tobytes())
    return frame


def gif(numbers: Iterable[int], **more: object) -> Made:
    """A GIF with a palette of the card's own colours; more than one number makes it move."""
    data = mux("gif", "gif", map(indexed, numbers), "pal8", {})
    return Made(
        data=data, facts=facts("gif", "gif", time_base=Fraction(1, 100), **more), suffix=".gif"
    )


STILLS: Mapping[str, Callable[[], Made]] = {
    **{f"jpeg_orientation_{n}": partial(turned_jpeg, n) for n in LYING},
    "jpeg_420": partial(plain_jpeg, "yuvj420p"),
    "jpeg_444": partial(plain_jpeg, "yuvj444p"),
    "png_rgb": lambda: made_png(card(NUMBER), 2),
    "png_alpha": lambda: made_png(with_alpha(255), 6),
    "png_see_through": lambda: made_png(with_alpha(0), 6, marks=(), patches=()),
    "png_16_bit": lambda: made_png(card(NUMBER).astype(np.uint16) * 257, 2),
    "png_palette": palette_png,
    "png_grey": lambda: made_png(card(NUMBER)[:, :, 1], 0, patches=()),
    "png_orientation_6": lambda: made_png(stored(6), 2, chunk(b"eXIf", exif(6))),
    "png_moving": moving_png,
    "webp": lambda: webp(to_frame(card(NUMBER), WEBP)),
    "webp_alpha": lambda: webp(half_alpha(), patches=()),
    "webp_orientation_8": lambda: turned_webp(8),
    "webp_moving": moving_webp,
    "gif": lambda: gif([NUMBER]),
    "gif_moving": lambda: gif(
        range(12), pts=tuple(range(0, 96, 8)), marks=tuple(range(12)), still=False
    ),
}
"""How to make each, by name."""

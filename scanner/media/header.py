"""Read a picture's size and orientation from its header, before a decoder allocates memory.

Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import DamagedError
from scanner.media.orientation import UPRIGHT, Turn, turn_from_exif
from scanner.media.sniff import Container

__all__ = ["PictureHeader", "iterate_chunks", "read_header", "strip_png"]

_ORIENTATION = 0x0112
_PIXEL_CHUNKS = frozenset(
    b"IHDR PLTE tRNS IDAT IEND acTL fcTL fdAT sRGB gAMA cHRM cICP sBIT pHYs".split()
)
"""Chunks of a PNG that its pixels depend on."""
_NO_PICTURE_STARTS = frozenset({0xC4, 0xC8, 0xCC})
"""JPEG markers between SOF0 and SOF15 that are tables and not a start of frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureHeader:
    """Size and orientation that a picture declares."""

    width: int
    """Stored pixels, before the picture is turned."""
    height: int
    turn: Turn = UPRIGHT
    animated: bool = False
    """True if more pictures follow the first one."""


def read_header(data: bytes, kind: Container, name: str) -> PictureHeader:
    """Read the header of a JPEG, PNG or WebP.

    Raises:
        DamagedError: the header is incomplete or has no size.
    """
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as error:
        raise DamagedError(
            f"{name}: {len(data)} bytes of {kind.name}, its header is incomplete"
        ) from error


def iterate_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield identifier and content of each RIFF chunk; the last one ends with the data."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def strip_png(data: bytes) -> bytes:
    """Return a PNG without the chunks that its pixels do not depend on.

    FFmpeg unpacks texts and colour profiles into memory, hundreds of megabytes from one, and takes
    time by the square of their number.
    """
    kept, at = [slice(0, 8)], 8
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] in _PIXEL_CHUNKS:
            kept.append(slice(at, at + 12 + size))
        at += 12 + size
    if sum(part.stop - part.start for part in kept) >= len(data):
        return data
    view = memoryview(data)
    return b"".join([view[part] for part in kept])


def _read_jpeg(data: bytes) -> PictureHeader:
    """Read segments up to the size; one with a wrong length is left at the next marker."""
    turn, at = UPRIGHT, 2
    whole = at
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        if data[at] != 0xFF or not _is_segment(data[at + 1]):
            at = whole = _find_segment(data, whole + 2)
        marker, (size,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        if 0xC0 <= marker <= 0xCF and marker not in _NO_PICTURE_STARTS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return PictureHeader(width=width, height=height, turn=turn)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            turn = _read_exif(data[at + 10 : at + 2 + size])
        whole = at
        at += 2 + size
        if size < 2 or at + 4 > len(data):
            at = _find_segment(data, whole + 2)


def _is_segment(marker: int) -> bool:
    """Return whether a JPEG segment with a length begins with the marker."""
    return 0xC0 <= marker <= 0xFE and not 0xD0 <= marker <= 0xD9


def _find_segment(data: bytes, start: int) -> int:
    """Return where the next segment begins that another one follows.

    Raises:
        IndexError: there is none.
    """
    while (start := data.find(b"\xff", start)) >= 0:
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4])
        follows = data[end : end + 1] == b"\xff" and _is_segment(data[end + 1])
        if _is_segment(data[start + 1]) and follows:
            return start
        start += 1
    raise IndexError


def _read_png(data: bytes) -> PictureHeader:
    width, height = struct.unpack_from(">II", data, 16)
    turn, frames, at = UPRIGHT, 0, 8
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        frames += data[at + 4 : at + 8] == b"fcTL"
        if data[at + 4 : at + 8] == b"eXIf":
            turn = _read_exif(data[at + 8 : at + 8 + size])
        at += 12 + size
    return PictureHeader(width=width, height=height, turn=turn, animated=frames > 1)


def _read_webp(data: bytes) -> PictureHeader:
    turn = next(
        (
            _read_exif(body.removeprefix(b"Exif\0\0"))
            for name, body in iterate_chunks(data[12:])
            if name == b"EXIF"
        ),
        UPRIGHT,
    )
    name, body = data[12:16], data[20:]
    if name == b"VP8X":
        width, height = (
            int.from_bytes(body[4:7], "little") + 1,
            int.from_bytes(body[7:10], "little") + 1,
        )
    elif name == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", body, 6))
    return PictureHeader(width=width, height=height, turn=turn)


def _read_exif(tiff: bytes) -> Turn:
    """Return the turn that EXIF declares; a broken block counts as upright."""
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == _ORIENTATION:
                return turn_from_exif(value)
    except struct.error:
        pass
    return UPRIGHT


_READERS = {Container.JPEG: _read_jpeg, Container.PNG: _read_png, Container.WEBP: _read_webp}

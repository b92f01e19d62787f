"""Size and orientation of a picture, read from its header before a decoder allocates anything.

Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import DamagedError
from scanner.media.orientation import UPRIGHT, Turn, exif_turn
from scanner.media.sniff import Container

__all__ = ["Header", "chunks", "read_header"]

_ORIENTATION = 0x0112
_NO_PICTURE_STARTS = frozenset({0xC4, 0xC8, 0xCC})
"""JPEG markers between SOF0 and SOF15 that are tables and not a start of frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a picture says of itself."""

    width: int
    """Stored pixels, before it is turned."""
    height: int
    turn: Turn = UPRIGHT
    moving: bool = False
    """It says that more pictures follow the first one."""


def read_header(data: bytes, kind: Container, name: str) -> Header:
    """The header of a JPEG, PNG or WebP.

    Raises:
        DamagedError: it ends, or does not say a size, before its picture begins.
    """
    try:
        return _READERS[kind](data)
    except (struct.error, IndexError) as why:
        raise DamagedError(
            f"{name}: {len(data)} bytes of {kind.name}, its header is incomplete"
        ) from why


def chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Identifier and content of each RIFF chunk, the last one as long as there is data."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _jpeg(data: bytes) -> Header:
    turn, at = UPRIGHT, 2
    while True:
        while data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        marker, (size,) = data[at + 1], struct.unpack_from(">H", data, at + 2)
        if data[at] != 0xFF or size < 2:
            raise IndexError
        if 0xC0 <= marker <= 0xCF and marker not in _NO_PICTURE_STARTS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Header(width=width, height=height, turn=turn)
        if marker == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            turn = _exif(data[at + 10 : at + 2 + size])
        at += 2 + size


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    turn, moving, at = UPRIGHT, False, 8
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"acTL":
            moving = struct.unpack_from(">I", data, at + 8)[0] > 1
        if data[at + 4 : at + 8] == b"eXIf":
            turn = _exif(data[at + 8 : at + 8 + size])
        at += 12 + size
    return Header(width=width, height=height, turn=turn, moving=moving)


def _webp(data: bytes) -> Header:
    turn = next(
        (
            _exif(body.removeprefix(b"Exif\0\0"))
            for name, body in chunks(data[12:])
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
    return Header(width=width, height=height, turn=turn)


def _exif(tiff: bytes) -> Turn:
    """Upright where the block is broken: a picture is shown all the same."""
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == _ORIENTATION:
                return exif_turn(value)
    except struct.error:
        pass
    return UPRIGHT


_READERS = {Container.JPEG: _jpeg, Container.PNG: _png, Container.WEBP: _webp}

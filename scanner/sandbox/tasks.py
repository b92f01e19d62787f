"""The child's side of each task. A task looks at nothing but the open files and arguments that it is given.

A stream is ``task(sources, arguments, *, name) -> Iterator[Decoded]``, asked with ``Sandbox.stream``.
A writer is ``task(sources, arguments, *, name, output) -> JSON value``, asked with ``Sandbox.call``.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from scanner.media import ClipRequest, DecodeRequest, StillRequest
from scanner.media import cut as cut_media
from scanner.media import decode as decode_media
from scanner.media import thumbnails as thumbnails_media
from scanner.types import Decoded, FrameSpec

__all__ = ["cut", "decode", "thumbnails", "warm_up"]


def decode(sources: Sequence[BinaryIO], arguments: DecodeRequest, *, name: str) -> Iterator[Decoded]:
    """Windows of the first source; a second one is its init segment."""
    source, *init = sources
    return decode_media(source, arguments, name=name, init=init[0].read() if init else None)


def thumbnails(sources: Sequence[BinaryIO], arguments: StillRequest, *, name: str) -> Iterator[Decoded]:
    """One window with the pictures of the first source."""
    return thumbnails_media(sources, arguments, name=name)


def cut(sources: Sequence[BinaryIO], arguments: ClipRequest, *, name: str, output: BinaryIO) -> dict[str, object]:
    """Write the clip; what it turned out to be."""
    info = cut_media(sources, arguments, name=name, output=output)
    span = {"start": float(info.span.start), "end": float(info.span.end)}
    return {**span, "copied": info.method == "copied", "truncated": info.truncated, "width": info.width, "height": info.height}


def warm_up() -> None:
    """Decode a small black picture, so that everything that is loaded at the first use has been loaded."""
    request = DecodeRequest(specs=(FrameSpec(width=8, height=8),))
    for _ in decode_media(io.BytesIO(_black_png(16)), request, name="warm-up"):
        pass


def _black_png(side: int) -> bytes:
    header = struct.pack("!IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + 3 * side)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("!I", len(body)) + name + body + struct.pack("!I", zlib.crc32(name + body))

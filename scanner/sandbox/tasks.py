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

from scanner.media import DecodeRequest
from scanner.media import decode as decode_media
from scanner.types import Decoded, FrameSpec

__all__ = ["decode", "warm_up"]


def decode(sources: Sequence[BinaryIO], arguments: DecodeRequest, *, name: str) -> Iterator[Decoded]:
    """Windows of the first source; a second one is its init segment."""
    source, *init = sources
    return decode_media(source, arguments, name=name, init=init[0].read() if init else None)


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

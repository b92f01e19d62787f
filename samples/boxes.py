"""Find and change the boxes of an MP4, so that a sample can hold what no muxer would write."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

__all__ = ["box", "edit", "split_at", "walk"]

PARENTS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex"}
)


def box(kind: bytes, body: bytes) -> bytes:
    """One box.

    >>> box(b"free", b"ab")
    b'\\x00\\x00\\x00\\nfreeab'
    """
    return struct.pack(">I4s", 8 + len(body), kind) + body


def walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kinds and bodies of the boxes on this level, in order."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def edit(data: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The same file with the body of every box of that kind changed; sizes are set right, chunk
    offsets are not."""
    return b"".join(box(name, _edited(name, body, kind, change)) for name, body in walk(data))


def split_at(data: bytes, kind: bytes) -> list[bytes]:
    """Cut before every top box of that kind."""
    parts = [b""]
    for name, body in walk(data):
        if name == kind:
            parts.append(b"")
        parts[-1] += box(name, body)
    return parts


def _edited(name: bytes, body: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    if name == kind:
        return change(body)
    return edit(body, kind, change) if name in PARENTS else body

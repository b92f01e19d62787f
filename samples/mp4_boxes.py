"""Find and change the boxes of an MP4, and write pictures as HEIF and AVIF store them.

With these functions a sample can hold what no muxer would write. HEIF and AVIF store a picture as
an *item* beside the tracks, which no video player shows.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import partial

import av

__all__ = ["box", "edit", "insert_item", "split_at", "walk", "write_avif"]

PARENTS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex"}
)


def box(kind: bytes, body: bytes) -> bytes:
    """Return one box.

    >>> box(b"free", b"ab")
    b'\\x00\\x00\\x00\\nfreeab'
    """
    return struct.pack(">I4s", 8 + len(body), kind) + body


def walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and bodies of the boxes on this level, in order."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind, data[at + 8 : at + size]
        at += size


def edit(data: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return the file with the body of every box of that kind changed; sizes are corrected, chunk
    offsets are not."""
    return b"".join(box(name, _edit_box(name, body, kind, change)) for name, body in walk(data))


def split_at(data: bytes, kind: bytes) -> list[bytes]:
    """Split the file before every top-level box of that kind."""
    parts = [b""]
    for name, body in walk(data):
        if name == kind:
            parts.append(b"")
        parts[-1] += box(name, body)
    return parts


def _edit_box(name: bytes, body: bytes, kind: bytes, change: Callable[[bytes], bytes]) -> bytes:
    if name == kind:
        return change(body)
    return edit(body, kind, change) if name in PARENTS else body


def insert_item(movie: bytes, picture: bytes) -> bytes:
    """Return the movie with the first keyframe of another one (AV1) as its primary item."""
    (kind, brand), *rest = walk(movie)
    assert kind == b"ftyp"
    head = box(kind, brand)
    item = _item(picture, at=len(head))
    moved = edit(
        b"".join(box(name, body) for name, body in rest),
        b"stco",
        partial(_shift_offsets, by=len(item)),
    )
    return head + item + moved


def write_avif(picture: bytes) -> bytes:
    """Return an AVIF of the first keyframe of a movie (AV1)."""
    head = box(b"ftyp", b"avif\0\0\0\0avifmif1")
    return head + _item(picture, at=len(head))


def _item(picture: bytes, at: int) -> bytes:
    """Return the boxes of one item that begin at that byte of their file."""
    with av.open(io.BytesIO(picture), "r") as source:
        track = source.streams.video[0]
        data, config = bytes(next(source.demux(track))), track.codec_context.extradata
        size = struct.pack(">II", track.codec_context.width, track.codec_context.height)
    assert config is not None
    start = at + len(_meta(data, config, size, 0)) + 8
    return _meta(data, config, size, start) + box(b"mdat", data)


def _meta(data: bytes, config: bytes, size: bytes, start: int) -> bytes:
    full = bytes(4)
    handler = box(b"hdlr", full + bytes(4) + b"pict" + bytes(13))
    primary = box(b"pitm", full + struct.pack(">H", 1))
    place = box(b"iloc", full + struct.pack(">BBHHHHII", 0x44, 0, 1, 1, 0, 1, start, len(data)))
    kinds = box(
        b"iinf",
        full
        + struct.pack(">H", 1)
        + box(b"infe", b"\2\0\0\0" + struct.pack(">HH", 1, 0) + b"av01\0"),
    )
    facts = box(b"ipco", box(b"ispe", full + size) + box(b"av1C", config))
    links = box(b"ipma", full + struct.pack(">IHBBB", 1, 1, 2, 1, 2))
    return box(b"meta", full + handler + primary + place + kinds + box(b"iprp", facts + links))


def _shift_offsets(offsets: bytes, by: int) -> bytes:
    count = struct.unpack_from(">I", offsets, 4)[0]
    moved = (offset + by for offset in struct.unpack_from(f">{count}I", offsets, 8))
    return offsets[:8] + struct.pack(f">{count}I", *moved)

"""A picture as HEIF and AVIF have it: an item beside the tracks, which no player of the movie
shows."""

from __future__ import annotations

import io
import struct
from functools import partial

import av

from samples.boxes import box, edit, walk

__all__ = ["avif", "with_item"]


def with_item(movie: bytes, picture: bytes) -> bytes:
    """The movie, and before it the first keyframe of another one (AV1) as the item that the file is
    about."""
    (kind, brand), *rest = walk(movie)
    assert kind == b"ftyp"
    head = box(kind, brand)
    item = _item(picture, at=len(head))
    moved = edit(
        b"".join(box(name, body) for name, body in rest), b"stco", partial(_later, by=len(item))
    )
    return head + item + moved


def avif(picture: bytes) -> bytes:
    """The first keyframe of a movie (AV1) and nothing else."""
    head = box(b"ftyp", b"avif\0\0\0\0avifmif1")
    return head + _item(picture, at=len(head))


def _item(picture: bytes, at: int) -> bytes:
    """The boxes of one item that begin at that byte of their file."""
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


def _later(offsets: bytes, by: int) -> bytes:
    count = struct.unpack_from(">I", offsets, 4)[0]
    moved = (offset + by for offset in struct.unpack_from(f">{count}I", offsets, 8))
    return offsets[:8] + struct.pack(f">{count}I", *moved)

"""The boxes at the top of an MP4 file: whether it is an init segment, a media segment, or both.

Only headers of boxes and the brands are read; everything else is opened in a sandbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["BoxFacts", "read_boxes"]

MOST_BOXES: Final = 256
HEAD: Final = 4096
"""Bytes of a box that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxFacts:
    """What the boxes of a file say."""

    has_tracks: bool
    """Whether it describes tracks (``moov``)."""
    has_media: bool
    """Whether it has fragments or media data."""
    is_last: bool
    """Whether it declares itself the last segment (brand ``lmsg``)."""
    is_video: bool | None
    """Whether one of its tracks is video; None without ``moov``."""


def read_boxes(path: Path) -> BoxFacts:
    """Return what the boxes of an MP4 file say; what is damaged ends the search."""
    kinds: set[bytes] = set()
    brands = tracks = b""
    with path.open("rb") as file:
        size = path.stat().st_size
        at = 0
        for _ in range(MOST_BOXES):
            if at >= size:  # a box may declare any length, also one that no file can have
                break
            file.seek(at)
            head = file.read(HEAD)
            length = _length(head, size - at)
            if length is None:
                break
            kind = head[4:8]
            kinds.add(kind)
            if kind in (b"ftyp", b"styp"):
                brands += head[8:length]
            if kind == b"moov":
                file.seek(at)
                tracks += file.read(min(length, 64 * HEAD))
            at += length
    return BoxFacts(
        has_tracks=b"moov" in kinds,
        has_media=b"moof" in kinds or b"mdat" in kinds,
        is_last=b"lmsg" in brands,
        is_video=_has_video(tracks) if tracks else None,
    )


def _length(head: bytes, left: int) -> int | None:
    """Return the bytes of the box that begins with ``head``; None if it is none."""
    if len(head) < 8:
        return None
    length = int.from_bytes(head[:4], "big")
    if length == 1 and len(head) >= 16:
        length = int.from_bytes(head[8:16], "big")
    if length == 0:
        length = left
    return length if length >= 8 else None


def _has_video(tracks: bytes) -> bool:
    """Return whether a handler of video is among the tracks."""
    at = tracks.find(b"hdlr")
    while at >= 0:
        if tracks[at + 12 : at + 16] == b"vide":
            return True
        at = tracks.find(b"hdlr", at + 4)
    return False

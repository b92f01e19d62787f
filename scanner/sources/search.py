"""The contents of a folder: playlists, media, and what is skipped; and which of the files a
playlist has read.

A folder stands for all that is in it, so a playlist there may silence nothing: a file counts as its
own only once the playlist's stream has read all of it.

    a file that a playlist names                        is
    and whose stream gave it as a whole segment         skipped, read with the playlist
    in byte ranges that were read and cover all of it   skipped, read with the playlist
    as its init, and it is an MP4 without samples       skipped, read with the playlist
    behind an init, and it is no fragment of an MP4     read by itself too
    in ranges with a hole, as a gap, as another init    read by itself too
    in a playlist that is refused                       read by itself
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner.errors import ScannerError
from scanner.sandbox.opening import open_readonly
from scanner.sources.playlist import ByteRange
from scanner.sources.storage import PlaylistSegment, ReadResource

__all__ = ["MEDIA_SUFFIXES", "PLAYLIST_SUFFIXES", "FilesRead", "MediaFolder", "search_folder"]

PLAYLIST_SUFFIXES: Final = frozenset({".m3u8", ".m3u"})
MEDIA_SUFFIXES: Final = frozenset(
    {
        ".ts",
        ".m2ts",
        ".mts",
        ".mp4",
        ".m4v",
        ".m4s",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".flv",
        ".mpg",
        ".mpeg",
    }
    | {".gif", ".jpg", ".jpeg", ".png", ".webp"}
    | PLAYLIST_SUFFIXES
)
"""Suffixes that a folder is searched for. A file that is named itself is read whatever its name."""
_MAX_INIT_BYTES: Final = 1 << 20
_INIT_BOXES: Final = frozenset({b"ftyp", b"moov", b"free", b"sidx"})
"""Boxes of an init segment, at its top."""
_FRAGMENT_BOXES: Final = frozenset(
    {b"ftyp", b"styp", b"sidx", b"ssix", b"prft", b"emsg", b"moof", b"mdat"}
    | {b"mfra", b"free", b"skip", b"uuid"}
)
"""Boxes at the top of a segment that needs an init segment."""
_MAX_BOXES: Final = 10_000
_MOVIE_BOXES: Final = frozenset({b"mvhd", b"trak", b"mvex", b"udta", b"iods", b"meta", b"pssh"})
"""Boxes of its ``moov``."""
_TRACK_BOXES: Final = frozenset({b"trak", b"mdia", b"minf", b"stbl"})
"""Boxes that contain the tables of samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFolder:
    """The content of a folder and of those below it, each kind sorted."""

    playlists: tuple[str, ...]
    files: tuple[str, ...]
    """Media by their names; and folders that may not be listed, which opening reports."""
    other_names: int
    """Files whose names are not those of media."""
    linked_folders: int
    """Symbolic links to folders, which are not followed."""


def search_folder(folder: Path) -> MediaFolder:
    """Return what a folder holds.

    Everything that has a name of media and is no folder is listed, pipes and broken links too:
    opening them gives an error, so that they are not skipped in silence.
    """
    denied: list[OSError] = []
    playlists, files = list[str](), list[str]()
    others = links = 0
    for place, folders, names in os.walk(folder, onerror=denied.append):
        links += sum(os.path.islink(os.path.join(place, name)) for name in folders)
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if suffix not in MEDIA_SUFFIXES:
                others += 1
                continue
            (playlists if suffix in PLAYLIST_SUFFIXES else files).append(str(Path(place, name)))
    files += [str(error.filename) for error in denied]
    return MediaFolder(
        playlists=tuple(sorted(playlists)),
        files=tuple(sorted(files)),
        other_names=others,
        linked_folders=links,
    )


class FilesRead:
    """The files that the streams of playlists have read."""

    def __init__(self) -> None:
        self._whole: set[str] = set()
        self._inits: set[str] = set()
        self._ranges: dict[str, set[ByteRange]] = defaultdict(set)

    def add(self, segment: PlaylistSegment) -> None:
        """Add the files of a segment that a stream has yielded."""
        if segment.source is None:
            return
        if segment.init_media is not None:
            self._add(segment.init_media, self._inits)
            if not _needs_init(segment.media, segment.init_media):
                return
        self._add(segment.media, self._whole)

    def _add(self, resource: ReadResource, whole: set[str]) -> None:
        if resource.span is None:
            whole.add(resource.location)
            return
        self._ranges[resource.location].add(resource.span)

    def __contains__(self, path: str) -> bool:
        """Return whether a file has been read, all of it."""
        if not (self._whole or self._inits or self._ranges):
            return False
        real = os.path.realpath(path)
        if real in self._whole:
            return True
        if real in self._inits and _is_init(real):
            return True
        spans = self._ranges.get(real)
        return spans is not None and _count_covered(spans) >= _size(real)


def _count_covered(spans: set[ByteRange]) -> int:
    """Return how many bytes from the start of a file are covered without a hole.

    >>> _count_covered({ByteRange(start=4, length=4), ByteRange(start=0, length=5)})
    8
    """
    end = 0
    for span in sorted(spans, key=lambda one: one.start):
        if span.start > end:
            break
        end = max(end, span.start + span.length)
    return end


def _size(path: str) -> float:
    try:
        return os.stat(path).st_size
    except OSError:
        return float("inf")


def _is_init(path: str) -> bool:
    """Return whether a file is an MP4 that has no samples, of which there is nothing to see."""
    try:
        with open_readonly(Path(path), name=path) as descriptor:
            if os.fstat(descriptor).st_size > _MAX_INIT_BYTES:
                return False
            data = os.read(descriptor, _MAX_INIT_BYTES)
        return all(
            kind in _INIT_BOXES and (kind != b"moov" or _is_movie_without_samples(body))
            for kind, body in _boxes(data)
        )
    except (ScannerError, OSError, ValueError):
        return False


def _needs_init(media: ReadResource, init: ReadResource) -> bool:
    """Return whether a segment shows nothing without an init segment. Behind one, anything else may
    be taken for a part of what the init begins, and not be looked at."""
    if media.location == init.location:
        return True
    try:
        with open_readonly(Path(media.location), name=media.location) as descriptor:
            kinds = set(_box_kinds(descriptor))
    except (ScannerError, OSError, ValueError):
        return False
    return b"moof" in kinds and kinds <= _FRAGMENT_BOXES


def _box_kinds(descriptor: int) -> Iterator[bytes]:
    """Yield the kind of each box at the top of a file.

    Raises:
        ValueError: these are no boxes of usual sizes, or very many.
    """
    at, size = 0, os.fstat(descriptor).st_size
    for _ in range(_MAX_BOXES):
        if at == size:
            return
        head = os.pread(descriptor, 8, at)
        length = int.from_bytes(head[:4], "big")
        if not 8 <= length <= size - at:
            raise ValueError(f"a box of {length} bytes")
        yield head[4:8]
        at += length
    raise ValueError(f"over {_MAX_BOXES} boxes")


def _is_movie_without_samples(data: bytes) -> bool:
    return all(
        kind in _MOVIE_BOXES and (kind != b"trak" or _count_samples(body) == 0)
        for kind, body in _boxes(data)
    )


def _count_samples(data: bytes) -> int:
    count = 0
    for kind, body in _boxes(data):
        if kind in _TRACK_BOXES:
            count += _count_samples(body)
        elif kind in (b"stsz", b"stz2"):
            count += int.from_bytes(body[8:12], "big")
    return count


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the content of each box.

    Raises:
        ValueError: these are no boxes of usual sizes.
    """
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if not 8 <= size <= len(data) - at:
            raise ValueError(f"a box of {size} bytes")
        yield data[at + 4 : at + 8], data[at + 8 : at + size]
        at += size

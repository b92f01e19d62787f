"""What a user names, made into arrivals: files, folders, playlists, and addresses of playlists."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from scanner.arrivals import Arrival, Arrived, Lost, NoMore, Unreadable
from scanner.errors import InputError, NoVideoError, ScannerError
from scanner.fetch.limits import FetchLimits
from scanner.fetch.stream import segments_of_playlist
from scanner.types import Segment, SegmentKey, StreamId

__all__ = ["MEDIA_SUFFIXES", "PLAYLIST_SUFFIXES", "arrivals", "expand"]

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
"""What a folder is searched for. A file that is named itself is tried whatever it is called."""
ADDRESSES: Final = ("http://", "https://")
"""How a name begins that is read from the network."""


def arrivals(names: Iterable[str], limits: FetchLimits) -> Iterator[Arrival]:
    """All that the names stand for, in their order, each once; what stands for nothing is told and
    the others go on."""
    told: set[str] = set()
    for name in names:
        try:
            paths = [path for path in expand(name) if path not in told]
        except InputError as why:
            yield Unreadable(path=name, error=why)
            continue
        told.update(paths)
        for path in paths:
            yield from _playlist(path, limits) if _is_playlist(path) else (_file(path),)


def expand(name: str) -> list[str]:
    """The files of a folder, sorted, or the name itself.

    A folder that holds playlists is those streams: the segments beside them are not scanned a
    second time.

    Raises:
        InputError: nothing is there, or nobody may look.
    """
    if name.startswith(ADDRESSES):
        return [name]
    try:
        return _expand(name)
    except OSError as why:
        raise InputError(f"{name}: cannot be opened: {why.strerror}") from why


def _expand(name: str) -> list[str]:
    path = Path(name)
    if not name or not path.exists():
        raise InputError(f"{name or repr(name)}: no such file or folder", kind="not_found")
    if not path.is_dir():
        return [name]
    found = sorted(_media_below(path))
    streams = {inner.parent for inner in found if inner.suffix.lower() in PLAYLIST_SUFFIXES}
    kept = [
        inner
        for inner in found
        if inner.suffix.lower() in PLAYLIST_SUFFIXES
        or streams.isdisjoint((inner.parent, *inner.parents))
    ]
    if not kept:
        raise InputError(
            f"{name}: no media in this folder (by name: {' '.join(sorted(MEDIA_SUFFIXES))})",
            kind="no_media",
        )
    return [str(inner) for inner in kept]


def _media_below(folder: Path) -> Iterator[Path]:
    """Files by their names.

    What nobody may look into is among them: whoever opens it is told so, and the others go on.
    """
    closed: list[OSError] = []
    for place, _, names in os.walk(folder, onerror=closed.append):
        yield from (
            file
            for name in names
            if (file := Path(place, name)).suffix.lower() in MEDIA_SUFFIXES and _may_be_file(file)
        )
    yield from (Path(why.filename) for why in closed)


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True


def _is_playlist(name: str) -> bool:
    path = name.split("?", 1)[0] if name.startswith(ADDRESSES) else name
    return name.startswith(ADDRESSES) or Path(path).suffix.lower() in PLAYLIST_SUFFIXES


def _file(name: str) -> Arrived:
    key = SegmentKey(stream_id=StreamId(name), sequence=0)
    return Arrived(
        path=name, segment=Segment(key=key, source=Path(name)), name=name, windowed=True, last=True
    )


def _playlist(name: str, limits: FetchLimits) -> Iterator[Arrival]:
    stream_id, empty = StreamId(name), True
    try:
        for piece in segments_of_playlist(name, limits):
            empty = False
            key = SegmentKey(stream_id=stream_id, sequence=piece.sequence)
            if piece.source is None:
                yield Lost(path=name, key=key, error=piece.problem)
                continue
            segment = Segment(
                key=key, source=piece.source, init=piece.init, discontinuity=piece.discontinuity
            )
            yield Arrived(path=name, segment=segment, name=piece.name)
    except ScannerError as why:
        yield Unreadable(path=name, error=why)
    else:
        if empty:
            yield Unreadable(path=name, error=NoVideoError(f"{name}: a playlist without a segment"))
    yield NoMore(stream_id=stream_id)

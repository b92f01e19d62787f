"""What a user names, as arrivals: files, folders, playlists, and URLs of playlists."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from scanner.errors import InputError, NoVideoError, ScannerError
from scanner.sources.cancellation import Cancellation
from scanner.sources.hls import follow_playlist
from scanner.sources.http import WallClock
from scanner.sources.limits import FetchLimits
from scanner.sources.merge import FollowedSource, MergedArrivals
from scanner.stream.inputs import (
    Arrival,
    SegmentArrived,
    SegmentLost,
    SourceFailed,
    StreamEnded,
    StreamStarted,
)
from scanner.types import Segment, SegmentKey, StreamId

__all__ = ["MEDIA_SUFFIXES", "PLAYLIST_SUFFIXES", "expand_path", "read_sources"]

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
URL_PREFIXES: Final = ("http://", "https://")


def read_sources(
    names: Iterable[str], limits: FetchLimits, *, clock: WallClock | None = None
) -> MergedArrivals:
    """Yield the arrivals of everything that is named, each path once.

    URLs are followed side by side, in threads (``FetchLimits.concurrent_sources``). Files, and
    playlists on disk, are read in their order while no URL has anything ready. A name that stands
    for nothing gives an ``SourceFailed``, and the others are read. Close the result to end early.
    """
    names = tuple(names)
    urls = dict.fromkeys(name for name in names if name.startswith(URL_PREFIXES))
    followed = tuple(
        FollowedSource(path=url, read=partial(_read_playlist, url, limits, clock)) for url in urls
    )
    local = (name for name in names if name not in urls)
    return MergedArrivals(
        _read_local(local, limits), followed, concurrent=limits.concurrent_sources
    )


def _read_local(names: Iterable[str], limits: FetchLimits) -> Iterator[Arrival]:
    seen: set[str] = set()
    for name in names:
        try:
            paths = [path for path in expand_path(name) if path not in seen]
        except InputError as error:
            yield SourceFailed(path=name, error=error)
            continue
        seen.update(paths)
        for path in paths:
            if Path(path).suffix.lower() in PLAYLIST_SUFFIXES:
                yield from _read_playlist(path, limits)
            else:
                yield _read_file(path)


def expand_path(name: str) -> list[str]:
    """Return the files of a folder, sorted, or the path of a file itself.

    A folder that holds playlists stands for those streams: the segments beside the playlists are
    not read a second time.

    Raises:
        InputError: there is no such file or folder, or it may not be read.
    """
    try:
        return _expand(name)
    except OSError as error:
        raise InputError(f"{name}: cannot be opened: {error.strerror}") from error


def _expand(name: str) -> list[str]:
    path = Path(name)
    if not name or not path.exists():
        raise InputError(f"{name or repr(name)}: no such file or folder", kind="not_found")
    if not path.is_dir():
        return [name]
    found = sorted(_find_media(path))
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


def _find_media(folder: Path) -> Iterator[Path]:
    """Yield files by their suffix.

    Folders that may not be listed are included: opening them gives an error, and the others are
    read.
    """
    denied: list[OSError] = []
    for place, _, names in os.walk(folder, onerror=denied.append):
        yield from (
            file
            for name in names
            if (file := Path(place, name)).suffix.lower() in MEDIA_SUFFIXES and _may_be_file(file)
        )
    yield from (Path(error.filename) for error in denied)


def _may_be_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return True


def _read_file(name: str) -> SegmentArrived:
    key = SegmentKey(stream_id=StreamId(name), sequence=0)
    return SegmentArrived(
        path=name, segment=Segment(key=key, source=Path(name)), name=name, windowed=True, last=True
    )


def _read_playlist(
    name: str,
    limits: FetchLimits,
    clock: WallClock | None = None,
    cancellation: Cancellation | None = None,
) -> Generator[Arrival, None, None]:
    stream_id, is_empty = StreamId(name), True
    try:
        for piece in follow_playlist(name, limits, clock=clock, cancellation=cancellation):
            if is_empty:
                yield StreamStarted(path=name, stream_id=stream_id, first_sequence=piece.sequence)
            is_empty = False
            key = SegmentKey(stream_id=stream_id, sequence=piece.sequence)
            if piece.source is None:
                yield SegmentLost(
                    path=name,
                    key=key,
                    error=piece.problem,
                    duration=piece.duration or None,
                    discontinuity=piece.discontinuity,
                )
                continue
            segment = Segment(
                key=key,
                source=piece.source,
                init=piece.init,
                discontinuity=piece.discontinuity,
                duration=piece.duration or None,
            )
            yield SegmentArrived(path=name, segment=segment, name=piece.name)
    except ScannerError as error:
        yield SourceFailed(path=name, error=error)
    else:
        if is_empty:
            yield SourceFailed(
                path=name, error=NoVideoError(f"{name}: a playlist without a segment")
            )
    yield StreamEnded(stream_id=stream_id)

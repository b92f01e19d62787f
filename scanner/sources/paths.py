"""What a user names, as arrivals: files, folders, playlists, and URLs of playlists."""

from __future__ import annotations

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
from scanner.sources.search import (
    MEDIA_SUFFIXES,
    PLAYLIST_SUFFIXES,
    FilesRead,
    search_folder,
)
from scanner.stream.inputs import (
    Arrival,
    FilesSkipped,
    SegmentArrived,
    SegmentLost,
    SkipKind,
    SourceFailed,
    StreamEnded,
    StreamStarted,
)
from scanner.types import Segment, SegmentKey, StreamId

__all__ = ["read_sources"]

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
            if _is_folder(name):
                yield from _read_folder(name, limits, seen)
            elif name not in seen:
                seen.add(name)
                yield from _read_path(name, limits)
        except InputError as error:
            yield SourceFailed(path=name, error=error)


def _is_folder(name: str) -> bool:
    """Return whether a name is that of a folder.

    Raises:
        InputError: there is no such file or folder, or it may not be read.
    """
    try:
        path = Path(name)
        if not name or not path.exists():
            raise InputError(f"{name or repr(name)}: no such file or folder", kind="not_found")
        return path.is_dir()
    except OSError as error:
        raise InputError(f"{name}: cannot be opened: {error.strerror}") from error


def _read_folder(name: str, limits: FetchLimits, seen: set[str]) -> Iterator[Arrival]:
    """Yield the arrivals of a folder's playlists, then of all files that these have not read.

    Raises:
        InputError: nothing in it has a name of media.
    """
    found, read = search_folder(Path(name)), FilesRead()
    if not (found.playlists or found.files):
        raise InputError(
            f"{name}: no media in this folder (by name: {' '.join(sorted(MEDIA_SUFFIXES))})",
            kind="no_media",
        )
    for path in _unseen(found.playlists, seen):
        yield from _read_playlist(path, limits, read=read)
    skipped = 0
    for path in _unseen(found.files, seen):
        if path in read:
            skipped += 1
            continue
        yield _read_file(path)
    counts: dict[SkipKind, int] = {
        "in_playlist": skipped,
        "other_name": found.other_names,
        "linked_folder": found.linked_folders,
    }
    for kind, files in counts.items():
        if files:
            yield FilesSkipped(path=name, kind=kind, files=files)


def _unseen(paths: Iterable[str], seen: set[str]) -> Iterator[str]:
    for path in paths:
        if path not in seen:
            seen.add(path)
            yield path


def _read_path(path: str, limits: FetchLimits) -> Iterator[Arrival]:
    if Path(path).suffix.lower() in PLAYLIST_SUFFIXES:
        yield from _read_playlist(path, limits)
        return
    yield _read_file(path)


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
    *,
    read: FilesRead | None = None,
) -> Generator[Arrival, None, None]:
    """Yield the arrivals of a playlist; the files of its segments are added to ``read``."""
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
            if read is not None:
                read.add(piece)
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

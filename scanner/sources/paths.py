"""Arrivals of the paths that a user names: files, folders, playlists, and URLs of playlists."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from scanner.errors import InputError, NoVideoError, ScannerError, SetupError
from scanner.sources.cancellation import Cancellation
from scanner.sources.folder import is_young, may_grow
from scanner.sources.limits import FetchLimits
from scanner.sources.merge import FollowedSource, MergedArrivals, PathCount
from scanner.sources.refusals import check_name
from scanner.sources.search import (
    MEDIA_SUFFIXES,
    PLAYLIST_SUFFIXES,
    FilesRead,
    search_folder,
)
from scanner.sources.storage import PlaylistSegment
from scanner.sources.stream_ids import StreamIds
from scanner.sources.wall_clock import WallClock
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
    names: Iterable[str],
    limits: FetchLimits,
    *,
    clock: WallClock | None = None,
    stream_id: StreamId | None = None,
) -> MergedArrivals:
    """Yield the arrivals of everything that is named, each path once.

    URLs, and playlists on disk that may grow, are followed side by side, in threads
    (``FetchLimits.concurrent_sources``). Files, and other playlists on disk, are read in their
    order while nothing that is followed has anything ready. A name that stands
    for nothing gives an ``SourceFailed``, and the others are read. Close the result to end early.
    ``stream_id`` is the id of the only stream; by default, ``scanner.sources.stream_ids`` gives
    each one its own.

    Raises:
        SetupError: ``stream_id`` is empty, or is given for a folder or for several names.
    """
    names, ids = tuple(names), StreamIds(stream_id)
    if stream_id == "":
        raise SetupError("a stream id is empty; give it at least one character")
    if stream_id is not None and (len(names) != 1 or Path(names[0]).is_dir()):
        raise SetupError("a stream id names one stream: give one file, playlist or address with it")
    urls = dict.fromkeys(name for name in names if is_url(name))
    followed = tuple(_followed_source(url, ids.of_playlist(url), limits, clock) for url in urls)
    local = _LocalSources(limits, ids, clock)
    local.paths.total += len(urls)
    local.paths.live += len(urls)
    return MergedArrivals(
        local.read([name for name in names if name not in urls]),
        followed,
        concurrent=limits.concurrent_sources,
        paths=local.paths,
    )


def is_url(name: str) -> bool:
    """Return whether a name is the address of a playlist on a server."""
    return name.lower().startswith(URL_PREFIXES)


def _followed_source(
    url: str, stream_id: StreamId, limits: FetchLimits, clock: WallClock | None
) -> FollowedSource:
    read = partial(_read_playlist, url, stream_id, limits, clock)
    return FollowedSource(path=url, stream_id=stream_id, read=read)


class _LocalSources:
    """Reads files, folders and playlists on disk, one after another and each path once.

    A playlist that may grow is a source to follow, in a thread. It delays no file that is not its
    own: of its folder's files, those are read last which it names or an encoder may just have
    written, when it has ended or after ``stale_seconds``, whichever is first.
    """

    def __init__(self, limits: FetchLimits, ids: StreamIds, clock: WallClock | None) -> None:
        self.paths = PathCount()
        self._limits = limits
        self._ids = ids
        self._clock = clock
        self._now = (clock or WallClock()).now
        self._seen: set[str] = set()
        self._growing: list[_GrowingFolder] = []

    def read(self, names: Sequence[str]) -> Iterator[Arrival | FollowedSource | None]:
        """Yield what the names stand for; None while nothing can be read yet.

        Folders are counted before the first file is read.
        """
        self.paths.total += sum(_count_paths(name) for name in dict.fromkeys(names))
        for name in names:
            yield from self._contain_errors(name, self._read_name(name))
        for folder in self._growing:
            while not folder.is_settled(self._now()):
                yield None
            yield from self._contain_errors(folder.name, self._read_files(folder.name, folder.read))

    def _contain_errors(
        self, name: str, found: Iterator[Arrival | FollowedSource]
    ) -> Iterator[Arrival | FollowedSource]:
        """Yield what is found; an error ends this name and no other."""
        try:
            yield from found
        except InputError as error:
            yield SourceFailed(path=name, error=error)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            yield SourceFailed(path=name, error=InputError(f"{name}: cannot be opened: {reason}"))

    def _read_name(self, name: str) -> Iterator[Arrival | FollowedSource]:
        check_name(name)
        if _is_folder(name):
            yield from self._read_folder(name)
        elif self._is_new(name):
            yield from self._read_path(name)

    def _read_folder(self, name: str) -> Iterator[Arrival | FollowedSource]:
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
        growing: list[str] = []
        for path in filter(self._is_new, found.playlists):
            if may_grow(Path(path), self._limits):
                growing.append(path)
                continue
            yield from self._read_playlist(path, read)
        if not growing:
            yield from self._read_files(name, read)
            return
        until = self._now() + self._limits.stale_seconds
        folder = _GrowingFolder(name=name, read=read, left=len(growing), until=until)
        self._growing.append(folder)
        for path in growing:
            yield self._follow(path, folder)
        for path in found.files:
            if not (is_young(Path(path), self._limits) or path in read) and self._is_new(path):
                yield self._read_file(path)

    def _follow(self, path: str, folder: _GrowingFolder | None = None) -> FollowedSource:
        """Return the source of a playlist that may grow."""
        stream_id = self._ids.of_playlist(path)
        self.paths.live += 1

        def arrivals(cancellation: Cancellation) -> Generator[Arrival, None, None]:
            try:
                yield from _read_playlist(
                    path,
                    stream_id,
                    self._limits,
                    self._clock,
                    cancellation,
                    read=None if folder is None else folder.read,
                )
            finally:
                if folder is not None:
                    folder.left -= 1

        return FollowedSource(path=path, stream_id=stream_id, read=arrivals)

    def _read_files(self, name: str, read: FilesRead) -> Iterator[Arrival]:
        """Yield the files of a folder as it is now, and the counts of those that are skipped."""
        found, skipped = search_folder(Path(name)), 0
        for path in filter(self._is_new, found.files):
            if path in read:
                skipped += 1
                self.paths.total -= 1
                continue
            yield self._read_file(path)
        counts: dict[SkipKind, int] = {
            "in_playlist": skipped,
            "other_name": found.other_names,
            "linked_folder": found.linked_folders,
        }
        for kind, files in counts.items():
            if files:
                yield FilesSkipped(path=name, kind=kind, files=files)

    def _is_new(self, path: str) -> bool:
        if path in self._seen:
            return False
        self._seen.add(path)
        return True

    def _read_path(self, path: str) -> Iterator[Arrival | FollowedSource]:
        if Path(path).suffix.lower() not in PLAYLIST_SUFFIXES:
            yield self._read_file(path)
        elif may_grow(Path(path), self._limits):
            yield self._follow(path)
        else:
            yield from self._read_playlist(path)

    def _read_playlist(self, path: str, read: FilesRead | None = None) -> Iterator[Arrival]:
        return _read_playlist(path, self._ids.of_playlist(path), self._limits, read=read)

    def _read_file(self, name: str) -> SegmentArrived:
        key = SegmentKey(stream_id=self._ids.of_file(Path(name)), sequence=0)
        segment = Segment(key=key, source=Path(name))
        return SegmentArrived(path=name, segment=segment, name=name, windowed=True, last=True)


def _count_paths(name: str) -> int:
    """Return how many paths a name stands for, before playlists tell which files are theirs."""
    try:
        if not Path(name).is_dir():
            return 1
        found = search_folder(Path(name))
    except (OSError, ValueError):
        return 1
    return len(found.playlists) + len(found.files) or 1


@dataclass(slots=True, kw_only=True)
class _GrowingFolder:
    """A folder with playlists that may grow."""

    name: str
    read: FilesRead
    left: int
    """Playlists that have not ended."""
    until: float
    """When files that no playlist has read are taken for files of their own."""

    def is_settled(self, now: float) -> bool:
        """Return whether the rest of its files may be read."""
        return self.left <= 0 or now >= self.until


def _arrival_of(
    piece: PlaylistSegment, name: str, stream_id: StreamId
) -> SegmentArrived | SegmentLost:
    key = SegmentKey(stream_id=stream_id, sequence=piece.sequence)
    if piece.source is None:
        return SegmentLost(
            path=name,
            key=key,
            error=piece.problem,
            duration=piece.duration or None,
            discontinuity=piece.discontinuity,
        )
    segment = Segment(
        key=key,
        source=piece.source,
        init=piece.init,
        discontinuity=piece.discontinuity,
        duration=piece.duration or None,
    )
    return SegmentArrived(path=name, segment=segment, name=piece.name)


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


def _read_playlist(
    name: str,
    stream_id: StreamId,
    limits: FetchLimits,
    clock: WallClock | None = None,
    cancellation: Cancellation | None = None,
    *,
    read: FilesRead | None = None,
) -> Generator[Arrival, None, None]:
    """Yield the arrivals of a playlist; the files of its segments are added to ``read``."""
    from scanner.sources.hls import follow_playlist  # with an HTTP client

    is_empty = True
    try:
        for piece in follow_playlist(name, limits, clock=clock, cancellation=cancellation):
            if is_empty:
                yield StreamStarted(path=name, stream_id=stream_id, first_sequence=piece.sequence)
            is_empty = False
            if read is not None and piece.source is not None:
                read.add(piece)
            yield _arrival_of(piece, name, stream_id)
    except ScannerError as error:
        yield SourceFailed(path=name, error=error)
    else:
        if is_empty:
            yield SourceFailed(
                path=name, error=NoVideoError(f"{name}: a playlist without a segment")
            )
    yield StreamEnded(stream_id=stream_id)

"""Following of one HLS playlist: segment after segment, for a live one while it grows.

    read playlist --> new segments --> ended, or on disk --> end
         ^                 |
         |                 | live
         +----- pause <----+      no growth for stale_seconds, or older than stream_seconds: error

A master playlist is read once; the chosen variant is followed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path
from typing import Final, Protocol

from scanner.errors import DamagedError, InputError, LimitError, RefusedError, TransientError
from scanner.sources.cancellation import Cancellation
from scanner.sources.folder import Folder
from scanner.sources.http import WallClock
from scanner.sources.limits import FetchLimits
from scanner.sources.origin import Origin
from scanner.sources.playlist import (
    ByteRange,
    MasterPlaylist,
    MediaPlaylist,
    PlaylistEntry,
    Resource,
    parse_playlist,
)
from scanner.types import Source

__all__ = ["PlaylistSegment", "PlaylistStorage", "follow_playlist"]

_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.5, 10.0
"""Between two requests of a live playlist, whatever its target duration says."""

MAX_FAILURES_IN_A_ROW: Final = 3
"""When as many consecutive segments cannot be read, the stream is given up; a single one is only
missing."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistSegment:
    """One media segment, read or found missing."""

    sequence: int
    """The playlist's own number."""
    source: Source | None
    """``None``: missing; the sender marked a gap, or the file is not there."""
    init: Source | None
    duration: Fraction
    """Seconds, as the playlist announces them."""
    discontinuity: bool
    """Its timestamps do not continue those of the segment before."""
    name: str
    """Name in messages."""
    problem: InputError | TransientError | None = None
    """The reason why it is missing, if it is there and cannot be read."""


class PlaylistStorage(Protocol):
    """The folder or the origin of a playlist: resolves names to locations that the playlist may
    reference, and reads those."""

    start: str
    """Location of the playlist that was requested."""
    live: bool
    """Whether the playlist may grow; a folder holds recordings and is read once."""

    def resolve(self, name: str, *, base: str) -> str:
        """Return the location of ``name``, which the playlist at ``base`` references.

        Raises:
            RefusedError: it is elsewhere.
        """

    def redact(self, location: str) -> str:
        """Return the location as messages may show it, without passwords."""

    def read_playlist(self, location: str) -> bytes:
        """Return the text of a playlist.

        Raises:
            InputError: there is none.
            LimitError: it is too long.
            TransientError: it cannot be reached now.
        """

    def read_media(self, location: str, span: ByteRange | None) -> Source | None:
        """Return a media file or a range of it; ``None`` if there is no such file, or no longer.

        Raises:
            DamagedError: the range lies outside.
            LimitError: it is too long.
            TransientError: it cannot be reached now.
        """


def follow_playlist(
    where: str | PathLike[str],
    limits: FetchLimits | None = None,
    *,
    clock: WallClock | None = None,
    cancellation: Cancellation | None = None,
) -> Iterator[PlaylistSegment]:
    """Yield each segment of the playlist at ``where``, a path or an http(s) URL, once and in order.

    A live playlist is read again until it ends; one on disk is a recording and read once. Of a
    master playlist one variant is followed (``FetchLimits.variant_height``). A playlist may
    reference what lies in its own folder or at its own origin. ``cancellation`` interrupts pauses,
    unless a ``clock`` is given, and requests.

    Raises:
        FormatError, DamagedError: not a playlist, or not a readable one.
        RefusedError: it references something elsewhere, or its segments are encrypted.
        LimitError: it, or a segment, is over a limit.
        TransientError: the server cannot be reached, or the stream has stopped growing. A segment
            that cannot be read is only missing; the error of the last of
            ``MAX_FAILURES_IN_A_ROW`` is raised.
        SourceCancelledError: reading was cancelled.
    """
    limits, cancellation = limits or FetchLimits(), cancellation or Cancellation()
    clock = clock or WallClock(sleep=cancellation.sleep)
    with ExitStack() as resources:
        storage: PlaylistStorage = (
            resources.enter_context(Origin(str(where), limits, clock, cancellation))
            if _is_url(where)
            else Folder(Path(where), limits)
        )
        yield from _PlaylistFollower(storage, limits, clock).segments()


def _is_url(where: str | PathLike[str]) -> bool:
    return "://" in fspath(where) and not isinstance(where, PathLike)


class _PlaylistFollower:
    """The state between two versions of a playlist."""

    def __init__(self, storage: PlaylistStorage, limits: FetchLimits, clock: WallClock) -> None:
        self._storage = storage
        self._limits = limits
        self._clock = clock
        self._location = storage.start
        self._init: tuple[Resource, Source | None] | None = None
        """The last init segment; consecutive segments share it."""
        self._failures = 0

    def segments(self) -> Iterator[PlaylistSegment]:
        """Yield all segments until the playlist ends."""
        playlist, next_sequence = self._first_playlist(), 0
        started = last_growth = self._clock.now()
        while True:
            new = [entry for entry in playlist.entries if entry.sequence >= next_sequence]
            for entry in new:
                self._check_age(started)
                yield self._read_segment(entry)
                next_sequence, last_growth = entry.sequence + 1, self._clock.now()
            if playlist.ended or not self._storage.live:
                return
            self._check_age(started)
            self._check_growth(last_growth)
            pause = float(playlist.target_duration) / 2
            self._clock.sleep(min(max(pause, _MIN_PAUSE_SECONDS), _MAX_PAUSE_SECONDS))
            playlist = self._media_playlist()

    def _first_playlist(self) -> MediaPlaylist:
        playlist = self._parse()
        if isinstance(playlist, MediaPlaylist):
            return self._check_resources(playlist)
        variant = playlist.choose(self._limits.variant_height)
        self._location = self._storage.resolve(variant.uri, base=self._location)
        log.info("variant chosen", extra={"bandwidth": variant.bandwidth, "height": variant.height})
        return self._media_playlist()

    def _media_playlist(self) -> MediaPlaylist:
        playlist = self._parse()
        if isinstance(playlist, MasterPlaylist):
            raise DamagedError(f"{self._name}: a master playlist where a media playlist belongs")
        return self._check_resources(playlist)

    def _parse(self) -> MediaPlaylist | MasterPlaylist:
        body = self._storage.read_playlist(self._location)
        return parse_playlist(body, self._limits, name=self._name)

    def _check_resources(self, playlist: MediaPlaylist) -> MediaPlaylist:
        """Refuse the whole playlist if it references a single thing elsewhere."""
        for resource in playlist.resources:
            self._storage.resolve(resource.uri, base=self._location)
        return playlist

    @property
    def _name(self) -> str:
        return self._storage.redact(self._location)

    def _read_segment(self, entry: PlaylistEntry) -> PlaylistSegment:
        """Return a segment; it is missing if it cannot be read. A redirect elsewhere ends the
        stream, because that is no accident."""
        location = self._storage.resolve(entry.media.uri, base=self._location)
        source, init, problem = None, None, None
        try:
            source, init = self._read_sources(entry, location)
        except RefusedError:
            raise
        except (InputError, TransientError) as error:
            problem = error
        self._count_failures(problem)
        return PlaylistSegment(
            sequence=entry.sequence,
            source=source,
            init=init,
            duration=entry.duration,
            discontinuity=entry.discontinuity,
            name=self._storage.redact(location),
            problem=problem,
        )

    def _read_sources(
        self, entry: PlaylistEntry, location: str
    ) -> tuple[Source | None, Source | None]:
        """Return the segment and its init; without an init that it needs, it is missing too."""
        init = None if entry.gap else self._read_init(entry)
        if entry.gap or (entry.init is not None and init is None):
            return None, init
        return self._storage.read_media(location, entry.media.span), init

    def _count_failures(self, problem: InputError | TransientError | None) -> None:
        self._failures = 0 if problem is None else self._failures + 1
        if problem is not None and self._failures >= MAX_FAILURES_IN_A_ROW:
            raise problem

    def _read_init(self, entry: PlaylistEntry) -> Source | None:
        if entry.init is None:
            return None
        if self._init is None or self._init[0] != entry.init:
            location = self._storage.resolve(entry.init.uri, base=self._location)
            self._init = (entry.init, self._storage.read_media(location, entry.init.span))
        return self._init[1]

    def _check_age(self, started: float) -> None:
        age, limit = self._clock.now() - started, self._limits.stream_seconds
        if age > limit:
            raise LimitError(
                f"{self._name}: read for {age:.0f} s, limit is {limit:g}", kind="limit_time"
            )

    def _check_growth(self, last_growth: float) -> None:
        idle = self._clock.now() - last_growth
        if idle > self._limits.stale_seconds:
            raise TransientError(f"{self._name}: no new segment for {idle:.0f} s and no end")

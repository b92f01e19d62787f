"""Following of one HLS playlist: segment after segment, for a live one while it grows.

    read playlist --> new segments --> ended, or an old file --> end
         ^                 |
         |                 | live
         +----- pause <----+      no usable answer for stale_seconds, or older than stream_seconds:
                                  what is listed and was not read is missing, then the error

    what happens                              what is done
    the playlist cannot be read               asked for again, with growing pauses
    a segment at the live edge cannot be had  asked for again while it is listed, in its turn
    another segment cannot be had             missing
    sequences go back, or known ones change   an old version from a cache: ignored; other content
                                              or names: the encoder restarted, a new epoch begins

A master playlist is read once; the first variant by its ranking that can be had is followed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Final

from scanner.errors import (
    DamagedError,
    InputError,
    LimitError,
    RefusedError,
    ScannerError,
    TransientError,
)
from scanner.sources.cancellation import Cancellation
from scanner.sources.folder import Folder
from scanner.sources.history import PlaylistHistory
from scanner.sources.http import WallClock
from scanner.sources.limits import FetchLimits
from scanner.sources.origin import Origin
from scanner.sources.playlist import (
    MasterPlaylist,
    MediaPlaylist,
    PlaylistEntry,
    Resource,
    parse_playlist,
)
from scanner.sources.storage import PlaylistSegment, PlaylistStorage, ReadResource
from scanner.types import Source

__all__ = ["PlaylistSegment", "PlaylistStorage", "follow_playlist"]

_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.5, 10.0
"""Between two requests of a live playlist, whatever its target duration says."""
_LIVE_EDGE_SEGMENTS: Final = 3
"""The last segments of the first version, which may still appear; earlier ones are there or
missing."""
_LIVE_EDGE_SECONDS: Final = 10.0
"""A segment that is listed is asked for at least this long, or twice the live edge's duration."""

log = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class _Listed:
    """A segment that was listed and not yielded."""

    entry: PlaylistEntry
    since: float
    """When it was first listed; minus infinity where it is asked for only once more."""
    is_lost: bool = False
    """True if it is not asked for any more: its name may be that of another segment."""


def follow_playlist(
    where: str | PathLike[str],
    limits: FetchLimits | None = None,
    *,
    clock: WallClock | None = None,
    cancellation: Cancellation | None = None,
) -> Iterator[PlaylistSegment]:
    """Yield each segment of the playlist at ``where``, a path or an http(s) URL, once and in order.

    A live playlist is read again until it ends; so is one on disk, unless its file was older than
    ``limits.stale_seconds`` at the start. Of a master playlist one variant is followed
    (``MasterPlaylist.ranked``). A playlist may reference what lies in its own folder or at its own
    origin. ``cancellation`` interrupts pauses, unless a ``clock`` is given, and requests.

    Raises:
        FormatError, DamagedError: not a playlist, or not a readable one.
        RefusedError: it references something elsewhere, or its segments are encrypted.
        LimitError: it, or a segment, is over a limit.
        TransientError: the server cannot be reached, or the stream has stopped growing. A segment
            that cannot be read is only missing.
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
        self._imported: Mapping[str, str] = {}
        """Variables of the master playlist."""
        self._init: tuple[Resource, Source] | None = None
        """The last init segment; consecutive segments share it, up to a discontinuity."""
        self._waiting: dict[int, _Listed] = {}
        """Segments that were listed and not yielded, by their stream sequence, in order."""
        self._history = PlaylistHistory()
        self._shift = 0
        """Stream sequence less the playlist's own; grows when the encoder restarts."""
        self._started = self._usable = self._read_at = 0.0
        """When following began, when something usable came last, and the playlist was last read."""
        self._yielded = False
        self._playlist_failures = 0
        self._problem: ScannerError | None = None
        """Why the last request failed; ``None`` after one that did not."""

    def segments(self) -> Iterator[PlaylistSegment]:
        """Yield all segments until the playlist ends."""
        playlist = self._first_playlist()
        self._started = self._usable = self._read_at = self._clock.now()
        ended = playlist.ended or not self._storage.follow(self._location)
        self._list_first(playlist, ended=ended)
        try:
            while True:
                yield from self._deliver()
                if ended and not self._waiting:
                    return
                self._check_age()
                self._check_growth()
                self._clock.sleep(self._pause(playlist))
                if not ended and (newer := self._poll()) is not None:
                    playlist, ended = newer, newer.ended
                    self._list(playlist)
        except (InputError, TransientError):
            if self._yielded:
                yield from self._abandon()
            raise

    # Playlists

    def _first_playlist(self) -> MediaPlaylist:
        playlist = self._parse()
        if isinstance(playlist, MediaPlaylist):
            return self._check_resources(playlist)
        master, self._imported = self._location, playlist.variables
        problem: InputError | TransientError | None = None
        for variant in playlist.ranked(self._limits.variant_height):
            try:
                self._location = self._storage.resolve(variant.uri, base=master)
                found = self._media_playlist()
            except (InputError, TransientError) as error:
                log.warning("variant cannot be had", extra={"reason": str(error)})
                problem = problem or error
                continue
            log.info(
                "variant chosen",
                extra={"bandwidth": variant.bandwidth, "shorter_edge": variant.shorter_edge},
            )
            return found
        raise problem or DamagedError(f"{self._name}: a master playlist without a variant")

    def _poll(self) -> MediaPlaylist | None:
        """Return the newest version; ``None`` while there is none that can be read."""
        try:
            playlist = self._media_playlist()
        except (RefusedError, LimitError):
            raise
        except (InputError, TransientError) as error:
            log.warning("playlist cannot be read now", extra={"reason": str(error)})
            self._playlist_failures += 1
            self._problem = error
            return None
        self._playlist_failures, self._problem = 0, None
        return playlist

    def _media_playlist(self) -> MediaPlaylist:
        playlist = self._parse()
        if isinstance(playlist, MasterPlaylist):
            raise DamagedError(f"{self._name}: a master playlist where a media playlist belongs")
        return self._check_resources(playlist)

    def _parse(self) -> MediaPlaylist | MasterPlaylist:
        return parse_playlist(
            self._storage.read_playlist(self._location),
            self._limits,
            name=self._name,
            location=self._location,
            imported=self._imported,
        )

    def _check_resources(self, playlist: MediaPlaylist) -> MediaPlaylist:
        """Refuse the whole playlist if it references a single thing elsewhere."""
        for resource in playlist.resources:
            self._storage.resolve(resource.uri, base=self._location)
        return playlist

    @property
    def _name(self) -> str:
        return self._storage.redact(self._location)

    # What a version of the playlist lists

    def _list_first(self, playlist: MediaPlaylist, *, ended: bool) -> None:
        """List the segments of the first version; only the last of a live one may still appear."""
        now = self._clock.now()
        self._add(playlist.entries, since=now)
        if playlist.entries:
            self._history.begin_version(playlist.entries)
        settled = len(playlist.entries) - (0 if ended else _LIVE_EDGE_SEGMENTS)
        for listed in list(self._waiting.values())[: max(settled, 0)]:
            listed.since = -math.inf

    def _list(self, playlist: MediaPlaylist) -> None:
        """List what a later version adds; what it no longer lists is asked for once more."""
        now = self._clock.now()
        elapsed, self._read_at = now - self._read_at, now
        entries = playlist.entries
        if not entries:
            return
        history = self._history
        if history.is_odd(entries) and history.is_restarted(entries, self._read_again):
            self._begin_epoch(playlist, elapsed)
        self._history.begin_version(entries)
        first = entries[0].sequence + self._shift
        for sequence, listed in self._waiting.items():
            if sequence < first:
                listed.since = -math.inf
        for entry in entries:
            if (waiting := self._waiting.get(entry.sequence + self._shift)) is not None:
                is_broken = entry.discontinuity or waiting.entry.discontinuity
                waiting.entry = replace(entry, discontinuity=is_broken)
        following = self._history.next_sequence
        self._add([entry for entry in entries if entry.sequence >= following], since=now)

    def _add(self, entries: Sequence[PlaylistEntry], *, since: float) -> None:
        for entry in entries:
            is_broken = entry.discontinuity or self._history.lost_discontinuity(entry)
            self._waiting[entry.sequence + self._shift] = _Listed(
                entry=replace(entry, discontinuity=is_broken), since=since
            )
            self._history.add(entry)

    def _begin_epoch(self, playlist: MediaPlaylist, elapsed: float) -> None:
        """Continue behind everything that is known with the first segment of a new epoch.

        The encoder counts from 0 as a rule: what it had time to send and no version listed is left
        out of the stream's sequences, which is a gap.
        """
        first = playlist.entries[0].sequence
        typical = float(playlist.entries[0].duration or playlist.target_duration)
        lost = first if first * typical <= elapsed + _MAX_PAUSE_SECONDS else 0
        log.warning(
            "encoder restarted", extra={"playlist": self._name, "sequence": first, "lost": lost}
        )
        for listed in self._waiting.values():
            listed.is_lost = True
        self._shift += self._history.next_sequence + lost - first
        self._history, self._init = PlaylistHistory(first), None
        entry = replace(playlist.entries[0], discontinuity=True)
        self._add([entry], since=self._clock.now())

    def _read_again(self, entry: PlaylistEntry) -> Source | None:
        location = self._storage.resolve(entry.media.uri, base=self._location)
        try:
            return self._storage.read_media(location, entry.media.span)
        except (InputError, TransientError):
            return None

    # Segments

    def _deliver(self) -> Iterator[PlaylistSegment]:
        """Yield what is listed, in order, up to a segment that may still appear."""
        for sequence, listed in list(self._waiting.items()):
            self._check_age()
            self._check_growth()
            piece = self._read_segment(sequence, listed)
            if piece.source is not None or listed.entry.gap:
                self._usable = self._clock.now()
            elif self._may_appear(listed, piece.problem):
                return
            del self._waiting[sequence]
            yield from self._yield(piece)

    def _yield(self, piece: PlaylistSegment) -> Iterator[PlaylistSegment]:
        """Yield a segment; the time that its reader takes does not make the stream stale."""
        before, self._yielded = self._clock.now(), True
        yield piece
        self._usable += self._clock.now() - before

    def _may_appear(self, listed: _Listed, problem: ScannerError | None) -> bool:
        """Return whether a segment that cannot be had is asked for again: at the live edge, a
        server may list it before it has it."""
        if listed.is_lost or isinstance(problem, LimitError):
            return False
        patience = max(_LIVE_EDGE_SEGMENTS * 2 * float(listed.entry.duration), _LIVE_EDGE_SECONDS)
        return self._clock.now() - listed.since < patience

    def _abandon(self) -> Iterator[PlaylistSegment]:
        """Yield what is listed and will not be read any more."""
        for sequence, listed in list(self._waiting.items()):
            del self._waiting[sequence]
            yield self._piece(sequence, listed.entry)

    def _read_segment(self, sequence: int, listed: _Listed) -> PlaylistSegment:
        """Return a segment; it is missing if it cannot be read. A redirect elsewhere ends the
        stream, because that is no accident."""
        entry = listed.entry
        if listed.is_lost:
            return self._piece(sequence, entry)
        source, init, problem = None, None, None
        try:
            source, init = self._read_sources(entry)
        except RefusedError:
            raise
        except (InputError, TransientError) as error:
            problem = error
        self._problem = problem
        if source is not None:
            self._history.add_source(entry.sequence, source)
        return self._piece(sequence, entry, source=source, init=init, problem=problem)

    def _piece(
        self,
        sequence: int,
        entry: PlaylistEntry,
        *,
        source: Source | None = None,
        init: Source | None = None,
        problem: InputError | TransientError | None = None,
    ) -> PlaylistSegment:
        media = self._read_resource(entry.media)
        return PlaylistSegment(
            sequence=sequence,
            source=source,
            init=init,
            duration=entry.duration,
            discontinuity=entry.discontinuity,
            name=self._storage.redact(media.location),
            media=media,
            init_media=None if entry.init is None else self._read_resource(entry.init),
            problem=problem,
        )

    def _read_resource(self, resource: Resource) -> ReadResource:
        location = self._storage.resolve(resource.uri, base=self._location)
        return ReadResource(location, resource.span)

    def _read_sources(self, entry: PlaylistEntry) -> tuple[Source | None, Source | None]:
        """Return the segment and its init; without an init that it needs, it is missing too."""
        if entry.discontinuity or (entry.init is not None and self._history.is_repeated(entry)):
            self._init = None
        init = None if entry.gap else self._read_init(entry)
        if entry.gap or (entry.init is not None and init is None):
            return None, init
        location = self._storage.resolve(entry.media.uri, base=self._location)
        return self._storage.read_media(location, entry.media.span), init

    def _read_init(self, entry: PlaylistEntry) -> Source | None:
        """Return the init segment. After a discontinuity it is read anew, also under its old name:
        an encoder that restarts overwrites it."""
        if entry.init is None:
            return None
        if self._init is None or self._init[0] != entry.init:
            location = self._storage.resolve(entry.init.uri, base=self._location)
            source = self._storage.read_media(location, entry.init.span)
            if source is None:
                return None
            self._init = (entry.init, source)
        return self._init[1]

    # Time

    def _pause(self, playlist: MediaPlaylist) -> float:
        """Seconds until the next request; each failure of the playlist doubles them."""
        pause = float(playlist.target_duration) / 2
        if self._playlist_failures:
            pause = _MIN_PAUSE_SECONDS * 2.0 ** min(self._playlist_failures - 1, 10)
        return min(max(pause, _MIN_PAUSE_SECONDS), _MAX_PAUSE_SECONDS)

    def _check_age(self) -> None:
        age, limit = self._clock.now() - self._started, self._limits.stream_seconds
        if age > limit:
            raise LimitError(
                f"{self._name}: followed for {age:.0f} s, limit is {limit:g}"
                " (fetch.stream_seconds); what follows is not scanned",
                kind="limit_time",
            )

    def _check_growth(self) -> None:
        idle = self._clock.now() - self._usable
        if idle > self._limits.stale_seconds:
            reason = "" if self._problem is None else f"; the last request: {self._problem}"
            raise TransientError(
                f"{self._name}: no new segment for {idle:.0f} s and no #EXT-X-ENDLIST; given up"
                f" (fetch.stale_seconds){reason}"
            )

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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Final

from scanner.errors import (
    InputError,
    LimitError,
    RefusedError,
    ScannerError,
    TransientError,
)
from scanner.media.limits import MAX_INIT_BYTES
from scanner.sources.cancellation import Cancellation
from scanner.sources.folder import Folder
from scanner.sources.history import PlaylistHistory
from scanner.sources.limits import FetchLimits
from scanner.sources.origin import Origin
from scanner.sources.playlist import (
    MediaPlaylist,
    PlaylistEntry,
    Resource,
)
from scanner.sources.playlist_reader import MAX_PAUSE_SECONDS, PlaylistReader
from scanner.sources.storage import PlaylistSegment, PlaylistStorage
from scanner.sources.wall_clock import WallClock
from scanner.types import Source, held_size

__all__ = ["PlaylistSegment", "PlaylistStorage", "follow_playlist"]

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
        self._reader = PlaylistReader(storage, limits, clock)
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

    def segments(self) -> Iterator[PlaylistSegment]:
        """Yield all segments until the playlist ends."""
        playlist = self._reader.first()
        self._started = self._usable = self._read_at = self._clock.now()
        ended = playlist.ended or not self._storage.follow(self._reader.location)
        self._list_first(playlist, ended=ended)
        try:
            while True:
                yield from self._deliver()
                if ended and not self._waiting:
                    return
                self._check_age()
                self._check_growth()
                self._clock.sleep(self._reader.pause(playlist))
                if not ended and (newer := self._reader.newest()) is not None:
                    playlist, ended = newer, newer.ended
                    self._list(playlist)
        except (InputError, TransientError):
            if self._yielded:
                yield from self._abandon()
            raise

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
        if not playlist.entries:
            return
        history = self._history
        if not playlist.is_numbered:
            playlist = replace(playlist, entries=history.number(playlist.entries))
        entries = playlist.entries
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
        lost = first if first * typical <= elapsed + MAX_PAUSE_SECONDS else 0
        log.warning(
            "encoder restarted",
            extra={"playlist": self._reader.name, "sequence": first, "lost": lost},
        )
        for listed in self._waiting.values():
            listed.is_lost = True
        self._shift += self._history.next_sequence + lost - first
        self._history, self._init = PlaylistHistory(first), None
        entry = replace(playlist.entries[0], discontinuity=True)
        self._add([entry], since=self._clock.now())

    def _read_again(self, entry: PlaylistEntry) -> Source | None:
        media = self._reader.locate(entry.media)
        try:
            return self._storage.read_media(media.location, media.span, self._limits.segment_bytes)
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
        self._reader.problem = problem
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
        media = self._reader.locate(entry.media)
        return PlaylistSegment(
            sequence=sequence,
            source=source,
            init=init,
            duration=entry.duration,
            discontinuity=entry.discontinuity,
            name=self._storage.redact(media.location),
            media=media,
            init_media=None if entry.init is None else self._reader.locate(entry.init),
            problem=problem,
        )

    def _read_sources(self, entry: PlaylistEntry) -> tuple[Source | None, Source | None]:
        """Return the segment and its init, which share one limit of bytes; without an init that it
        needs, it is missing too."""
        if entry.discontinuity or (entry.init is not None and self._history.is_repeated(entry)):
            self._init = None
        init = None if entry.gap else self._read_init(entry)
        if entry.gap or (entry.init is not None and init is None):
            return None, init
        media = self._reader.locate(entry.media)
        most = self._limits.segment_bytes - held_size(init)
        return self._storage.read_media(media.location, media.span, most), init

    def _read_init(self, entry: PlaylistEntry) -> Source | None:
        """Return the init segment. After a discontinuity it is read anew, also under its old name:
        an encoder that restarts overwrites it."""
        if entry.init is None:
            return None
        if self._init is None or self._init[0] != entry.init:
            media = self._reader.locate(entry.init)
            most = min(MAX_INIT_BYTES, self._limits.segment_bytes)
            source = self._storage.read_media(media.location, media.span, most)
            if source is None:
                return None
            self._init = (entry.init, source)
        return self._init[1]

    # Time

    def _check_age(self) -> None:
        age, limit = self._clock.now() - self._started, self._limits.stream_seconds
        if age > limit:
            raise LimitError(
                f"{self._reader.name}: followed for {age:.0f} s, limit is {limit:g}"
                " (fetch.stream_seconds); what follows is not scanned",
                kind="limit_time",
            )

    def _check_growth(self) -> None:
        idle = self._clock.now() - self._usable
        if idle > self._limits.stale_seconds:
            problem = self._reader.problem
            reason = "" if problem is None else f"; the last request: {problem}"
            raise TransientError(
                f"{self._reader.name}: no new segment for {idle:.0f} s and no #EXT-X-ENDLIST;"
                f" given up (fetch.stale_seconds){reason}"
            )

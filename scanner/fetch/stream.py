"""An HLS playlist as a stream of segments, live ones while they are made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike, fspath
from pathlib import Path
from typing import Final

from scanner.errors import DamagedError, InputError, LimitError, RefusedError, TransientError
from scanner.fetch.folder import Folder
from scanner.fetch.home import Home
from scanner.fetch.limits import FetchLimits
from scanner.fetch.origin import Origin
from scanner.fetch.pace import Pace
from scanner.fetch.playlist import Entry, Playlist, Resource, Variants, parse
from scanner.types import Source

__all__ = ["PlaylistSegment", "segments_of_playlist"]

_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
"""Between two looks at a live playlist, whatever its target duration says."""

FAILURES_IN_A_ROW: Final = 3
"""Of so many segments one after the other none can be had: then the stream is given up.

A single one costs only itself.
"""

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
    """Its time does not continue that of the segment before."""
    name: str
    """For messages."""
    problem: InputError | TransientError | None = None
    """Why it is missing, where it is there and cannot be had."""


def segments_of_playlist(
    where: str | PathLike[str], limits: FetchLimits | None = None, *, pace: Pace | None = None
) -> Iterator[PlaylistSegment]:
    """Each segment of the playlist at ``where``, a path or an http(s) address, once and in order.

    A live playlist is read again until it ends; one on disk is a recording and read once. Of a
    master playlist one variant is taken (``FetchLimits.variant_height``). A playlist may name what
    lies in its own folder or at its own origin.

    Raises:
        FormatError, DamagedError: not a playlist, or not a readable one.
        RefusedError: it names something elsewhere, or its segments are encrypted.
        LimitError: it, or a segment, is over a limit.
        TransientError: the server cannot be reached, or the stream has stopped growing. A segment
            that cannot be had is only missing; ``FAILURES_IN_A_ROW`` of them are raised.
    """
    limits, pace = limits or FetchLimits(), pace or Pace()
    with ExitStack() as opened:
        home: Home = (
            opened.enter_context(Origin(str(where), limits, pace))
            if _is_address(where)
            else Folder(Path(where), limits)
        )
        yield from _Reader(home, limits, pace).segments()


def _is_address(where: str | PathLike[str]) -> bool:
    return "://" in fspath(where) and not isinstance(where, PathLike)


class _Reader:
    """What has to be remembered between two versions of a playlist."""

    def __init__(self, home: Home, limits: FetchLimits, pace: Pace) -> None:
        self._home = home
        self._limits = limits
        self._pace = pace
        self._location = home.start
        self._init: tuple[Resource, Source | None] | None = None
        """The init segment in force: many segments share it."""
        self._failures = 0

    def segments(self) -> Iterator[PlaylistSegment]:
        """All of them."""
        playlist, following = self._first_playlist(), 0
        began = grew = self._pace.now()
        while True:
            fresh = [entry for entry in playlist.entries if entry.sequence >= following]
            for entry in fresh:
                self._check_age(began)
                yield self._segment(entry)
                following, grew = entry.sequence + 1, self._pace.now()
            if playlist.ended or not self._home.live:
                return
            self._check_age(began)
            self._check_growth(grew)
            self._pace.sleep(
                min(
                    max(float(playlist.target_duration) / 2, _SHORTEST_PAUSE_SECONDS),
                    _LONGEST_PAUSE_SECONDS,
                )
            )
            playlist = self._media_playlist()

    def _first_playlist(self) -> Playlist:
        said = self._parsed()
        if isinstance(said, Playlist):
            return self._checked(said)
        chosen = said.choose(self._limits.variant_height)
        self._location = self._home.locate(chosen.uri, base=self._location)
        log.info("variant chosen", extra={"bandwidth": chosen.bandwidth, "height": chosen.height})
        return self._media_playlist()

    def _media_playlist(self) -> Playlist:
        said = self._parsed()
        if isinstance(said, Variants):
            raise DamagedError(f"{self._name}: a master playlist where a media playlist belongs")
        return self._checked(said)

    def _parsed(self) -> Playlist | Variants:
        return parse(self._home.playlist(self._location), self._limits, name=self._name)

    def _checked(self, playlist: Playlist) -> Playlist:
        """Nothing is read of a playlist that names a single thing elsewhere."""
        for resource in playlist.resources:
            self._home.locate(resource.uri, base=self._location)
        return playlist

    @property
    def _name(self) -> str:
        return self._home.shown(self._location)

    def _segment(self, entry: Entry) -> PlaylistSegment:
        """Missing where it cannot be had; one that leads elsewhere ends the stream, as that is no
        accident."""
        location = self._home.locate(entry.media.uri, base=self._location)
        source, init, problem = None, None, None
        try:
            source, init = self._sources(entry, location)
        except RefusedError:
            raise
        except (InputError, TransientError) as why:
            problem = why
        self._count(problem)
        return PlaylistSegment(
            sequence=entry.sequence,
            source=source,
            init=init,
            duration=entry.duration,
            discontinuity=entry.discontinuity,
            name=self._home.shown(location),
            problem=problem,
        )

    def _sources(self, entry: Entry, location: str) -> tuple[Source | None, Source | None]:
        """The segment and its init; without an init that it needs, it is missing too."""
        init = None if entry.gap else self._init_of(entry)
        absent = entry.gap or (entry.init is not None and init is None)
        return None if absent else self._home.source(location, entry.media.span), init

    def _count(self, problem: InputError | TransientError | None) -> None:
        self._failures = 0 if problem is None else self._failures + 1
        if problem is not None and self._failures >= FAILURES_IN_A_ROW:
            raise problem

    def _init_of(self, entry: Entry) -> Source | None:
        if entry.init is None:
            return None
        if self._init is None or self._init[0] != entry.init:
            location = self._home.locate(entry.init.uri, base=self._location)
            self._init = (entry.init, self._home.source(location, entry.init.span))
        return self._init[1]

    def _check_age(self, began: float) -> None:
        age, limit = self._pace.now() - began, self._limits.stream_seconds
        if age > limit:
            raise LimitError(
                f"{self._name}: read for {age:.0f} s, limit is {limit:g}", kind="limit_time"
            )

    def _check_growth(self, grew: float) -> None:
        still = self._pace.now() - grew
        if still > self._limits.stale_seconds:
            raise TransientError(f"{self._name}: no new segment for {still:.0f} s and no end")

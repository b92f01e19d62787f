"""Reading of one playlist's versions from its storage: the first one, of a variant that can be had,
and the newest one again and again.

A version is refused as a whole if it references a single thing elsewhere.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from scanner.errors import (
    DamagedError,
    InputError,
    LimitError,
    RefusedError,
    ScannerError,
    TransientError,
)
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import MasterPlaylist, MediaPlaylist, Resource, Variant
from scanner.sources.playlist_lines import ParseBudget
from scanner.sources.playlist_parser import parse_playlist
from scanner.sources.storage import PlaylistStorage, ReadResource
from scanner.sources.wall_clock import WallClock

__all__ = ["MAX_PAUSE_SECONDS", "PlaylistReader"]

_MIN_PAUSE_SECONDS: Final = 0.5
MAX_PAUSE_SECONDS: Final = 10.0
"""Between two requests of a live playlist, whatever its target duration says."""
_PAUSE_FACTOR: Final = 20
"""Pause after a version, at least, as a multiple of the processor time that it took: no playlist
keeps a processor busy."""
_MAX_VARIANTS: Final = 16
"""Variants of a master playlist that are tried."""

log = logging.getLogger(__name__)


class PlaylistReader:
    """Reads the versions of one playlist."""

    def __init__(
        self,
        storage: PlaylistStorage,
        limits: FetchLimits,
        clock: WallClock,
        processor_time: Callable[[], float] = time.thread_time,
    ) -> None:
        self._storage = storage
        self._limits = limits
        self._clock = clock
        self._processor_time = processor_time
        self.location = storage.start
        """Of the playlist, or of the variant that was chosen."""
        self._imported: Mapping[str, str] = {}
        """Variables of the master playlist."""
        self._allowed: set[str] = set()
        """Names in the newest version, which may be followed."""
        self._failures = 0
        """Attempts that failed since the last one that did not."""
        self._cost = 0.0
        """Processor seconds that the newest version took."""
        self.problem: ScannerError | None = None
        """Why the last request failed, of a segment too; ``None`` after one that did not."""

    @property
    def name(self) -> str:
        """Name of the playlist in messages."""
        return self._storage.redact(self.location)

    def first(self) -> MediaPlaylist:
        """Return the first version; of a master playlist, that of the best variant that can be had.

        Raises:
            InputError, TransientError: it cannot be read.
        """
        playlist = self._parse()
        if isinstance(playlist, MediaPlaylist):
            return self._check_resources(playlist)
        master, self._imported = self.location, playlist.variables
        problem: InputError | TransientError | None = None
        for variant in self._candidates(playlist):
            try:
                self.location = self._storage.resolve(variant.uri, base=master)
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
        raise problem or DamagedError(f"{self.name}: a master playlist without a variant")

    def _candidates(self, playlist: MasterPlaylist) -> Iterator[Variant]:
        """Yield the variants to try, until it takes as long as a stream may have nothing."""
        end = self._clock.now() + self._limits.stale_seconds
        for variant in playlist.rank(self._limits.variant_height)[:_MAX_VARIANTS]:
            yield variant
            if self._clock.now() > end:
                return

    def newest(self) -> MediaPlaylist | None:
        """Return the newest version; ``None`` while there is none that can be read.

        Raises:
            RefusedError, LimitError: it can never be read.
        """
        try:
            playlist = self._media_playlist()
        except (RefusedError, LimitError):
            raise
        except (InputError, TransientError) as error:
            log.warning("playlist cannot be read now", extra={"reason": str(error)})
            self._failures += 1
            self.problem = error
            return None
        self._failures, self.problem = 0, None
        return playlist

    def locate(self, resource: Resource) -> ReadResource:
        """Return where something lies that the playlist references.

        Raises:
            RefusedError: it is elsewhere.
        """
        location = self._storage.resolve(resource.uri, base=self.location)
        return ReadResource(location, resource.span)

    def pause(self, playlist: MediaPlaylist) -> float:
        """Return the seconds until the next request; each failure doubles them."""
        pause = float(playlist.target_duration) / 2
        if self._failures:
            pause = _MIN_PAUSE_SECONDS * 2.0 ** min(self._failures - 1, 10)
        pause = min(max(pause, _MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
        return max(pause, self._cost * _PAUSE_FACTOR)

    def _media_playlist(self) -> MediaPlaylist:
        playlist = self._parse()
        if isinstance(playlist, MasterPlaylist):
            raise DamagedError(f"{self.name}: a master playlist where a media playlist belongs")
        return self._check_resources(playlist)

    def _parse(self) -> MediaPlaylist | MasterPlaylist:
        body = self._storage.read_playlist(self.location)
        began = self._processor_time()
        try:
            return parse_playlist(
                body,
                self._limits,
                name=self.name,
                location=self.location,
                imported=self._imported,
            )
        finally:
            self._cost = self._processor_time() - began

    def _check_resources(self, playlist: MediaPlaylist) -> MediaPlaylist:
        """Refuse the whole playlist if it references a single thing elsewhere."""
        began, names = self._processor_time(), {resource.uri for resource in playlist.resources}
        budget = ParseBudget(self._limits.parse_seconds, self.name)
        for name in names - self._allowed:
            budget.step()
            self._storage.resolve(name, base=self.location)
        self._allowed = names
        self._cost += self._processor_time() - began
        return playlist

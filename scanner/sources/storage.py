"""Protocols of the places that playlists and their segments are read from."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from scanner.errors import InputError, TransientError
from scanner.sources.playlist import ByteRange
from scanner.types import Source

__all__ = ["PlaylistSegment", "PlaylistStorage", "ReadResource"]


@dataclass(frozen=True, slots=True)
class ReadResource:
    """A file, or a range of it, at its resolved location."""

    location: str
    """Path or URL; it may contain a password."""
    span: ByteRange | None
    """``None``: the whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistSegment:
    """One media segment, read or found missing."""

    sequence: int
    """The playlist's own number; after a restart of the encoder, counted on from the last one
    before."""
    source: Source | None
    """``None``: missing; the sender marked a gap, or the file is not there."""
    init: Source | None
    duration: Fraction
    """Seconds, as the playlist announces them."""
    discontinuity: bool
    """Its timestamps do not continue those of the segment before."""
    name: str
    """Name in messages."""
    media: ReadResource
    """The resource that ``source`` was read from."""
    init_media: ReadResource | None = None
    """The resource that ``init`` was read from."""
    problem: InputError | TransientError | None = None
    """The reason why it is missing, if it is there and cannot be read."""


class PlaylistStorage(Protocol):
    """The folder or the origin of a playlist: resolves names to locations that the playlist may
    reference, and reads those."""

    start: str
    """Location of the playlist that was requested."""

    def resolve(self, name: str, *, base: str) -> str:
        """Return the location of ``name``, which the playlist at ``base`` references.

        Raises:
            RefusedError: it is elsewhere.
        """

    def redact(self, location: str) -> str:
        """Return the location as messages may show it, without passwords."""

    def follow(self, location: str) -> bool:
        """Return whether the playlist at this location, which has no end, may grow; from now on
        its segments are read as those of a live stream."""

    def read_playlist(self, location: str) -> bytes:
        """Return the text of a playlist.

        Raises:
            InputError: there is none.
            LimitError: it is too long.
            TransientError: it cannot be reached now.
        """

    def read_media(self, location: str, span: ByteRange | None, most: int) -> Source | None:
        """Return a media file or a range of it, at most ``most`` bytes unless it is a local file
        that its reader opens; ``None`` if there is no such file, or no longer.

        Raises:
            DamagedError: the range lies outside.
            LimitError: it is too long.
            TransientError: it cannot be reached now.
        """

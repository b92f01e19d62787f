"""The segments that versions of a live playlist listed so far, to tell a restarted encoder from a
cache that serves an old version.

    a version                                        is
    continues what was listed                        the next version
    goes back, or changes what it said of a segment  odd: content decides where a listed segment was
                                                     read, else names do
    odd, the same content or names                   an old version, or one that was cut
    odd, other content or names, or none known       of a restarted encoder
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from scanner.sources.playlist import PlaylistEntry
from scanner.spooled import SpooledBytes
from scanner.types import Source

__all__ = ["PlaylistHistory"]

DIGEST_BYTES: Final = 16
SEGMENTS_KEPT: Final = 4096
"""Segments that are remembered."""


@dataclass(slots=True, kw_only=True)
class _Known:
    """A segment that was listed."""

    entry: PlaylistEntry
    digest: bytes | None = None
    """Hash of its content, once it was read."""


class PlaylistHistory:
    """The latest segments that were listed since the encoder started."""

    def __init__(self, next_sequence: int = 0) -> None:
        self.next_sequence = next_sequence
        """The sequence after the last one that was listed."""
        self._known: dict[int, _Known] = {}
        self._first = 0
        """The first sequence of the newest version."""

    def add(self, entry: PlaylistEntry) -> None:
        """Remember a segment that is listed for the first time."""
        self._known[entry.sequence] = _Known(entry=entry)
        self.next_sequence = entry.sequence + 1
        if len(self._known) > SEGMENTS_KEPT:
            del self._known[next(iter(self._known))]

    def add_source(self, sequence: int, source: Source) -> None:
        """Remember the content of a segment that was read."""
        if (known := self._known.get(sequence)) is not None:
            known.digest = _digest(source)

    def number(self, entries: Sequence[PlaylistEntry]) -> tuple[PlaylistEntry, ...]:
        """Return the entries of a version that does not number them, numbered by the names that it
        shares with those that were listed; those of a version that shares none follow them."""
        known = {one.entry.media: sequence for sequence, one in self._known.items()}
        shared = (known[one.media] - one.sequence for one in entries if one.media in known)
        shift = next(shared, self.next_sequence)
        return tuple(replace(one, sequence=max(one.sequence + shift, 0)) for one in entries)

    def lost_discontinuity(self, entry: PlaylistEntry) -> bool:
        """Return whether a discontinuity was among the segments before this one that were never
        listed here."""
        before = self._known.get(self.next_sequence - 1)
        return (
            before is not None
            and entry.sequence > self.next_sequence
            and entry.discontinuity_sequence is not None
            and before.entry.discontinuity_sequence is not None
            and entry.discontinuity_sequence != before.entry.discontinuity_sequence
        )

    def begin_version(self, entries: Sequence[PlaylistEntry]) -> None:
        """Remember where a version begins."""
        self._first = entries[0].sequence

    def is_repeated(self, entry: PlaylistEntry) -> bool:
        """Return whether an earlier segment had the same name."""
        return any(
            known.entry.media == entry.media
            for sequence, known in self._known.items()
            if sequence != entry.sequence
        )

    def is_odd(self, entries: Sequence[PlaylistEntry]) -> bool:
        """Return whether a version does not continue what was listed before: its sequences go
        back, or what it says of a known sequence has changed."""
        if entries[0].sequence < self._first or entries[-1].sequence < self.next_sequence - 1:
            return True
        return any(
            (known.entry.duration, known.entry.discontinuity_sequence, known.entry.date)
            != (entry.duration, entry.discontinuity_sequence, entry.date)
            for entry in entries
            if (known := self._known.get(entry.sequence)) is not None
        )

    def is_restarted(
        self,
        entries: Sequence[PlaylistEntry],
        read: Callable[[PlaylistEntry], Source | None],
    ) -> bool:
        """Return whether an odd version is of a restarted encoder; ``read`` gives the content of a
        segment that it lists, or ``None``."""
        known = [entry for entry in entries if entry.sequence in self._known]
        if not known:
            return True
        for entry in reversed(known):
            digest = self._known[entry.sequence].digest
            if digest is None:
                continue
            source = read(entry)
            if source is not None:
                return _digest(source) != digest
            break
        return any(
            not _is_same_name(self._known[entry.sequence].entry.media.uri, entry.media.uri)
            for entry in known
        )


def _digest(source: Source) -> bytes | None:
    """Return what tells the content of a segment from any other; ``None`` for a file."""
    if isinstance(source, SpooledBytes):
        return source.digest(DIGEST_BYTES)
    return blake2b(source, digest_size=DIGEST_BYTES).digest() if isinstance(source, bytes) else None


def _is_same_name(known: str, name: str) -> bool:
    """Return whether two names are of one file: query apart, which may be a token, and but for an
    end that was cut."""
    known, name = (text.partition("?")[0] for text in (known, name))
    return known.startswith(name) or name.startswith(known)

"""Playlists and MPDs that encoders push, as a publishing point takes them.

Names become paths below the publishing point. Only the newest entries are kept: a playlist that
grows for a day is pushed with every segment.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from scanner.errors import LimitError
from scanner.ingest.inputs import ListedSegment, Listing, OfferedRendition
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import MasterPlaylist, MediaPlaylist, PlaylistEntry, Variant
from scanner.sources.playlist_parser import parse_playlist

__all__ = ["ENTRIES_KEPT", "Manifest", "offer", "read_playlist", "resolve_name"]

ENTRIES_KEPT: Final = 256
"""Newest entries of a list that are kept."""
PATH_LENGTH: Final = 1024

Manifest = tuple[tuple[OfferedRendition, ...], tuple[Listing, ...]]
"""The renditions that are offered, the one to scan first; and their lists."""


def read_playlist(body: bytes, *, path: str, prefix: str, limits: FetchLimits) -> Manifest:
    """Return what an HLS playlist at ``path`` of a publishing point says.

    ``prefix`` is the point's path on this server, by which it may be named in full.

    Raises:
        InputError: it is no playlist, or it cannot be read.
        LimitError: it is too large.
    """
    if len(body) > limits.playlist_bytes:
        raise LimitError(
            f"{path}: {len(body)} bytes, limit is {limits.playlist_bytes}", kind="limit_bytes"
        )
    playlist = parse_playlist(body, limits, name=path)
    if isinstance(playlist, MasterPlaylist):
        named = [(resolve_name(one.uri, path, prefix), one) for one in playlist.variants]
        return offer(named, limits.variant_height), ()
    return (), (_listing(playlist, path, prefix),)


def offer(named: Sequence[tuple[str | None, Variant]], edge: int) -> tuple[OfferedRendition, ...]:
    """Return renditions by their names, ranked as variants of a master playlist are."""
    names = {id(variant): name for name, variant in named}
    ranked = MasterPlaylist(variants=tuple(variant for _, variant in named)).rank(edge)
    return tuple(
        OfferedRendition(name=name, is_video=not one.is_audio_only)
        for one in ranked
        if (name := names[id(one)]) is not None
    )


def _listing(playlist: MediaPlaylist, path: str, prefix: str) -> Listing:
    """Return a media playlist's list; one of byte ranges of a file has no entries."""
    newest = playlist.entries[-ENTRIES_KEPT:]
    if any(one.media.span is not None for one in newest):
        newest = ()
    first = newest[0] if newest else None
    return Listing(
        rendition=path,
        first=0 if first is None else first.sequence,
        entries=tuple(_entry(one, path, prefix) for one in newest),
        target=playlist.target_duration,
        ended=playlist.ended,
        discontinuity_sequence=None if first is None else first.discontinuity_sequence,
    )


def _entry(entry: PlaylistEntry, path: str, prefix: str) -> ListedSegment:
    init = None if entry.init is None else resolve_name(entry.init.uri, path, prefix)
    name = resolve_name(entry.media.uri, path, prefix)
    return ListedSegment(
        path=name or "",
        duration=entry.duration or None,
        discontinuity=entry.discontinuity,
        gap=entry.gap or name is None,
        init=init,
    )


def resolve_name(uri: str, path: str, prefix: str) -> str | None:
    """Return the path below a publishing point that a name in the object at ``path`` has; None for
    one that leaves it.

    >>> resolve_name("a/s1.ts?x=1", "live/index.m3u8", "/ingest/tv/")
    'live/a/s1.ts'
    >>> resolve_name("https://cdn.example/other/s1.ts", "live/index.m3u8", "/ingest/tv/")
    'live/s1.ts'
    """
    parts = urlsplit(uri)
    name, folder = unquote(parts.path), posixpath.dirname(path)
    if name.startswith(prefix):
        folder, name = "", name[len(prefix) :]
    elif parts.netloc or name.startswith("/"):
        name = posixpath.basename(name)
    joined = posixpath.normpath(posixpath.join(folder, name))
    if joined in (".", "..") or joined.startswith(("../", "/")) or len(joined) > PATH_LENGTH:
        return None
    return joined

"""Parser of playlists: text in, frozen nouns out. The text is hostile input like any other."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import m3u8

from scanner.errors import DamagedError, FormatError, LimitError, RefusedError
from scanner.sources.limits import FetchLimits

__all__ = [
    "ByteRange",
    "MasterPlaylist",
    "MediaPlaylist",
    "PlaylistEntry",
    "Resource",
    "Variant",
    "parse_playlist",
]

_RANGE = re.compile(r"(\d{1,15})(?:@(\d{1,15}))?")
_MAX_DURATION = 24 * 3600
"""Seconds; a longer duration is refused."""
_MAX_SEQUENCE = 1 << 62
"""Far beyond any stream, and still a 64-bit number after adding to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """A part of a file: ``length`` bytes from ``start``."""

    start: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A file, or a range of it, as a playlist references it."""

    uri: str
    span: ByteRange | None = None
    """``None``: the whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistEntry:
    """One media segment of a playlist."""

    sequence: int
    media: Resource
    init: Resource | None
    duration: Fraction
    """Seconds, as the playlist announces them."""
    discontinuity: bool
    gap: bool
    """The sender marked the segment as absent (``EXT-X-GAP``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """One version of a media playlist."""

    entries: tuple[PlaylistEntry, ...]
    """Ordered by their sequence."""
    target_duration: Fraction
    ended: bool
    """No segment will be added."""

    @property
    def resources(self) -> Iterator[Resource]:
        """Everything that the playlist references."""
        for entry in self.entries:
            yield entry.media
            if entry.init is not None:
                yield entry.init


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One rendition that a master playlist offers."""

    uri: str
    bandwidth: int
    height: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterPlaylist:
    """A playlist of variants of one stream."""

    variants: tuple[Variant, ...]

    def choose(self, height: int) -> Variant:
        """Return the variant with the highest bandwidth that is not taller than ``height``; if all
        are taller, the one with the lowest bandwidth.

        >>> low = Variant(uri="low", bandwidth=1, height=360)
        >>> high = Variant(uri="high", bandwidth=9, height=2160)
        >>> MasterPlaylist(variants=(low, high)).choose(1080).uri
        'low'
        """
        fitting = [
            variant
            for variant in self.variants
            if variant.height is None or variant.height <= height
        ]
        if fitting:
            return max(fitting, key=lambda variant: variant.bandwidth)
        return min(self.variants, key=lambda variant: variant.bandwidth)


def parse_playlist(
    body: bytes, limits: FetchLimits, *, name: str
) -> MediaPlaylist | MasterPlaylist:
    """Parse a playlist; ``name`` stands for it in messages.

    Raises:
        FormatError: it is not a playlist.
        DamagedError: it is a playlist that cannot be read.
        RefusedError: its segments are encrypted.
        LimitError: it has too many segments, or a line that is too long.
    """
    text = _decode_text(body, limits, name)
    try:
        parsed = m3u8.loads(text)
        if parsed.is_variant:
            return _master_playlist(parsed)
        return _media_playlist(parsed, limits, name)
    except (DamagedError, LimitError, RefusedError):
        raise
    except Exception as error:  # m3u8 raises whatever error a text causes in it
        raise DamagedError(
            f"{name}: not a readable playlist: {type(error).__name__}: {str(error)[:200]}"
        ) from error


def _decode_text(body: bytes, limits: FetchLimits, name: str) -> str:
    if not body.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        raise FormatError(f"{name}: not a playlist, its first line is not #EXTM3U")
    longest = max(len(line) for line in body.splitlines())
    if longest > limits.line_bytes:
        raise LimitError(
            f"{name}: a line of {longest} bytes, limit is {limits.line_bytes}", kind="limit_bytes"
        )
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedError(f"{name}: playlist is not UTF-8: {error}") from error


def _master_playlist(parsed: Any) -> MasterPlaylist:
    variants = tuple(
        Variant(
            uri=offer.uri,
            bandwidth=int(offer.stream_info.bandwidth or 0),
            height=offer.stream_info.resolution[1] if offer.stream_info.resolution else None,
        )
        for offer in parsed.playlists
        if offer.uri
    )
    if not variants:
        raise ValueError("a master playlist without a variant")
    return MasterPlaylist(variants=variants)


def _media_playlist(parsed: Any, limits: FetchLimits, name: str) -> MediaPlaylist:
    segments = [segment for segment in parsed.segments if segment.uri]
    if len(segments) > limits.segments:
        raise LimitError(
            f"{name}: {len(segments)} segments, limit is {limits.segments}", kind="limit_segments"
        )
    entries = tuple(_entries(segments, int(parsed.media_sequence or 0), name))
    longest = max((entry.duration for entry in entries), default=Fraction(1))
    return MediaPlaylist(
        entries=entries,
        target_duration=_duration(parsed.target_duration) or longest,
        ended=bool(parsed.is_endlist) or parsed.playlist_type == "vod",
    )


def _entries(segments: list[Any], first: int, name: str) -> Iterator[PlaylistEntry]:
    if not 0 <= first <= _MAX_SEQUENCE:
        raise ValueError(f"media sequence {first}")
    # Where the last byte range of each file ended: a range without an offset begins there
    ends: dict[str, int] = {}
    for sequence, segment in enumerate(segments, start=first):
        key = segment.key
        if key is not None and key.method not in (None, "NONE"):
            raise RefusedError(
                f"{name}: segment {sequence} is encrypted ({key.method}); only clear ones are read"
            )
        span = _byte_range(segment.byterange, ends.get(segment.uri, 0))
        if span is not None:
            ends[segment.uri] = span.start + span.length
        yield PlaylistEntry(
            sequence=sequence,
            media=Resource(uri=segment.uri, span=span),
            init=_init(segment.init_section),
            duration=_duration(segment.duration),
            discontinuity=bool(segment.discontinuity),
            gap=bool(segment.gap_tag),
        )


def _init(section: Any) -> Resource | None:
    if section is None:
        return None
    if not section.uri:
        raise ValueError("an EXT-X-MAP without URI")
    return Resource(uri=section.uri, span=_byte_range(section.byterange, 0))


def _byte_range(text: str | None, start: int) -> ByteRange | None:
    if not text:
        return None
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"byte range {text!r}")
    length, offset = match.groups()
    return ByteRange(start=start if offset is None else int(offset), length=int(length))


def _duration(number: float | int | None) -> Fraction:
    value = number or 0
    if not math.isfinite(value) or not 0 <= value <= _MAX_DURATION:
        raise ValueError(f"a duration of {value} s")
    return Fraction(str(value))

"""What a playlist says: its text in, frozen nouns out. It is as hostile as any other input."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import m3u8

from scanner.errors import DamagedError, FormatError, LimitError, RefusedError
from scanner.fetch.limits import FetchLimits

__all__ = ["ByteRange", "Entry", "Playlist", "Resource", "Variant", "Variants", "parse"]

_RANGE = re.compile(r"(\d{1,15})(?:@(\d{1,15}))?")
_LONGEST_SECONDS = 24 * 3600
"""Of a duration that is believed."""
_LARGEST_SEQUENCE = 1 << 62
"""Far beyond any stream, and still a 64-bit number after adding to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """A piece of a file: ``length`` bytes from ``start``."""

    start: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Something that a playlist names, as it names it."""

    uri: str
    span: ByteRange | None = None
    """``None``: all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One media segment of a playlist."""

    sequence: int
    media: Resource
    init: Resource | None
    duration: Fraction
    """Seconds, as announced."""
    discontinuity: bool
    gap: bool
    """The sender says that it has nothing there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Playlist:
    """A media playlist at one moment."""

    entries: tuple[Entry, ...]
    """In order of their sequence."""
    target_duration: Fraction
    ended: bool
    """Nothing will be added."""

    @property
    def resources(self) -> Iterator[Resource]:
        """Everything it names."""
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
class Variants:
    """A master playlist."""

    variants: tuple[Variant, ...]

    def choose(self, height: int) -> Variant:
        """The one with the most bits a second that is not taller than ``height``; where all are,
        the one with the fewest.

        >>> low, high = Variant(uri="low", bandwidth=1, height=360), Variant(uri="high", bandwidth=9, height=2160)
        >>> Variants(variants=(low, high)).choose(1080).uri
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


def parse(body: bytes, limits: FetchLimits, *, name: str) -> Playlist | Variants:
    """The playlist that ``body`` is.

    Raises:
        FormatError: it is none.
        DamagedError: it is one, and cannot be read.
        RefusedError: its segments are encrypted.
        LimitError: too many segments, or a line that is too long.
    """
    text = _text(body, limits, name)
    try:
        said = m3u8.loads(text)
        return _variants(said) if said.is_variant else _playlist(said, limits, name)
    except (DamagedError, LimitError, RefusedError):
        raise
    except Exception as why:  # m3u8 lets out whatever a text makes Python raise
        raise DamagedError(
            f"{name}: not a readable playlist: {type(why).__name__}: {str(why)[:200]}"
        ) from why


def _text(body: bytes, limits: FetchLimits, name: str) -> str:
    if not body.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        raise FormatError(f"{name}: not a playlist, its first line is not #EXTM3U")
    longest = max(len(line) for line in body.splitlines())
    if longest > limits.line_bytes:
        raise LimitError(
            f"{name}: a line of {longest} bytes, limit is {limits.line_bytes}", kind="limit_bytes"
        )
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as why:
        raise DamagedError(f"{name}: playlist is not UTF-8: {why}") from why


def _variants(said: Any) -> Variants:
    variants = tuple(
        Variant(
            uri=offer.uri,
            bandwidth=int(offer.stream_info.bandwidth or 0),
            height=offer.stream_info.resolution[1] if offer.stream_info.resolution else None,
        )
        for offer in said.playlists
        if offer.uri
    )
    if not variants:
        raise ValueError("a master playlist without a variant")
    return Variants(variants=variants)


def _playlist(said: Any, limits: FetchLimits, name: str) -> Playlist:
    segments = [segment for segment in said.segments if segment.uri]
    if len(segments) > limits.segments:
        raise LimitError(
            f"{name}: {len(segments)} segments, limit is {limits.segments}", kind="limit_segments"
        )
    entries = tuple(_entries(segments, int(said.media_sequence or 0), name))
    longest = max((entry.duration for entry in entries), default=Fraction(1))
    return Playlist(
        entries=entries,
        target_duration=_seconds(said.target_duration) or longest,
        ended=bool(said.is_endlist) or said.playlist_type == "vod",
    )


def _entries(segments: list[Any], first: int, name: str) -> Iterator[Entry]:
    if not 0 <= first <= _LARGEST_SEQUENCE:
        raise ValueError(f"media sequence {first}")
    ends: dict[str, int] = {}
    """Where the last byte range of each file ended: the next one may start there without saying so.
    """
    for sequence, segment in enumerate(segments, start=first):
        key = segment.key
        if key is not None and key.method not in (None, "NONE"):
            raise RefusedError(
                f"{name}: segment {sequence} is encrypted ({key.method}); only clear ones are read"
            )
        span = _span(segment.byterange, ends.get(segment.uri, 0))
        if span is not None:
            ends[segment.uri] = span.start + span.length
        yield Entry(
            sequence=sequence,
            media=Resource(uri=segment.uri, span=span),
            init=_init(segment.init_section),
            duration=_seconds(segment.duration),
            discontinuity=bool(segment.discontinuity),
            gap=bool(segment.gap_tag),
        )


def _init(said: Any) -> Resource | None:
    if said is None:
        return None
    if not said.uri:
        raise ValueError("an EXT-X-MAP without URI")
    return Resource(uri=said.uri, span=_span(said.byterange, 0))


def _span(said: str | None, start: int) -> ByteRange | None:
    if not said:
        return None
    match = _RANGE.fullmatch(said.strip())
    if match is None:
        raise ValueError(f"byte range {said!r}")
    length, offset = match.groups()
    return ByteRange(start=start if offset is None else int(offset), length=int(length))


def _seconds(said: float | int | None) -> Fraction:
    value = said or 0
    if not math.isfinite(value) or not 0 <= value <= _LONGEST_SECONDS:
        raise ValueError(f"a duration of {value} s")
    return Fraction(str(value))

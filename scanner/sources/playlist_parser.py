"""Parser of playlists: text in, frozen nouns out. The text is hostile input like any other.

Read as players read them: a tag that is not needed, or a bad value in one whose meaning has a
substitute, is ignored and logged. What is needed and cannot be read is an error that names the
line, the tag, its value and what is wanted instead.

    tag                       a bad value
    EXTINF                    the number that it begins with; without one, below 0 or over a day
                              the duration is unknown: the segment's media tells it
    EXT-X-MEDIA-SEQUENCE      the number that it begins with; without one the playlist is not
                              numbered: versions are joined by the names that they share
    EXT-X-BYTERANGE, EXT-X-MAP: an error
    EXT-X-KEY                 any method but NONE is refused
    EXT-X-DEFINE              ignored: an error where the variable is used
    EXT-X-TARGETDURATION      ignored: the longest segment counts
    EXT-X-DISCONTINUITY-SEQUENCE, attributes of EXT-X-STREAM-INF: ignored
    all others                not read
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

from scanner.errors import LimitError
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import (
    ByteRange,
    MasterPlaylist,
    MediaPlaylist,
    PlaylistEntry,
    Resource,
    Variant,
)
from scanner.sources.playlist_lines import (
    PlaylistLine,
    PlaylistLines,
    decode_text,
    parse_leading_number,
    parse_number,
)

__all__ = ["parse_playlist"]

_RANGE = re.compile(r"(\d{1,15})(?:@(\d{1,15}))?")
_RESOLUTION = re.compile(r"(\d{1,6})[xX](\d{1,6})")
_MAX_DURATION = 24 * 3600
"""Seconds; a longer duration is unknown."""
_MAX_SEQUENCE = 1 << 62
"""Far beyond any stream, and still a 64-bit number after adding to it."""


def parse_playlist(
    body: bytes,
    limits: FetchLimits,
    *,
    name: str,
    location: str = "",
    imported: Mapping[str, str] | None = None,
) -> MediaPlaylist | MasterPlaylist:
    """Parse a playlist; ``name`` stands for it in messages.

    ``location`` is its URL, whose query it may use (``EXT-X-DEFINE:QUERYPARAM``), and ``imported``
    what its master playlist defines (``EXT-X-DEFINE:IMPORT``).

    Raises:
        FormatError: it is not a playlist.
        DamagedError: it is a playlist that cannot be read.
        RefusedError: its segments are encrypted.
        LimitError: it has too many segments or lines, or a line that is too long, is too long when
            it is unpacked, or takes too long to read.
    """
    text = decode_text(body, limits, name)
    lines = PlaylistLines(text, name, location, imported or {}, limits)
    return _MasterReader(lines).read() if lines.is_master else _MediaReader(lines, limits).read()


class _MasterReader:
    """Reads a master playlist."""

    def __init__(self, lines: PlaylistLines) -> None:
        self._lines = lines

    def read(self) -> MasterPlaylist:
        variants: list[Variant] = []
        offer: PlaylistLine | None = None
        for line in self._lines:
            if line.tag == "EXT-X-STREAM-INF":
                offer = line
            elif not line.tag and offer is not None:
                variants.append(self._variant(offer, line))
                offer = None
        if not variants:
            raise self._lines.damaged_error(
                offer or PlaylistLine(0, "EXTM3U", ""), "the name of a variant"
            )
        return MasterPlaylist(variants=tuple(variants), variables=dict(self._lines.variables))

    def _variant(self, offer: PlaylistLine, name: PlaylistLine) -> Variant:
        found = self._lines.attributes(offer)
        size = _RESOLUTION.fullmatch(found.get("RESOLUTION", "").strip('"'))
        bandwidth = parse_number(found.get("BANDWIDTH", ""))
        if size is None and "RESOLUTION" in found:
            self._lines.ignore(offer, "RESOLUTION as WIDTHxHEIGHT")
        if bandwidth is None:
            self._lines.ignore(offer, "BANDWIDTH as a whole number")
        codecs = (codec.strip().lower() for codec in found.get("CODECS", "").split(","))
        return Variant(
            uri=self._lines.substitute(name, name.value),
            bandwidth=int(bandwidth or 0),
            width=None if size is None else int(size[1]),
            height=None if size is None else int(size[2]),
            codecs=tuple(codec for codec in codecs if codec),
        )


_ReadTag = Callable[["_MediaReader", PlaylistLine], None]


class _MediaReader:
    """Reads a media playlist: tags change what holds for the next segment, a name completes it."""

    def __init__(self, lines: PlaylistLines, limits: FetchLimits) -> None:
        self._lines = lines
        self._limits = limits
        self._entries: list[PlaylistEntry] = []
        self._count = 0
        """Segments so far; more than entries where that is over the limit."""
        self._first: int | None = None
        self._discontinuities: int | None = None
        self._target = Fraction(0)
        self._ended = False
        # What holds for all segments from here on
        self._init: Resource | None = None
        self._key: PlaylistLine | None = None
        self._method = "NONE"
        """Of the key."""
        self._ends: dict[str, int] = {}
        """Where the last byte range of each file ended: one without an offset begins there."""
        # What holds for the next segment
        self._duration: Fraction | None = None
        self._span: PlaylistLine | None = None
        self._discontinuity = self._gap = False
        self._date: str | None = None

    def read(self) -> MediaPlaylist:
        for line in self._lines:
            if (read := self._WHOLE.get(line.tag)) is not None:
                read(self, line)
        for line in self._lines:
            if not line.tag:
                self._add(line)
            elif (read := self._INSIDE.get(line.tag)) is not None:
                read(self, line)
        if self._count > self._limits.segments:
            raise LimitError(
                f"{self._lines.name}: {self._count} segments, limit is {self._limits.segments}",
                kind="limit_segments",
            )
        longest = max((entry.duration for entry in self._entries), default=Fraction(0))
        return MediaPlaylist(
            entries=tuple(self._entries),
            target_duration=self._target or longest or Fraction(1),
            ended=self._ended,
            is_numbered=self._first is not None,
        )

    def _add(self, line: PlaylistLine) -> None:
        """Add the segment of a name. A name without EXTINF or byte range is none."""
        if self._duration is None and self._span is None:
            self._lines.ignore(line, "EXTINF before a name")
            return
        sequence = (self._first or 0) + self._count
        self._count += 1
        if self._count > self._limits.segments:
            return  # the error tells how many there are
        self._check_key(sequence)
        uri = self._lines.substitute(line, line.value)
        self._entries.append(
            PlaylistEntry(
                sequence=sequence,
                media=Resource(uri=uri, span=self._media_span(uri)),
                init=self._init,
                duration=self._duration or Fraction(0),
                discontinuity=self._discontinuity,
                gap=self._gap,
                discontinuity_sequence=self._discontinuities,
                date=self._date,
            )
        )
        self._duration, self._span, self._discontinuity, self._gap = None, None, False, False
        self._date = None

    def _check_key(self, sequence: int) -> None:
        if self._key is not None and self._method.strip('"').upper() != "NONE":
            raise self._lines.refused_error(
                self._key,
                f"segment {sequence} is encrypted ({self._method}); METHOD=NONE is wanted, "
                "only clear segments are read",
            )

    def _media_span(self, uri: str) -> ByteRange | None:
        if self._span is None:
            return None
        span = self._byte_range(self._span, self._span.value, self._ends.get(uri, 0))
        self._ends[uri] = span.start + span.length
        return span

    def _byte_range(self, line: PlaylistLine, text: str, start: int) -> ByteRange:
        match = _RANGE.fullmatch(text)
        if match is None:
            raise self._lines.damaged_error(line, "LENGTH or LENGTH@START in bytes")
        length, offset = match.groups()
        return ByteRange(start=start if offset is None else int(offset), length=int(length))

    # Tags that hold for the next segment

    def _read_extinf(self, line: PlaylistLine) -> None:
        number = parse_leading_number(line.value)
        if number is None or not 0 <= number <= _MAX_DURATION:
            self._lines.ignore(line, f"a number of seconds from 0 to {_MAX_DURATION}")
            number = Fraction(0)
        self._duration = number

    def _read_byte_range(self, line: PlaylistLine) -> None:
        self._span = line

    def _read_discontinuity(self, line: PlaylistLine) -> None:
        self._discontinuity = True
        if self._discontinuities is not None:
            self._discontinuities += 1

    def _read_gap(self, line: PlaylistLine) -> None:
        self._gap = True

    def _read_date(self, line: PlaylistLine) -> None:
        self._date = line.value

    # Tags that hold from there on

    def _read_map(self, line: PlaylistLine) -> None:
        found = self._lines.attributes(line)
        if not found.get("URI"):
            raise self._lines.damaged_error(line, "URI of the init segment")
        span = found.get("BYTERANGE")
        self._init = Resource(
            uri=found["URI"], span=self._byte_range(line, span, 0) if span else None
        )

    def _read_key(self, line: PlaylistLine) -> None:
        self._key = line
        self._method = self._lines.attributes(line).get("METHOD", "NONE")

    # Tags of the whole playlist

    def _read_media_sequence(self, line: PlaylistLine) -> None:
        number = parse_leading_number(line.value)
        if number is None or not 0 <= number <= _MAX_SEQUENCE:
            self._lines.ignore(line, f"a whole number from 0 to {_MAX_SEQUENCE}")
            return
        self._first = int(number)

    def _read_discontinuity_sequence(self, line: PlaylistLine) -> None:
        number = parse_number(line.value)
        if number is None or number.denominator != 1:
            self._lines.ignore(line, "a whole number")
            return
        self._discontinuities = int(number)

    def _read_target_duration(self, line: PlaylistLine) -> None:
        number = parse_number(line.value)
        if number is None or not 0 <= number <= _MAX_DURATION:
            self._lines.ignore(line, "a number of seconds")
            return
        self._target = number

    def _read_type(self, line: PlaylistLine) -> None:
        self._ended = self._ended or line.value.lower() == "vod"

    def _read_end(self, line: PlaylistLine) -> None:
        self._ended = True

    _WHOLE: Final[Mapping[str, _ReadTag]] = {
        "EXT-X-MEDIA-SEQUENCE": _read_media_sequence,
        "EXT-X-DISCONTINUITY-SEQUENCE": _read_discontinuity_sequence,
        "EXT-X-TARGETDURATION": _read_target_duration,
        "EXT-X-PLAYLIST-TYPE": _read_type,
        "EXT-X-ENDLIST": _read_end,
    }
    _INSIDE: Final[Mapping[str, _ReadTag]] = {
        "EXTINF": _read_extinf,
        "EXT-X-BYTERANGE": _read_byte_range,
        "EXT-X-DISCONTINUITY": _read_discontinuity,
        "EXT-X-GAP": _read_gap,
        "EXT-X-PROGRAM-DATE-TIME": _read_date,
        "EXT-X-MAP": _read_map,
        "EXT-X-KEY": _read_key,
    }

"""The contents of a playlist, as frozen nouns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

__all__ = [
    "ByteRange",
    "MasterPlaylist",
    "MediaPlaylist",
    "PlaylistEntry",
    "Resource",
    "Variant",
]

_VIDEO_CODECS: Final = ("avc", "hvc", "hev", "dvh", "dva", "vp8", "vp08", "vp9", "vp09", "av01")
_AUDIO_CODECS: Final = ("mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "vorbis", "mp3")
_TEXT_CODECS: Final = ("stpp", "wvtt", "tx3g")


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
    """Seconds, as the playlist announces them; 0 where it does not know them."""
    discontinuity: bool
    gap: bool
    """The sender marked the segment as absent (``EXT-X-GAP``)."""
    discontinuity_sequence: int | None = None
    """Number of discontinuities up to this segment since the stream began; ``None`` where the
    playlist does not count them."""
    date: str | None = None
    """When its first frame was recorded, as the playlist writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlaylist:
    """One version of a media playlist."""

    entries: tuple[PlaylistEntry, ...]
    """Ordered by their sequence."""
    target_duration: Fraction
    ended: bool
    """No segment will be added."""
    is_numbered: bool = True
    """False where it does not say the sequence of its first segment, which then counts as 0."""

    @property
    def resources(self) -> Iterator[Resource]:
        """The resources that the playlist references."""
        for entry in self.entries:
            yield entry.media
            if entry.init is not None:
                yield entry.init


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One rendition that a master playlist offers."""

    uri: str
    bandwidth: int
    width: int | None = None
    height: int | None = None
    codecs: tuple[str, ...] = ()

    @property
    def shorter_edge(self) -> int | None:
        """Pixels of the picture's shorter edge; ``None`` where the playlist does not say them."""
        if not self.width or not self.height:
            return None
        return min(self.width, self.height)

    @property
    def is_audio_only(self) -> bool:
        """True if everything that is known of the variant is sound or text."""
        return (
            self.shorter_edge is None
            and bool(self.codecs)
            and all(codec.startswith(_AUDIO_CODECS + _TEXT_CODECS) for codec in self.codecs)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterPlaylist:
    """A playlist of variants of one stream."""

    variants: tuple[Variant, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that its ``EXT-X-DEFINE`` tags define; a media playlist may import them."""

    def rank(self, edge: int) -> tuple[Variant, ...]:
        """Return all variants, the one to follow first, then what to fall back to.

        The variant nearest to a shorter edge of ``edge`` pixels and not above it comes first; then
        those above it, the smallest first; then those of which no resolution is known; those
        without pictures last. Among equals the highest bandwidth is first.

        >>> low = Variant(uri="low", bandwidth=1, width=640, height=360)
        >>> high = Variant(uri="high", bandwidth=9, width=2160, height=3840)
        >>> sound = Variant(uri="sound", bandwidth=99, codecs=("mp4a.40.2",))
        >>> [one.uri for one in MasterPlaylist(variants=(sound, high, low)).rank(1080)]
        ['low', 'high', 'sound']
        """
        return tuple(sorted(self.variants, key=lambda variant: _rank(variant, edge)))


def _rank(variant: Variant, edge: int) -> tuple[int, int, int]:
    shorter = variant.shorter_edge
    if shorter is None:
        is_video = any(codec.startswith(_VIDEO_CODECS) for codec in variant.codecs)
        return (4 if variant.is_audio_only else 3 - is_video, 0, -variant.bandwidth)
    return (0, -shorter, -variant.bandwidth) if shorter <= edge else (1, shorter, variant.bandwidth)

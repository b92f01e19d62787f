"""Limits on what is read from playlists."""

from __future__ import annotations

from dataclasses import dataclass, fields

from scanner.sandbox.limits import LONGEST_SECONDS
from scanner.sources.addresses import AddressPolicy

__all__ = ["FetchLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Sizes and times that a playlist and its segments may not exceed."""

    playlist_bytes: int = 4 << 20
    playlist_lines: int = 250_000
    """Lines of one version of a playlist."""
    line_bytes: int = 8 << 10
    parse_seconds: float = 5.0
    """Processor time for reading one version of a playlist, once it was received."""
    segments: int = 50_000
    """Segments in one version of a playlist."""
    segment_bytes: int = 256 << 20
    """Bytes of a segment together with its init segment."""
    idle_seconds: float = 10.0
    """Timeout for a connection, and between two parts of a response."""
    request_seconds: float = 60.0
    """Wall-clock time of one whole exchange: names looked up, connections, redirects, response."""
    attempts: int = 3
    """Attempts of one request before it counts as failed."""
    stale_seconds: float = 60.0
    """Longest time without a usable answer: a stream without a segment for longer is given up."""
    stream_seconds: float = 24 * 3600.0
    """Longest duration of a whole stream, from the first request of its playlist to its last
    segment."""
    variant_height: int = 1080
    """Pixels: the variant of a master playlist whose shorter edge is nearest to this, and not above
    it, is used."""
    concurrent_sources: int = 16
    """Number of playlists that are followed at the same time; further ones wait until one has
    ended."""
    addresses: AddressPolicy = "any"
    """Where connections may go: ``any`` address; or ``public`` ones of the Internet only, for URLs
    that others choose."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if limit.name == "addresses":
                continue
            if not value > 0:
                raise ValueError(f"fetch limit {limit.name} must be more than 0, got {value}")
            if limit.name.endswith("_seconds") and value > LONGEST_SECONDS:
                raise ValueError(
                    f"fetch limit {limit.name} must be at most {LONGEST_SECONDS:g}, got {value}"
                )

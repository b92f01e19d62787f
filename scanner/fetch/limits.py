"""How much a playlist may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields

from scanner.sandbox.limits import LONGEST_SECONDS

__all__ = ["FetchLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """What is read at most, and how long it is waited for."""

    playlist_bytes: int = 4 << 20
    line_bytes: int = 8 << 10
    segments: int = 50_000
    """In one version of a playlist."""
    segment_bytes: int = 256 << 20
    idle_seconds: float = 10.0
    """For a connection, and between two parts of an answer."""
    request_seconds: float = 60.0
    """For one whole answer."""
    attempts: int = 3
    """Of one request, before it counts as failed."""
    stale_seconds: float = 60.0
    """For a live playlist to grow."""
    stream_seconds: float = 24 * 3600.0
    """For a whole stream, from the first look at its playlist to its last segment."""
    variant_height: int = 1080
    """Of a master playlist, the variant with the most bits a second that is no taller is taken."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not value > 0:
                raise ValueError(f"fetch limit {limit.name} must be more than 0, got {value}")
            if limit.name.endswith("_seconds") and value > LONGEST_SECONDS:
                raise ValueError(
                    f"fetch limit {limit.name} must be at most {LONGEST_SECONDS:g}, got {value}"
                )

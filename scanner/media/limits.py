"""Limits above which a source is refused."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

__all__ = ["MAX_INIT_BYTES", "MediaLimits"]


MAX_INIT_BYTES: Final = 16 << 20
"""``limit_bytes``: bytes of an init segment; some kilobytes as a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """Bounds on one source; each one raises a ``LimitError`` with a kind of its own.

    They refuse a source that declares itself too large. A small source that costs much is ended by
    the sandbox.
    """

    max_bytes: int = 2 << 30
    """``limit_bytes``: bytes of the source with its init segment."""
    max_still_bytes: int = 64 << 20
    """``limit_bytes``: bytes of a still picture, which is read into memory whole."""
    max_duration: Fraction = Fraction(12 * 3600)
    """``limit_duration``: seconds from the first frame to the last one's end."""
    max_pixels: int = 8192 * 4320
    """``limit_pixels``: width times height of any frame."""
    max_frames: int = 2000
    """``limit_frames``: samples of one window."""
    max_tracks: int = 32
    """``limit_tracks``: tracks of all kinds."""
    probe_seconds: float = 5.0
    """``limit_probe_time``: seconds of wall-clock time that opening may take."""
    max_errors: int = 100
    """Packets in a row that cannot be read or decoded before the rest of the source counts as
    undecodable."""
    max_gop_bytes: int = 64 << 20
    """Bytes above which a GOP is cut, as one is that is longer than a window."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"media limit {name} must be above 0, got {getattr(self, name)}")

"""How much of a source is looked at before it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["MediaLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """Bounds on one source; each is told as a ``LimitError`` with a kind of its own.

    They refuse what is too large on its face. What is small and costs much is ended by the sandbox.
    """

    max_bytes: int = 2 << 30
    """``limit_bytes``: the source, with its init segment."""
    max_still_bytes: int = 64 << 20
    """``limit_bytes``: a still picture, which is read into memory whole."""
    max_duration: Fraction = Fraction(12 * 3600)
    """``limit_duration``: seconds from the first frame to the last one's end."""
    max_pixels: int = 8192 * 4320
    """``limit_pixels``: width times height of any frame."""
    max_frames: int = 2000
    """``limit_frames``: samples of one window."""
    max_tracks: int = 32
    """``limit_tracks``: of all kinds."""
    probe_seconds: float = 5.0
    """``limit_probe_time``: seconds on the wall that opening may take."""
    max_errors: int = 100
    """Packets in a row that cannot be read or decoded before the rest of the source counts as
    unseen."""
    max_gop_bytes: int = 64 << 20
    """A longer GOP is cut into windows inside, as one is that outlasts a window."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"media limit {name} must be above 0, got {getattr(self, name)}")

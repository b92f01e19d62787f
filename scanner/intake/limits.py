"""Limits on the bodies of requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["JSON_BYTES", "IntakeLimits"]

JSON_BYTES: Final = 65536
"""Largest body that is a JSON document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeLimits:
    """The most bytes of each kind of body; above them a request is answered 413."""

    segment_bytes: int = 256 << 20
    """A segment: ``fetch.segment_bytes``, or ``limits.max_bytes`` if that is less."""
    init_bytes: int = 16 << 20
    """An init segment."""
    image_bytes: int = 64 << 20
    """A picture: ``limits.max_still_bytes``."""

"""What comes in, from whoever hands in streams: segments, and word of those that will not come."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.errors import ScannerError
from scanner.types import Segment, SegmentKey, StreamId

__all__ = ["Arrival", "Arrived", "Lost", "NoMore", "Unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A segment of a stream, or a whole file."""

    path: str
    """What its lines are told under; one stream has one path."""
    segment: Segment
    name: str
    """What messages call it."""
    windowed: bool = False
    """A file, to be cut into windows."""
    last: bool = False
    """Nothing of this stream follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A segment that is known never to arrive: the sender says so, its file is gone, or it cannot
    be had."""

    path: str
    key: SegmentKey
    error: ScannerError | None = None
    """Why, where that is worth a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoMore:
    """No more segments of this stream will arrive."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Something was named that is no stream, or a stream broke off."""

    path: str
    error: ScannerError


Arrival = Arrived | Lost | NoMore | Unreadable

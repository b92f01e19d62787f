"""What a publishing point decides; the driver records all of it in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from scanner.types import GapReason

__all__ = [
    "ChannelChanged",
    "ObjectOutcome",
    "ObjectSettled",
    "PlaceLost",
    "PlaceSegment",
    "PointDecision",
    "PublicationBegan",
    "PublicationEnded",
]

ObjectOutcome = Literal[
    "used", "same", "unselected", "unlisted", "late", "no_init", "refused", "ignored"
]
"""What became of an object that is not a segment of the stream.

``used``: a playlist or an init segment. ``same``: sent again with the same bytes. ``unselected``:
of a rendition that is not scanned. ``unlisted``: the playlist does not name it. ``late``: it came
after its gap was stated. ``no_init``: its init segment never came. ``refused``: too large, or no
known format. ``ignored``: it has no meaning now.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationBegan:
    """A stream was minted."""

    stream_id: str
    number: int
    """The object that began it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSegment:
    """An object is a segment of the stream."""

    number: int
    sequence: int
    duration: Fraction | None
    discontinuity: bool
    init: int | None
    """Number of its init segment's object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceLost:
    """A sequence of the stream is a gap."""

    sequence: int
    duration: Fraction | None
    discontinuity: bool
    reason: GapReason = "missing"
    kind: str | None = None
    """Kind of the error; None if there was none."""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSettled:
    """An object is no segment of the stream, and why."""

    number: int
    outcome: ObjectOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationEnded:
    """The stream is over."""

    last_sequence: int | None
    """None if it has no segment."""
    reason: Literal["ended", "disconnected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChanged:
    """The channel went live, stalled or ended."""

    state: Literal["live", "stalled", "ended"]


PointDecision = (
    PublicationBegan | PlaceSegment | PlaceLost | ObjectSettled | PublicationEnded | ChannelChanged
)

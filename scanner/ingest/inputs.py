"""The input of a publishing point: objects that an encoder pushed, and the time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from scanner.rational import dump_optional, load_optional

__all__ = [
    "InitPushed",
    "ListedSegment",
    "Listing",
    "OfferedRendition",
    "PlaylistPushed",
    "PointInput",
    "PointTick",
    "SegmentPushed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSegment:
    """One segment as a playlist names it."""

    path: str
    """Path below the publishing point."""
    duration: Fraction | None = None
    """Seconds; None where the playlist does not know them."""
    discontinuity: bool = False
    gap: bool = False
    """True if the encoder marked the segment as absent."""
    init: str | None = None
    """Path of the init segment that it needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One version of the list of a rendition's segments, of an HLS playlist or an MPD."""

    rendition: str
    """Path of the media playlist, or path of the MPD and id of the representation."""
    first: int = 0
    """Media sequence of the first entry."""
    entries: tuple[ListedSegment, ...] = ()
    """Empty for an MPD that has a template without a timeline."""
    target: Fraction | None = None
    """Longest duration of a segment, in seconds."""
    ended: bool = False
    discontinuity_sequence: int | None = None
    """Discontinuities before the first entry."""
    series: tuple[str, ...] = ()
    """Series of paths that belong to the rendition beside those of its entries."""
    init: str | None = None
    """Path of the init segment of segments that it does not list."""

    @property
    def end(self) -> int:
        """Media sequence after the last entry."""
        return self.first + len(self.entries)

    def to_json(self) -> dict[str, Any]:
        """Return the listing as ``json.dumps`` takes it."""
        return {
            "rendition": self.rendition,
            "first": self.first,
            "entries": [
                [one.path, dump_optional(one.duration), one.discontinuity, one.gap, one.init]
                for one in self.entries
            ],
            "target": dump_optional(self.target),
            "ended": self.ended,
            "discontinuity_sequence": self.discontinuity_sequence,
            "series": list(self.series),
            "init": self.init,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Listing:
        """Return the listing that ``to_json`` wrote."""
        return cls(
            rendition=data["rendition"],
            first=data["first"],
            entries=tuple(
                ListedSegment(
                    path=path,
                    duration=load_optional(duration),
                    discontinuity=discontinuity,
                    gap=gap,
                    init=init,
                )
                for path, duration, discontinuity, gap, init in data["entries"]
            ),
            target=load_optional(data["target"]),
            ended=data["ended"],
            discontinuity_sequence=data["discontinuity_sequence"],
            series=tuple(data["series"]),
            init=data["init"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedRendition:
    """A rendition as a master playlist or an MPD offers it."""

    name: str
    """As in ``Listing.rendition``."""
    is_video: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentPushed:
    """A media segment whose upload is complete and durable."""

    number: int
    """Counts the objects of the channel in the order in which they became durable."""
    at: float
    """When it became durable, in seconds since the epoch."""
    path: str
    sha256: str
    after: int = 0
    """Number of the latest object of the channel when its request began."""
    needs_init: bool = False
    is_video: bool | None = None
    """None where that cannot be known without decoding."""
    is_last: bool = False
    """True if it declares itself the last one (brand ``lmsg``)."""
    problem: str | None = None
    """Kind of the error for which its bytes were not kept; None if they were."""
    earlier: str | None = None
    """SHA-256 of the latest object before it with this path; None if there is none."""
    earlier_number: int = 0
    """Number of that object; one from before the publication does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitPushed:
    """An init segment whose upload is complete and durable."""

    number: int
    at: float
    path: str
    sha256: str
    is_video: bool | None = None
    """None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaylistPushed:
    """A playlist or an MPD, as it was read."""

    number: int
    at: float
    offered: tuple[OfferedRendition, ...] = ()
    """The renditions of a master playlist or an MPD, the one to scan first."""
    listings: tuple[Listing, ...] = ()

    @property
    def is_end(self) -> bool:
        """True if it says only that something is over."""
        return bool(self.listings) and all(one.ended for one in self.listings)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTick:
    """The time, and the uploads that are open."""

    at: float
    uploads: frozenset[str] = frozenset()
    """Paths of objects that are being received."""


PointInput = SegmentPushed | InitPushed | PlaylistPushed | PointTick

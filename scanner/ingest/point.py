"""The state of a publishing point: a frozen value with an exact JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final, Literal, Self

from scanner.ingest.inputs import Listing, OfferedRendition
from scanner.rational import dump_optional, load_optional

__all__ = [
    "AwaitedSegment",
    "HeldObject",
    "KnownInit",
    "KnownRendition",
    "PointPhase",
    "PublishingPoint",
    "WaitingForInit",
]

VERSION: Final = 1

PointPhase = Literal["idle", "probing", "live", "stalled", "ending", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldObject:
    """A segment that arrived and has no place in the stream yet."""

    number: int
    at: float
    path: str
    after: int
    needs_init: bool
    is_last: bool
    problem: str | None
    same: bool
    """True if an object with this path and these bytes came before."""
    changed: bool
    """True if an object with this path and other bytes came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitedSegment:
    """A segment that the playlist names, that has a sequence, and that has not arrived."""

    path: str
    sequence: int
    duration: Fraction | None
    discontinuity: bool
    init: str | None
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingForInit:
    """A segment that arrived and has a sequence; its init segment has not arrived."""

    held: HeldObject
    sequence: int
    duration: Fraction | None
    discontinuity: bool
    init: str | None
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownInit:
    """An init segment that arrived."""

    number: int
    path: str
    sha256: str
    is_video: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRendition:
    """A rendition of which segments or a playlist arrived."""

    name: str
    """As in ``Listing.rendition``; the series of its segments while no playlist names them."""
    series: tuple[str, ...] = ()
    """Series of paths that belong to it, the latest last."""
    is_video: bool = True
    segments: int = 0
    """Segments that arrived."""
    moved_at: float = 0.0
    """When the latest of them did; 0 for none."""
    next: int = 0
    """Media sequence after the last one that was listed."""
    init: str | None = None
    """Path of the init segment of segments that are not listed."""
    latest: Listing | None = None
    """The newest listing, while no rendition is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishingPoint:
    """Everything that the next input's effect depends on."""

    channel: str
    phase: PointPhase = "idle"
    stream_id: str | None = None
    """The stream of the publication; the latest one once it has ended."""
    now: float = 0.0
    """Latest time that was seen, in seconds since the epoch; never goes back."""
    began_at: float = 0.0
    """When the publication began."""
    first_number: int = 0
    """Number of the object that began it."""
    moved_at: float = 0.0
    """When the latest media arrived."""
    phase_at: float = 0.0
    """When the phase began."""
    sequence: int = 0
    """The stream's next sequence."""
    target: Fraction | None = None
    """Seconds of the longest segment; None while that is not known."""
    offered: tuple[OfferedRendition, ...] = ()
    renditions: tuple[KnownRendition, ...] = ()
    chosen: str | None = None
    first: int | None = None
    """Media sequence of the first entry of the newest listing; None before the first one."""
    next: int = 0
    """Media sequence after the last entry that has a sequence of ours."""
    discontinuity_sequence: int | None = None
    breaks: bool = False
    """True if the next segment does not continue the one before."""
    held: tuple[HeldObject, ...] = ()
    awaited: tuple[AwaitedSegment, ...] = ()
    waiting: tuple[WaitingForInit, ...] = ()
    newest: int = 0
    """Number of the newest object that has a sequence."""
    placed: tuple[str, ...] = ()
    """Paths that got a place by their arrival, before a playlist named them."""
    lost: tuple[str, ...] = ()
    """Paths that were given up."""
    inits: tuple[KnownInit, ...] = ()
    """The latest init segments; they stay when a publication ends."""

    @property
    def is_listed(self) -> bool:
        """True once a playlist has named segments of the chosen rendition."""
        return self.first is not None

    @property
    def is_active(self) -> bool:
        """True while time changes something."""
        return self.phase not in ("idle", "ended")

    @property
    def target_seconds(self) -> float:
        """Seconds of a segment; 4 while that is not known."""
        return 4.0 if self.target is None else float(self.target)

    def rendition(self, name: str) -> KnownRendition | None:
        """Return a rendition by its name, or None."""
        return next((one for one in self.renditions if one.name == name), None)

    def rendition_of(self, series: str) -> KnownRendition | None:
        """Return the rendition that a series of paths belongs to, or None."""
        return next((one for one in self.renditions if series in one.series), None)

    def moved_by(self, seconds: float) -> Self:
        """Return the point with all times moved, after the wall clock jumped by so much."""
        return replace(
            self,
            now=self.now + seconds,
            began_at=self.began_at + seconds,
            moved_at=self.moved_at + seconds,
            phase_at=self.phase_at + seconds,
            renditions=tuple(
                replace(one, moved_at=one.moved_at + seconds) if one.moved_at else one
                for one in self.renditions
            ),
            held=tuple(replace(one, at=one.at + seconds) for one in self.held),
            awaited=tuple(replace(one, since=one.since + seconds) for one in self.awaited),
            waiting=tuple(replace(one, since=one.since + seconds) for one in self.waiting),
        )

    @property
    def unselected(self) -> tuple[str, ...]:
        """Series of paths whose segments are not scanned."""
        if self.chosen is None or self.phase not in ("live", "stalled"):
            return ()
        return tuple(
            series for one in self.renditions if one.name != self.chosen for series in one.series
        )

    def to_json(self) -> dict[str, Any]:
        """Return the point as ``json.dumps`` takes it."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            "version": VERSION,
            **plain,
            "target": dump_optional(self.target),
            "offered": [[one.name, one.is_video] for one in self.offered],
            "renditions": [_dump_rendition(one) for one in self.renditions],
            "held": [_dump_held(one) for one in self.held],
            "awaited": [_dump_awaited(one) for one in self.awaited],
            "waiting": [_dump_waiting(one) for one in self.waiting],
            "placed": list(self.placed),
            "lost": list(self.lost),
            "inits": [[one.number, one.path, one.sha256, one.is_video] for one in self.inits],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the point that ``to_json`` wrote, equal to the bit.

        Raises:
            ValueError: it has another version.
        """
        if data["version"] != VERSION:
            raise ValueError(f"publishing point: version {data['version']}, {VERSION} is wanted")
        return cls(
            **{name: data[name] for name in _PLAIN},
            target=load_optional(data["target"]),
            offered=tuple(OfferedRendition(name=name, is_video=v) for name, v in data["offered"]),
            renditions=tuple(_load_rendition(one) for one in data["renditions"]),
            held=tuple(_load_held(one) for one in data["held"]),
            awaited=tuple(_load_awaited(one) for one in data["awaited"]),
            waiting=tuple(_load_waiting(one) for one in data["waiting"]),
            placed=tuple(data["placed"]),
            lost=tuple(data["lost"]),
            inits=tuple(
                KnownInit(number=number, path=path, sha256=sha256, is_video=is_video)
                for number, path, sha256, is_video in data["inits"]
            ),
        )


_PLAIN: Final = (
    "channel",
    "phase",
    "stream_id",
    "now",
    "began_at",
    "first_number",
    "moved_at",
    "phase_at",
    "sequence",
    "chosen",
    "first",
    "next",
    "discontinuity_sequence",
    "breaks",
    "newest",
)
_HELD: Final = HeldObject.__slots__
_NUMBERED: Final = ("sequence", "discontinuity", "init", "since")
_RENDITION: Final = ("name", "is_video", "segments", "moved_at", "next", "init")


def _dump_held(one: HeldObject) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _HELD}


def _load_held(data: Mapping[str, Any]) -> HeldObject:
    return HeldObject(**{name: data[name] for name in _HELD})


def _dump_rendition(one: KnownRendition) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in _RENDITION}
    latest = None if one.latest is None else one.latest.to_json()
    return {**plain, "series": list(one.series), "latest": latest}


def _load_rendition(data: Mapping[str, Any]) -> KnownRendition:
    latest = data["latest"]
    return KnownRendition(
        **{name: data[name] for name in _RENDITION},
        series=tuple(data["series"]),
        latest=None if latest is None else Listing.from_json(latest),
    )


def _dump_awaited(one: AwaitedSegment) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in _NUMBERED}
    return {**plain, "path": one.path, "duration": dump_optional(one.duration)}


def _load_awaited(data: Mapping[str, Any]) -> AwaitedSegment:
    return AwaitedSegment(
        **{name: data[name] for name in _NUMBERED},
        path=data["path"],
        duration=load_optional(data["duration"]),
    )


def _dump_waiting(one: WaitingForInit) -> dict[str, Any]:
    plain = {name: getattr(one, name) for name in _NUMBERED}
    return {**plain, "held": _dump_held(one.held), "duration": dump_optional(one.duration)}


def _load_waiting(data: Mapping[str, Any]) -> WaitingForInit:
    return WaitingForInit(
        **{name: data[name] for name in _NUMBERED},
        held=_load_held(data["held"]),
        duration=load_optional(data["duration"]),
    )

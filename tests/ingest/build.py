"""Encoders as the publishing point sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from scanner.ingest.advance import advance_point
from scanner.ingest.decisions import (
    ChannelChanged,
    ObjectSettled,
    PlaceLost,
    PlaceSegment,
    PointDecision,
    PublicationBegan,
    PublicationEnded,
)
from scanner.ingest.inputs import (
    InitPushed,
    ListedSegment,
    Listing,
    OfferedRendition,
    PlaylistPushed,
    PointInput,
    PointTick,
    SegmentPushed,
)
from scanner.ingest.point import PublishingPoint

START = 1_000_000.0


@dataclass
class Channel:
    """A publishing point, what was pushed to it, and what it decided."""

    point: PublishingPoint = field(default_factory=lambda: PublishingPoint(channel="tv"))
    decided: list[PointDecision] = field(default_factory=list)
    now: float = START
    number: int = 0
    known: dict[str, tuple[int, str]] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)

    def fold(self, given: PointInput) -> None:
        """Fold one input, over a checkpoint as a driver that starts again does."""
        self.point = PublishingPoint.from_json(self.point.to_json())
        self.point, decided = advance_point(self.point, given)
        self.decided += decided

    def next_number(self) -> int:
        self.number += 1
        return self.number

    def put(
        self, path: str, content: str | None = None, *, after: int | None = None, **facts: object
    ) -> None:
        """Push a segment; the same content means the same bytes."""
        number, digest = self.next_number(), content or path
        self.paths[number] = path
        earlier_number, earlier = self.known.get(path, (0, None))
        self.fold(
            SegmentPushed(
                number=number,
                at=self.now,
                path=path,
                sha256=digest,
                after=number - 1 if after is None else after,
                earlier=earlier,
                earlier_number=earlier_number,
                **facts,
            )
        )
        self.known[path] = (number, digest)

    def put_init(self, path: str, content: str | None = None) -> None:
        """Push an init segment."""
        self.fold(
            InitPushed(number=self.next_number(), at=self.now, path=path, sha256=content or path)
        )

    def publish(
        self,
        *paths: str | ListedSegment,
        first: int = 0,
        playlist: str = "index.m3u8",
        ended: bool = False,
        discontinuity_sequence: int | None = None,
    ) -> None:
        """Push a media playlist with segments of 2 s."""
        entries = tuple(
            ListedSegment(path=one, duration=Fraction(2)) if isinstance(one, str) else one
            for one in paths
        )
        listing = Listing(
            rendition=playlist,
            first=first,
            entries=entries,
            target=Fraction(2),
            ended=ended,
            discontinuity_sequence=discontinuity_sequence,
        )
        self.push(listing)

    def push(self, *listings: Listing, offered: tuple[str, ...] = ()) -> None:
        """Push listings, and what a master playlist or an MPD offers."""
        names = tuple(OfferedRendition(name=name) for name in offered)
        self.fold(
            PlaylistPushed(number=self.next_number(), at=self.now, offered=names, listings=listings)
        )

    def wait(self, seconds: float, *uploads: str) -> None:
        """Let time pass, with uploads that are open throughout."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 0.25)
            self.fold(PointTick(at=self.now, uploads=frozenset(uploads)))

    @property
    def timeline(self) -> list[str]:
        """The sequences of the latest stream in order: a path, or ``-`` for a gap; ``|`` stands
        before a discontinuity."""
        found: dict[int, str] = {}
        for one in self.decided:
            if isinstance(one, PublicationBegan):
                found = {}
            if isinstance(one, PlaceSegment | PlaceLost):
                name = self.paths[one.number] if isinstance(one, PlaceSegment) else "-"
                assert one.sequence not in found
                found[one.sequence] = ("|" if one.discontinuity else "") + name
        assert sorted(found) == list(range(len(found)))
        return [found[sequence] for sequence in sorted(found)]

    @property
    def outcomes(self) -> dict[str, str]:
        """The outcome of each segment that is not part of the stream."""
        return {
            self.paths[one.number]: one.outcome
            for one in self.decided
            if isinstance(one, ObjectSettled) and one.number in self.paths
        }

    @property
    def changes(self) -> list[str]:
        """What the channel became, in order."""
        return [one.state for one in self.decided if isinstance(one, ChannelChanged)]

    @property
    def streams(self) -> list[str]:
        """The streams that were minted."""
        return [one.stream_id for one in self.decided if isinstance(one, PublicationBegan)]

    @property
    def ends(self) -> list[PublicationEnded]:
        """The ends of publications."""
        return [one for one in self.decided if isinstance(one, PublicationEnded)]


def hls(channel: Channel, first: int, last: int, *, window: int = 5, ended: bool = False) -> None:
    """Push segments and playlists as ffmpeg's HLS muxer does, 2 s each."""
    for number in range(first, last + 1):
        channel.put(f"index{number}.ts", f"{channel.now}-{number}")
        begin = max(0, number - window + 1)
        names = [f"index{one}.ts" for one in range(begin, number + 1)]
        channel.publish(*names, first=begin, ended=ended and number == last)
        channel.wait(2.0)

"""Packets gathered into GOPs, with the time that each one shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

from av.packet import Packet
from av.video.stream import VideoStream

from scanner.media.timeline import Placed, Timeline

__all__ = ["Gop", "GopRule", "VideoPacket", "gather"]

VideoPacket: TypeAlias = "Packet[VideoStream]"


@dataclass(frozen=True, slots=True, kw_only=True)
class GopRule:
    """How much of a GOP is kept, and when it is cut inside."""

    keep: bool
    """All packets, and not only the keyframe's."""
    longest: Fraction | None
    """In ticks; ``None``: never cut for its length."""
    max_bytes: int


@dataclass(slots=True, kw_only=True)
class Gop:
    """A keyframe and what follows it, in ticks of the timeline."""

    first: Placed
    """Its first frame in the order of decoding; the keyframe where ``keyed``."""
    keyed: bool
    """It begins with a keyframe."""
    continues: bool
    """It is the rest of a GOP that was cut for its length: decoding goes on from the piece before."""
    continued: bool = False
    """Another piece follows."""
    end: int = 0
    """Where the next frame after it begins, or its last frame ends."""
    anchors: list[int] = field(default_factory=list)
    """Frames that come in order of time; the others are shown before one that came earlier."""
    shown: list[int] = field(default_factory=list)
    """Every frame's start, in the order of decoding."""
    packets: list[VideoPacket] = field(default_factory=list)
    """In order of decoding, their ``pts`` in ticks; what leads a keyframe needs the GOP before and is left out."""
    size: int = 0

    @property
    def last(self) -> int:
        """Ticks of the last frame shown."""
        return max(self.shown, default=self.first.ticks)

    @property
    def start(self) -> int:
        """Ticks of the first frame shown."""
        return min(self.shown, default=self.first.ticks)

    @property
    def decodable(self) -> bool:
        """A keyframe leads into it."""
        return self.keyed or self.continues

    @property
    def opens(self) -> bool:
        """Its first frame to be shown is a keyframe; an edit list may keep that one for decoding only."""
        return self.keyed and self.anchors[:1] == [self.first.ticks]

    def take(self, packet: VideoPacket, placed: Placed) -> None:
        """Keep a packet for decoding."""
        packet.pts = placed.ticks
        self.packets.append(packet)
        self.size += packet.size

    def is_full(self, ticks: int, rule: GopRule) -> bool:
        """A frame at ``ticks`` belongs to the next piece, so that this one will not be too long when the frame after it comes."""
        following = 2 * ticks - self.anchors[-1]
        return self.size > rule.max_bytes or (rule.longest is not None and following - self.start > rule.longest)

    def close(self, end: int) -> Gop:
        """Itself, with its end known."""
        self.end = end
        return self


def gather(packets: Iterable[VideoPacket], timeline: Timeline, rule: GopRule) -> Iterator[Gop]:
    """GOPs in order, each one packet late: its end is then known, and the leading frames that it shows have come."""
    gatherer = _Gatherer(rule)
    for packet in packets:
        pts = packet.dts if packet.pts is None else packet.pts
        placed = timeline.place(pts, duration=packet.duration or 0, keyframe=packet.is_keyframe)
        finished = gatherer.add(packet, placed)
        if finished is not None:
            yield finished
    yield from gatherer.finish(timeline.end)


class _Gatherer:
    """At most one open GOP, and the one before it until its leading frames have come."""

    def __init__(self, rule: GopRule) -> None:
        self._rule = rule
        self._open: Gop | None = None
        self._held: Gop | None = None

    def add(self, packet: VideoPacket, placed: Placed) -> Gop | None:
        """Take one packet; a GOP that is complete now comes back."""
        gop = self._open
        if gop is None or packet.is_keyframe or placed.jump or self._is_full(gop, placed):
            return self._begin(packet, placed)
        if placed.ticks < gop.first.ticks and gop.decodable:
            self._lead(gop, packet, placed)
            return None
        return self._follow(gop, packet, placed)

    def finish(self, end: int) -> Iterator[Gop]:
        """What is left when the source ends."""
        if self._held is not None:
            yield self._held
        if self._open is not None:
            yield self._open.close(end)

    def _is_full(self, gop: Gop, placed: Placed) -> bool:
        return bool(gop.anchors) and placed.ticks > gop.anchors[-1] and gop.is_full(placed.ticks, self._rule)

    def _begin(self, packet: VideoPacket, placed: Placed) -> Gop | None:
        finished, before = self._held, self._open
        continues = before is not None and not (packet.is_keyframe or placed.jump) and before.decodable
        self._open = Gop(first=placed, keyed=packet.is_keyframe, continues=continues)
        self._held = before.close(placed.ticks) if before is not None else None
        if before is not None:
            before.continued = continues
        self._follow(self._open, packet, placed)
        return finished

    def _lead(self, gop: Gop, packet: VideoPacket, placed: Placed) -> None:
        """A frame before the keyframe it follows is shown in the GOP before, if there is one.

        After a cut inside a GOP it can be decoded, and others may depend on it.
        """
        if gop.continues:
            gop.take(packet, placed)
        if self._held is not None and not gop.first.jump:
            self._held.shown.append(placed.ticks)

    def _follow(self, gop: Gop, packet: VideoPacket, placed: Placed) -> Gop | None:
        if packet.is_keyframe or (self._rule.keep and gop.decodable):
            gop.take(packet, placed)
        if packet.is_discard:
            return None
        gop.shown.append(placed.ticks)
        if gop.anchors and placed.ticks <= gop.anchors[-1]:
            return None
        gop.anchors.append(placed.ticks)
        if len(gop.anchors) == 1:
            return None
        finished, self._held = self._held, None
        return finished

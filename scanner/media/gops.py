"""Packets gathered into GOPs, with the time that each one shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
    longest: int | None
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
    """It is the rest of a GOP that was cut for its length: decoding goes on from the piece before.
    """
    continued: bool = False
    """Another piece follows."""
    end: int = 0
    """Where the next frame after it begins, or its last frame ends."""
    anchors: list[int] = field(default_factory=list)
    """Frames that come in order of time; the others are shown before one that came earlier."""
    shown: list[int] = field(default_factory=list)
    """Every frame's start, in the order of decoding."""
    led: list[int] = field(default_factory=list)
    """Starts of frames that come after the next keyframe and are shown before it."""
    packets: list[VideoPacket] = field(default_factory=list)
    """In order of decoding, their ``pts`` in ticks; what leads a keyframe needs the GOP before and
    is left out."""
    leading: list[VideoPacket] = field(default_factory=list)
    """What is left out so: it comes right after the keyframe, in order of decoding."""
    fed: int = 0
    """So many of the packets are in the decoder already."""
    size: int = 0
    """Bytes of those packets."""
    border: int = 0
    """Where among the packets the last anchor's is."""

    @property
    def last(self) -> int:
        """Ticks of the last frame shown."""
        return max((*self.shown, *self.led), default=self.first.ticks)

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
        """Its first frame to be shown is a keyframe; an edit list may keep that one for decoding
        only."""
        return self.keyed and self.anchors[:1] == [self.first.ticks]

    def take(self, packet: VideoPacket, placed: Placed) -> None:
        """Keep a packet for decoding."""
        packet.pts = placed.ticks
        self.packets.append(packet)
        self.size += packet.size

    def split(self) -> Gop:
        """Cut before the last anchor; what is from there on comes back."""
        border = self.anchors.pop()
        first = Placed(border, self.first.raw + border - self.first.ticks, False)
        rest = Gop(first=first, keyed=False, continues=self.decodable, anchors=[border])
        rest.shown = [ticks for ticks in self.shown if ticks >= border]
        rest.packets, self.packets = self.packets[self.border :], self.packets[: self.border]
        rest.size = sum(packet.size for packet in rest.packets)
        self.shown = [ticks for ticks in self.shown if ticks < border]
        self.continued, self.end = self.decodable, border
        return rest

    def close(self, end: int) -> Gop:
        """Itself, with its end known."""
        self.end = end
        return self


def gather(packets: Iterable[VideoPacket], timeline: Timeline, rule: GopRule) -> Iterator[Gop]:
    """GOPs in order, each one packet late: its end is then known, and the leading frames that it
    shows have come."""
    gatherer = _Gatherer(rule)
    for packet in packets:
        pts = packet.dts if packet.pts is None else packet.pts
        placed = timeline.place(pts, duration=packet.duration or 0, keyframe=packet.is_keyframe)
        yield from gatherer.add(packet, placed)
    yield from gatherer.finish(timeline.end)


class _Gatherer:
    """At most one open GOP, and the one before it until its leading frames have come."""

    def __init__(self, rule: GopRule) -> None:
        self._rule = rule
        self._open: Gop | None = None
        self._held: Gop | None = None

    def add(self, packet: VideoPacket, placed: Placed) -> Iterator[Gop]:
        """Take one packet; GOPs that are complete now come back."""
        begins = self._open is None or packet.is_keyframe or placed.jump
        anchor = (
            self._open is None or not self._open.anchors or placed.ticks > self._open.anchors[-1]
        )
        if anchor or begins:
            yield from self._shorten(placed)
        gop = self._open
        if gop is None or begins or (anchor and self._is_over(gop, placed)):
            yield from self._begin(packet, placed)
        elif placed.ticks < gop.first.ticks and gop.decodable:
            self._lead(gop, packet, placed)
        else:
            yield from self._follow(gop, packet, placed)

    def finish(self, end: int) -> Iterator[Gop]:
        """What is left when the source ends."""
        yield from self._release()
        if self._open is not None:
            yield self._open.close(end)

    def _is_over(self, gop: Gop, placed: Placed) -> bool:
        """With the next frame at ``placed``, the piece is too long or too large."""
        too_long = self._rule.longest is not None and placed.ticks - gop.start > self._rule.longest
        return too_long or gop.size > self._rule.max_bytes

    def _shorten(self, placed: Placed) -> Iterator[Gop]:
        """Only now is it known how long the last frame is shown: the piece may have to end before
        it."""
        gop = self._open
        if gop is not None and len(gop.anchors) > 1 and self._is_over(gop, placed):
            yield from self._release()
            self._open = gop.split()
            yield gop

    def _release(self) -> Iterator[Gop]:
        held, self._held = self._held, None
        if held is not None:
            yield held

    def _begin(self, packet: VideoPacket, placed: Placed) -> Iterator[Gop]:
        yield from self._release()
        before = self._open
        continues = (
            before is not None and before.decodable and not (packet.is_keyframe or placed.jump)
        )
        self._open = Gop(first=placed, keyed=packet.is_keyframe, continues=continues)
        if before is not None:
            before.continued = continues
            self._held = before.close(placed.ticks)
        yield from self._follow(self._open, packet, placed)

    def _lead(self, gop: Gop, packet: VideoPacket, placed: Placed) -> None:
        """A frame before the keyframe it follows is shown in the GOP before, if there is one.

        After a cut inside a GOP it can be decoded, and others may depend on it.
        """
        if gop.continues:
            gop.take(packet, placed)
        elif self._rule.keep:
            packet.pts = placed.ticks
            gop.leading.append(packet)
        if self._held is not None and not gop.first.jump:
            self._held.led.append(placed.ticks)

    def _follow(self, gop: Gop, packet: VideoPacket, placed: Placed) -> Iterator[Gop]:
        anchor = not packet.is_discard and (not gop.anchors or placed.ticks > gop.anchors[-1])
        if anchor:
            gop.anchors.append(placed.ticks)
            gop.border = len(gop.packets)
        if not packet.is_discard:
            gop.shown.append(placed.ticks)
        if packet.is_keyframe or (self._rule.keep and gop.decodable):
            gop.take(packet, placed)
        if anchor and len(gop.anchors) > 1:
            yield from self._release()

"""Assemble packets into GOPs, with the time that each one shows.

A GOP passes through three states. It is yielded late because only the packets after it tell where
it ends, and which of its frames come after the next keyframe:

    open ---(a packet begins the next GOP)---> pending ---(second anchor of the next)---> yielded
      `-----(the source ends)----> yielded

What becomes of a packet, by the first line that applies:

    packet                                   condition                    action
    -------------------------------------    -------------------------    -----------------------
    keyframe, first packet, or clock jump                                 begin a GOP
    anchor (later than all before it)        GOP too long or too large    begin a continuation
    shown before the GOP's first frame       GOP is decodable             a leading frame, which
                                                                          the pending GOP shows
    any other                                                             append to the open GOP

Before an anchor or a beginning, an open GOP that turns out to be too long is split before its last
anchor: how long that one is shown is known only now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, TypeAlias

from av.packet import Packet
from av.video.stream import VideoStream

from scanner.media.timeline import PacketTime, Timeline

__all__ = [
    "LOOKAHEAD",
    "ORDINARY_PACKET",
    "Gop",
    "GopRule",
    "PacketFacts",
    "VideoPacket",
    "assemble_gops",
]

VideoPacket: TypeAlias = "Packet[VideoStream]"

LOOKAHEAD: Final = 17
"""Packets after a keyframe's that are always kept: a decoder of one thread has returned a frame by
then (H.264 reorders 16)."""


_LEAD_TICKS: Final = 1 << 50
"""Ticks before a GOP at which the frames of the segments before lie: further than any that is
shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketFacts:
    """The facts of a packet that matter to the packets around it."""

    changed: bool = False
    """True for the first keyframe after a change of size or of the codec's parameters."""
    field: bool = False
    """True if it holds a single field."""
    second_field: bool = False
    """True if it completes the frame whose first field the packet before holds."""
    recovery: int = 0
    """Frames after which the picture is complete, if decoding begins here."""


ORDINARY_PACKET: Final = PacketFacts()
"""Facts about most packets: one frame, and a keyframe is complete by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GopRule:
    """The limits of a GOP that is kept, and the rule by which it is cut."""

    keep: bool
    """True to keep all packets, false to keep only the keyframe's and ``LOOKAHEAD`` more."""
    longest: int | None
    """Longest GOP in ticks; ``None``: never cut for its length."""
    max_bytes: int
    """Bytes of packets above which a GOP is cut."""


@dataclass(slots=True, kw_only=True)
class Gop:
    """A keyframe and what follows it, in ticks of the timeline."""

    first: PacketTime
    """First frame in the order of decoding; the keyframe if the GOP is ``keyed``."""
    keyed: bool
    """True if it begins with a keyframe."""
    continues: bool
    """True if it is a later piece of a GOP that was cut: decoding continues from the piece before.
    """
    led: bool = False
    """True if its packets begin with those of the segments before, from their last keyframe on,
    which are decoded and not shown."""
    changed: bool = False
    """True if size or codec parameters changed with its keyframe."""
    recovery: int = 0
    """Frames after which the picture is complete, where the keyframe is only a recovery point."""
    continued: bool = False
    """True if another piece of the same GOP follows."""
    end: int = 0
    """Start of the next frame after it, or the end of its last frame."""
    anchors: list[int] = field(default_factory=list)
    """Starts of the frames that come in order of time; each other frame is shown before one that
    came earlier."""
    shown: list[int] = field(default_factory=list)
    """Starts of all frames, in the order of decoding."""
    pauses: list[tuple[int, int]] = field(default_factory=list)
    """Ends of frames after which no picture came for a while although the clock went on, each with
    the tick of the next packet."""
    hidden: int = 0
    """Number of its frames that are decoded and not shown, because an edit list leaves them out."""
    overhang: list[int] = field(default_factory=list)
    """Starts of frames that come after the next keyframe and are shown before it."""
    packets: list[VideoPacket] = field(default_factory=list)
    """Packets in the order of decoding, ``pts`` in ticks, without the leading ones."""
    leading: list[VideoPacket] = field(default_factory=list)
    """Packets right after the keyframe whose frames are shown before it and need the GOP before, in
    the order of decoding."""
    fed: int = 0
    """Number of packets that are in the decoder already."""
    size: int = 0
    """Bytes of ``packets``."""
    last_anchor: int = 0
    """Index of the last anchor's packet in ``packets``."""

    @property
    def last(self) -> int:
        """Tick of the last frame shown."""
        return max((*self.shown, *self.overhang), default=self.first.ticks)

    @property
    def start(self) -> int:
        """Tick of the first frame shown."""
        return min(self.shown, default=self.first.ticks)

    @property
    def is_decodable(self) -> bool:
        """Whether a keyframe comes before its frames."""
        return self.begins_decoding or self.continues

    @property
    def begins_decoding(self) -> bool:
        """Whether its first packet is that of a keyframe."""
        return self.keyed or self.led

    @property
    def shows_keyframe(self) -> bool:
        """Whether its first frame to be shown is its keyframe.

        An edit list may keep the keyframe for decoding only.
        """
        return self.keyed and self.anchors[:1] == [self.first.ticks]

    def find_pauses(self) -> Iterator[tuple[int, int]]:
        """Yield the stretches without pictures, from the end of a frame to the start of the next;
        frames that come late because they were reordered are considered."""
        frames = sorted((*self.shown, *self.overhang))
        for start, end in self.pauses:
            following = bisect_right(frames, (start + end) // 2)
            before, after = frames[:following], frames[following:]
            step = before[-1] - before[-2] if len(before) > 1 else 0
            yield max(start, before[-1] + step) if before else start, after[0] if after else end

    @property
    def is_needed(self) -> bool:
        """Whether it shows frames, or a piece of it that follows or came before may."""
        return bool(self.shown or self.overhang) or self.continues or self.continued

    @property
    def lacks_packets(self) -> bool:
        """Whether packets between its own seem to be lost: one is marked as corrupt, or a step of
        their decoding times is longer than usual."""
        if any(packet.is_corrupt for packet in self.packets):
            return True
        times = [packet.dts for packet in self.packets if packet.dts is not None]
        steps = sorted(later - earlier for earlier, later in pairwise(times))
        return bool(steps) and 2 * steps[-1] > 3 * steps[len(steps) // 2]

    def append(self, packet: VideoPacket, time: PacketTime) -> None:
        """Keep a packet for decoding."""
        packet.pts = time.ticks
        self.packets.append(packet)
        self.size += packet.size

    def take_lead(self, packets: Sequence[VideoPacket]) -> None:
        """Begin with the packets of the segments before."""
        for index, packet in enumerate(packets):
            packet.pts = self.first.ticks - _LEAD_TICKS + index
        self.packets += packets
        self.size += sum(packet.size for packet in packets)
        self.led = True

    def split(self) -> Gop:
        """Cut before the last anchor and return the rest from there on."""
        cut = self.anchors.pop()
        first = PacketTime(cut, self.first.raw + cut - self.first.ticks, False)
        rest = Gop(first=first, keyed=False, continues=self.is_decodable, anchors=[cut])
        rest.shown = [ticks for ticks in self.shown if ticks >= cut]
        rest.packets = self.packets[self.last_anchor :]
        self.packets = self.packets[: self.last_anchor]
        rest.size = sum(packet.size for packet in rest.packets)
        self.shown = [ticks for ticks in self.shown if ticks < cut]
        self.continued, self.end = self.is_decodable, cut
        return rest

    def close(self, end: int) -> Gop:
        """Set the end and return the GOP itself."""
        self.end = end
        return self


def assemble_gops(
    packets: Iterable[VideoPacket],
    timeline: Timeline,
    rule: GopRule,
    inspect: Callable[[VideoPacket], tuple[VideoPacket, PacketFacts]],
    lead: Sequence[VideoPacket] = (),
) -> Iterator[Gop]:
    """Yield GOPs in order, each one late: its end is then known, and so are the leading frames of
    the next GOP that it shows.

    ``lead`` are the packets of the segments before, from their last keyframe on.
    """
    assembler = _GopAssembler(rule, lead)
    for packet, facts in map(inspect, packets):
        if facts.second_field and assembler.add_field(packet):
            continue
        pts = packet.dts if packet.pts is None else packet.pts
        keyframe = packet.is_keyframe and not (facts.recovery and assembler.is_decodable)
        # a field's duration is not that of its frame
        duration = 0 if facts.field else packet.duration or 0
        hidden = packet.is_discard
        end = timeline.end if hidden else None
        time = timeline.place(pts, duration=duration, keyframe=keyframe, hidden=hidden)
        yield from assembler.add(packet, time, facts, time.ticks if end is None else end)
    yield from assembler.finish(timeline.end)


class _GopAssembler:
    """Holds at most one open and one pending GOP (see the module's table)."""

    def __init__(self, rule: GopRule, lead: Sequence[VideoPacket] = ()) -> None:
        self._rule = rule
        self._lead = lead
        self._open: Gop | None = None
        self._pending: Gop | None = None
        self._kept_in: list[VideoPacket] | None = None
        """List in which the newest packet is kept."""

    @property
    def is_decodable(self) -> bool:
        """Whether decoding can continue through a recovery point that comes now."""
        return self._open is not None and self._open.is_decodable

    def add_field(self, packet: VideoPacket) -> bool:
        """Add the second field of the newest packet's frame; return False if there is no GOP."""
        if self._open is None:
            return False
        if self._kept_in:
            packet.pts = self._kept_in[-1].pts
            self._kept_in.append(packet)
            self._open.size += packet.size
        return True

    def add(
        self, packet: VideoPacket, time: PacketTime, facts: PacketFacts, end: int
    ) -> Iterator[Gop]:
        """Add one packet and yield the GOPs that are complete now; a GOP before it ends at
        ``end``."""
        self._kept_in = None
        continues = facts.recovery > 0 and self.is_decodable and not time.jump
        keyed = packet.is_keyframe and not continues
        begins = self._open is None or keyed or time.jump
        anchor = self._open is None or not self._open.anchors or time.ticks > self._open.anchors[-1]
        if anchor or begins:
            yield from self._shorten(time)
        gop = self._open
        if gop is not None and time.pause:
            gop.pauses.append((time.ticks - time.pause, time.ticks))
        if gop is None or begins or (anchor and self._is_over(gop, time)):
            yield from self._begin(packet, time, facts if keyed else None, end)
        elif time.ticks < gop.first.ticks and gop.is_decodable and not gop.led:
            self._add_leading(gop, packet, time)
        else:
            yield from self._append(gop, packet, time)

    def finish(self, end: int) -> Iterator[Gop]:
        """Yield what is left when the source ends."""
        yield from self._release()
        if self._open is not None and self._open.is_needed:
            yield self._open.close(end)

    def _is_over(self, gop: Gop, time: PacketTime) -> bool:
        """Return whether the GOP is too long or too large if its next frame begins at ``time``."""
        too_long = self._rule.longest is not None and time.ticks - gop.start > self._rule.longest
        return too_long or gop.size > self._rule.max_bytes

    def _shorten(self, time: PacketTime) -> Iterator[Gop]:
        gop = self._open
        if gop is not None and len(gop.anchors) > 1 and self._is_over(gop, time):
            yield from self._release()
            self._open = gop.split()
            yield gop

    def _release(self) -> Iterator[Gop]:
        pending, self._pending = self._pending, None
        if pending is not None and pending.is_needed:
            yield pending

    def _begin(
        self, packet: VideoPacket, time: PacketTime, keyframe: PacketFacts | None, end: int
    ) -> Iterator[Gop]:
        """Begin a GOP with a packet; ``keyframe`` has the facts about it if it is a keyframe's."""
        yield from self._release()
        before = self._open
        keyed = keyframe is not None
        continues = before is not None and before.is_decodable and not (keyed or time.jump)
        self._open = Gop(first=time, keyed=keyed, continues=continues)
        if keyframe is not None:
            self._open.changed, self._open.recovery = keyframe.changed, keyframe.recovery
        elif before is None and self._lead:
            self._open.take_lead(self._lead)
        if before is not None:
            before.continued = continues
            self._pending = before.close(end)
        yield from self._append(self._open, packet, time)

    def _add_leading(self, gop: Gop, packet: VideoPacket, time: PacketTime) -> None:
        """Add a frame that is shown before the keyframe it follows.

        The pending GOP shows it, if there is one. After a cut inside a GOP it can be decoded, and
        other frames may depend on it.
        """
        if gop.continues:
            gop.append(packet, time)
            self._kept_in = gop.packets
        elif self._rule.keep:
            packet.pts = time.ticks
            gop.leading.append(packet)
            self._kept_in = gop.leading
        if self._pending is not None and not gop.first.jump and not packet.is_discard:
            self._pending.overhang.append(time.ticks)

    def _append(self, gop: Gop, packet: VideoPacket, time: PacketTime) -> Iterator[Gop]:
        anchor = not packet.is_discard and (not gop.anchors or time.ticks > gop.anchors[-1])
        if anchor:
            gop.anchors.append(time.ticks)
            gop.last_anchor = len(gop.packets)
        if packet.is_discard:
            gop.hidden += 1
        else:
            gop.shown.append(time.ticks)
        keeps = self._rule.keep or len(gop.packets) <= LOOKAHEAD
        if packet.is_keyframe or (keeps and gop.is_decodable):
            gop.append(packet, time)
            self._kept_in = gop.packets
        if anchor and len(gop.anchors) > 1:
            yield from self._release()

"""Keep the packets of one window, so that its bursts can be decoded on demand.

What a buffer keeps of the GOPs it is given, in this order:

    GOP                                     kept as
    ------------------------------------    ------------------------------------------------------
    not decodable                           its frame times only
    continues a GOP of the window before    a ``BufferedGop`` that begins with the packets of
                                            that one (``lead``); if those are too many, nothing: the
                                            buffer is incomplete
    continues a GOP of this window          appended to that ``BufferedGop``
    begins with a keyframe                  a new ``BufferedGop``, with its leading packets if the
                                            GOP before can be decoded
    any, above ``max_bytes``                nothing: the buffer is incomplete

An incomplete buffer has dropped its packets, and its window has no bursts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from scanner.media.gops import Gop, VideoPacket
from scanner.media.timeline import PacketTime

__all__ = ["BufferedGop", "PacketBuffer", "group_dependent_gops"]

MAX_LEAD: Final = 1 << 30
"""Pixels of frames before a window that are decoded to reach a GOP that was cut for its length:
17 s of 1080p30. Slow decoders need some 10 s for them, half of what the sandbox allows for a
window."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BufferedGop:
    """Packets to decode from one keyframe on."""

    packets: tuple[VideoPacket, ...]
    """Packets in the order of decoding, the keyframe first; where a cut GOP continues, those of
    windows before are included."""
    leading: tuple[VideoPacket, ...] = ()
    """Packets right after the keyframe that are shown before it and need the GOP before."""
    frames: tuple[int, ...]
    """Starts of its frames that lie in the window, in order of time."""
    anchors: tuple[int, ...]
    """Starts of those frames that come in this order."""
    epoch: PacketTime
    """A frame since the clock's last jump."""

    @property
    def leading_frames(self) -> tuple[int, ...]:
        """Starts of the leading frames."""
        return tuple(packet.pts or 0 for packet in self.leading)

    @property
    def starts(self) -> tuple[int, ...]:
        """Starts of all its frames."""
        return (*self.leading_frames, *self.frames)


@dataclass(slots=True, kw_only=True)
class PacketBuffer:
    """Grows GOP by GOP with its window (see the module's table)."""

    name: str
    """Name of the source in messages."""
    max_bytes: int
    """Bytes above which nothing is kept and no burst can be made."""
    pixels: int
    """Pixels of one frame."""
    lead: tuple[VideoPacket, ...] = ()
    """Packets of windows before, from the keyframe on that the window's first GOP continues from.
    """
    gops: list[BufferedGop] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    """Starts of all frames shown in the window, including those that cannot be decoded."""
    size: int = 0
    """Bytes of the packets."""
    is_complete: bool = True
    _after_decodable: bool = False
    """True if the GOP before can be decoded, so that leading frames of the next one can be too."""

    def add(self, gop: Gop) -> None:
        """Add one more GOP of the window."""
        self.frames += (*gop.shown, *gop.overhang)
        if gop.continues and not self.gops and not self.lead:
            self._drop("its keyframe lies too far back")
        if self.is_complete and gop.is_decodable:
            self._keep(gop)
        self._after_decodable = gop.is_decodable

    def next_buffer(self, gop: Gop) -> PacketBuffer:
        """Return an empty buffer for the next window, which ``gop`` begins."""
        tail = self._tail() if gop.continues and self.is_complete else ()
        lead = tail if len(tail) * self.pixels <= MAX_LEAD else ()
        size = sum(packet.size for packet in lead)
        return PacketBuffer(
            name=self.name, max_bytes=self.max_bytes, pixels=self.pixels, lead=lead, size=size
        )

    @property
    def decodable_frames(self) -> list[int]:
        """Starts of the frames that can be decoded, in order of time."""
        return sorted(ticks for gop in self.gops for ticks in gop.starts)

    def _tail(self) -> tuple[VideoPacket, ...]:
        return self.gops[-1].packets if self.gops else self.lead

    def _keep(self, gop: Gop) -> None:
        leading = tuple(gop.leading) if self._after_decodable else ()
        self.size += sum(packet.size for packet in (*gop.packets, *leading))
        if self.size > self.max_bytes:
            self._drop(f"more than {self.max_bytes} bytes")
            return
        before = self.gops.pop() if gop.continues and self.gops else None
        self.gops.append(
            BufferedGop(
                packets=(
                    *(before.packets if before else self.lead if gop.continues else ()),
                    *gop.packets,
                ),
                leading=before.leading if before else leading,
                frames=(*(before.frames if before else ()), *sorted(gop.shown)),
                anchors=(*(before.anchors if before else ()), *gop.anchors),
                epoch=gop.first,
            )
        )

    def _drop(self, reason: str) -> None:
        log.debug("no bursts of a window", extra={"source": self.name, "reason": reason})
        self.is_complete = False
        self.gops.clear()


def group_dependent_gops(
    gops: Sequence[BufferedGop], wanted: frozenset[int]
) -> Iterator[tuple[BufferedGop, ...]]:
    """Yield the GOPs with a wanted frame; those that must be decoded together, because a wanted
    leading frame needs the GOP before, come as one group."""
    group: list[BufferedGop] = []
    for gop in gops:
        if group and wanted.isdisjoint(gop.leading_frames):
            yield from _keep_wanted(group, wanted)
            group = []
        group.append(gop)
    yield from _keep_wanted(group, wanted)


def _keep_wanted(
    group: Sequence[BufferedGop], wanted: frozenset[int]
) -> Iterator[tuple[BufferedGop, ...]]:
    if any(not wanted.isdisjoint(gop.starts) for gop in group):
        yield tuple(group)

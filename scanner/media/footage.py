"""The packets of one window, kept so that bursts can be made of it for as long as somebody may ask."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from scanner.media.gops import Gop, VideoPacket
from scanner.media.timeline import Placed

__all__ = ["Footage", "Shot", "runs"]

MAX_LEAD: Final = 1 << 30
"""Pixels of the frames before a window that are decoded to see a GOP that was cut for its length:
17 s of 1080p30. Slow decoders need some 10 s for them, half of what the sandbox allows for a
window."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What is decoded from one keyframe on."""

    packets: tuple[VideoPacket, ...]
    """In order of decoding, the keyframe first; those of windows before included where a cut GOP
    goes on."""
    leading: tuple[VideoPacket, ...] = ()
    """What comes right after the keyframe, is shown before it and leans on the shot before."""
    frames: tuple[int, ...]
    """Starts of its frames that lie in the window, in order of time."""
    anchors: tuple[int, ...]
    """Those of them that come in this order."""
    epoch: Placed
    """A frame since the clock's last jump."""

    @property
    def led(self) -> tuple[int, ...]:
        """Starts of the leading frames."""
        return tuple(packet.pts or 0 for packet in self.leading)

    @property
    def starts(self) -> tuple[int, ...]:
        """Of all its frames."""
        return (*self.led, *self.frames)


@dataclass(slots=True, kw_only=True)
class Footage:
    """Grows GOP by GOP with its window.

    Past ``max_bytes`` it holds nothing any more, and no burst can be made.
    """

    name: str
    """What messages call the source."""
    max_bytes: int
    pixels: int
    """Of a frame."""
    lead: tuple[VideoPacket, ...] = ()
    """From the keyframe on that the window's first GOP goes on from."""
    shots: list[Shot] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    """Starts of all frames shown in the window, also of those that cannot be decoded."""
    size: int = 0
    """Bytes."""
    whole: bool = True
    _led: bool = False
    """The GOP before can be decoded, so that what leads the next keyframe can too."""

    def add(self, gop: Gop) -> None:
        """One more GOP of the window."""
        self.frames += (*gop.shown, *gop.led)
        if gop.continues and not self.shots and not self.lead:
            self._drop("its keyframe lies too far back")
        if self.whole and gop.decodable:
            self._keep(gop)
        self._led = gop.decodable

    def following(self, gop: Gop) -> Footage:
        """An empty one for the next window, which ``gop`` begins."""
        tail = self._tail() if gop.continues and self.whole else ()
        lead = tail if len(tail) * self.pixels <= MAX_LEAD else ()
        size = sum(packet.size for packet in lead)
        return Footage(
            name=self.name, max_bytes=self.max_bytes, pixels=self.pixels, lead=lead, size=size
        )

    def _tail(self) -> tuple[VideoPacket, ...]:
        return self.shots[-1].packets if self.shots else self.lead

    def _keep(self, gop: Gop) -> None:
        leading = tuple(gop.leading) if self._led else ()
        self.size += sum(packet.size for packet in (*gop.packets, *leading))
        if self.size > self.max_bytes:
            self._drop(f"more than {self.max_bytes} bytes")
            return
        before = self.shots.pop() if gop.continues and self.shots else None
        self.shots.append(
            Shot(
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

    def _drop(self, why: str) -> None:
        log.debug("no bursts of a window", extra={"source": self.name, "why": why})
        self.whole = False
        self.shots.clear()

    @property
    def seen(self) -> list[int]:
        """Starts of the frames that can be decoded, in order of time."""
        return sorted(ticks for shot in self.shots for ticks in shot.starts)


def runs(shots: Sequence[Shot], wanted: frozenset[int]) -> Iterator[tuple[Shot, ...]]:
    """Shots with a wanted frame, those together of which one leans on the other."""
    run: list[Shot] = []
    for shot in shots:
        if run and wanted.isdisjoint(shot.led):
            yield from _if_wanted(run, wanted)
            run = []
        run.append(shot)
    yield from _if_wanted(run, wanted)


def _if_wanted(run: Sequence[Shot], wanted: frozenset[int]) -> Iterator[tuple[Shot, ...]]:
    if any(not wanted.isdisjoint(shot.starts) for shot in run):
        yield tuple(run)

"""Takes packets as a container gives them, until a span of time is complete."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from av.packet import Packet
from av.stream import Stream

from scanner.errors import LimitError
from scanner.types import Span

__all__ = ["Collector", "Timed"]

INTERLEAVE = Fraction(1)
"""Seconds by which sound may lag behind the pictures of the same time in a container."""


class Timed(NamedTuple):
    """A packet and when it is shown."""

    at: Fraction
    """Seconds on the stream clock."""
    packet: Packet[Stream]

    @property
    def duration(self) -> Fraction:
        """Seconds; 0 where the container does not say."""
        return (self.packet.duration or 0) * self.packet.time_base


@dataclass(slots=True, kw_only=True)
class Collector:
    """Takes packets in the container's order until the span is complete."""

    span: Span
    most: int
    """Bytes of pictures."""
    name: str
    sounds: list[Timed] = field(default_factory=list)
    done: bool = False
    truncated: bool = False
    _pictures: list[Timed] = field(default_factory=list)
    _size: int = 0
    _closing: Fraction | None = None
    """When the first keyframe at or after the span's end is shown."""
    _complete: bool = False
    """All pictures are there; sound of the same time may still come."""

    @property
    def pictures(self) -> tuple[Timed, ...]:
        """In decode order from a keyframe; the keyframe after the span only if pictures before it
        lean on it."""
        closed = bool(self._pictures) and self._pictures[-1].at == self._closing
        return tuple(self._pictures[:-1] if closed else self._pictures)

    @property
    def reaches_back(self) -> bool:
        """It begins at the keyframe that the span's first picture needs."""
        return bool(self._pictures) and self._pictures[0].at <= self.span.start

    def add(self, timed: Timed) -> None:
        """Take it or leave it."""
        if timed.packet.stream.type == "audio":
            self.sounds.append(timed)
            self.done = self._complete and timed.at >= self.span.end
        elif self._complete:
            self.done = timed.at > self.span.end + INTERLEAVE
        else:
            self._add_picture(timed)

    def stop(self) -> None:
        """Nothing that follows can belong to the span; what is missing of it is missing."""
        self.truncated = not self._complete
        self._complete = self.done = True

    def _add_picture(self, timed: Timed) -> None:
        keyframe = timed.packet.is_keyframe
        if self._closing is not None and (keyframe or timed.at > self._closing):
            self._complete = True
            return
        if keyframe and timed.at >= self.span.end:
            self._closing = timed.at
        if keyframe and timed.at <= self.span.start:
            self._pictures.clear()
            self._size = 0
            self.sounds = [sound for sound in self.sounds if sound.at >= timed.at]
        if keyframe or (self._pictures and timed.at > self._pictures[0].at):
            self._keep(timed)

    def _keep(self, timed: Timed) -> None:
        self._size += timed.packet.size
        if self._size <= self.most:
            self._pictures.append(timed)
            return
        if timed.at <= self.span.start:
            raise LimitError(
                f"{self.name}: no keyframe within {self.most} bytes before the clip",
                kind="limit_bytes",
            )
        self.stop()

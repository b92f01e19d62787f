"""Evidence that pictures pause where their clock steps far ahead, instead of that the clock jumps.

An encoder that loses its camera may go on with the sound. The pictures' time stamps then step ahead
by as much as the pause took, and those of the other tracks lie between. Where the clock jumps, as
after a restart, all tracks jump together.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import BinaryIO, Final

from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Discard
from av.video.stream import VideoStream

from scanner.media.limits import MediaLimits
from scanner.media.open import WRAP_BITS, open_whole
from scanner.media.sniff import Container
from scanner.media.timeline import SILENCE_SECONDS
from scanner.types import NEVER_WRAPS

__all__ = ["PauseEvidence"]

MOST_STEPS: Final = 64
"""Steps of one source that are compared with its other tracks; later ones are jumps."""
TOLERANCE: Final = Fraction(1)
"""Seconds by which a declared duration may be too short: playlists round it."""


class PauseEvidence:
    """Tells pauses from jumps, by the sender's declared duration and the source's other tracks.

    The source is read once more, and only where its pictures' clock steps far ahead.
    """

    def __init__(
        self,
        source: BinaryIO,
        track: VideoStream,
        limits: MediaLimits,
        *,
        name: str,
        declared: Fraction | None = None,
    ) -> None:
        """``track`` is that of the pictures, in an open container of the source."""
        time_base = track.time_base
        assert time_base is not None  # every demuxer sets it
        self._source = source
        self._format = track.container.format.name
        self._track = track.index
        self._limits = limits
        self._name = name
        self._declared = 0 if declared is None else (declared + TOLERANCE) // time_base
        self._silence = SILENCE_SECONDS // time_base
        self._modulus = 1 << WRAP_BITS.get(self._format, NEVER_WRAPS)
        self._others: array[int] | None = None
        self._steps = 0

    def is_pause(self, first: int, before: int, after: int) -> bool:
        """Return whether the time from the picture at time stamp ``before`` to that at ``after``
        passed, by evidence other than their own; ``first`` is that of the first picture."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            return False
        if (after - first) % self._modulus <= self._declared:
            return True
        length = (after - before) % self._modulus
        between = sorted(self._list_between(before, length))
        return bool(between) and all(
            later - earlier <= self._silence for earlier, later in pairwise((0, *between, length))
        )

    def _list_between(self, before: int, length: int) -> Iterator[int]:
        """Yield the ticks after ``before`` at which packets of other tracks begin."""
        if self._others is None:
            self._others = array("Q", sorted(self._read_others()))
        end = before + length
        spans = [(before, min(end, self._modulus)), (0, end - self._modulus)]
        for start, stop in spans:
            found = slice(bisect_left(self._others, start), bisect_right(self._others, stop))
            yield from ((at - before) % self._modulus for at in self._others[found])

    def _read_others(self) -> Iterator[int]:
        position = self._source.tell()
        self._source.seek(0)
        try:
            kind = Container(self._format)  # one whose clock runs on
            with open_whole(self._source, kind, self._limits, self._name) as whole:
                yield from self._times(whole)
        finally:
            self._source.seek(position)

    def _times(self, container: InputContainer) -> Iterator[int]:
        others = [stream for stream in container.streams if stream.index != self._track]
        container.streams[self._track].discard = Discard.all
        try:
            for packet in container.demux(others) if others else ():
                time = packet.dts if packet.pts is None else packet.pts
                if packet.size and time is not None:
                    yield time % self._modulus
        except (FFmpegError, IndexError):
            return

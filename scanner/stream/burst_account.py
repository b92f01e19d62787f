"""The work that a stream spent on bursts over its last ten minutes, and may spend now.

Work is counted and never timed, so that every way of running, and every retry, decides the same:

    work                                                          units
    ----------------------------------------------------------    ---------------------------------
    decode a keyframe                                             a unit for each thousand pixels
    decode another frame                                          a third of that
    score the sample of a frame                                   500: a quarter of 1080p
    scale and score one frame of a burst                          100

A sample counts as a keyframe. Time is the length of the segments that were scored: a gap takes no
work and earns nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final, Self

from scanner.types import KEYFRAME_WEIGHT, Burst, ScoredSegment, ScoringWork

__all__ = ["BurstAccount", "burst_work", "frames_for", "frames_per_burst", "sample_work"]

_PIXELS: Final = 1000
"""Pixels of a keyframe that are one unit."""
_SCORE_SAMPLE: Final = 500
_SCORE_BURST_FRAME: Final = 100
_PERIOD_MS: Final = 600_000
"""Milliseconds over which work for bursts is compared with other work."""
_SLOT_MS: Final = 30_000
"""Milliseconds after which an entry of the account is complete."""


def sample_work(pixels: int) -> int:
    """Return the work for one sample of a picture with that many pixels."""
    return pixels // _PIXELS + _SCORE_SAMPLE


def burst_work(pixels: int, *, frames: int, bursts: Iterable[Burst]) -> int:
    """Return the work for bursts: ``frames`` decoded, a keyframe counted ``KEYFRAME_WEIGHT`` times,
    and each of the bursts scored."""
    scored = sum(burst.frames for burst in bursts)
    return frames * pixels // (_PIXELS * KEYFRAME_WEIGHT) + scored * _SCORE_BURST_FRAME


def frames_for(work: int, pixels: int) -> int:
    """Return how many frames can be decoded for that much work, rounded down."""
    return work * _PIXELS * KEYFRAME_WEIGHT // max(pixels, 1)


def frames_per_burst(burst: Burst, pixels: int) -> int:
    """Return how many decoded frames take as much as scoring one burst, rounded up."""
    return ceil(burst.frames * _SCORE_BURST_FRAME * _PIXELS * KEYFRAME_WEIGHT / max(pixels, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstAccount:
    """The work of a stream's last ten minutes, in entries of half a minute; bounded."""

    entries: tuple[tuple[int, int, int], ...] = ()
    """Milliseconds, work for frames and work for bursts, oldest first; the last one is growing."""

    def record(self, segment: ScoredSegment) -> Self:
        """Return the account after a segment that was scored."""
        return self.add(int(segment.times.duration * 1000), segment.work)

    def add(self, milliseconds: int, work: ScoringWork) -> Self:
        """Return the account after that much more of the stream."""
        entries = self.entries
        if not entries or entries[-1][0] >= _SLOT_MS:
            entries = (*entries[-(_PERIOD_MS // _SLOT_MS) :], (0, 0, 0))
        last = entries[-1]
        grown = (last[0] + milliseconds, last[1] + work.frames, last[2] + work.bursts)
        return type(self)(entries=(*entries[:-1], grown))

    def remaining(self, share: float, *, in_advance: bool = False) -> int:
        """Return the work that bursts may still take, at that share of the work for frames; below 0
        if they took more.

        ``in_advance`` counts ten minutes as if the stream had always run as it does since its
        beginning, so that a stream that is new, or short, may spend at once.
        """
        length, frames, bursts = (sum(entry[i] for entry in self.entries) for i in range(3))
        earned = share * frames
        if in_advance:
            earned *= max(_PERIOD_MS / max(length, 1000), 1.0)
        return floor(earned) - bursts

    def to_json(self) -> list[list[int]]:
        """Return the account as ``json.dumps`` takes it."""
        return [list(entry) for entry in self.entries]

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        """Return the account that ``to_json`` wrote."""
        return cls(entries=tuple((length, frames, bursts) for length, frames, bursts in data))

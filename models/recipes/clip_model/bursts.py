"""Bursts out of clips: which instants the scanner would look at, and the frames it would see there, made by its own media."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from scanner.media.decode import decode
from scanner.media.request import DecodeRequest
from scanner.media.sampling import Sampling
from scanner.types import Fit, FrameSpec, Rgb

__all__ = ["EVERY", "FRAMES", "LENGTH", "RATE", "SIDE", "Film", "bursts", "frames_at", "read_film"]

FRAMES = 10
"""Of one burst."""
RATE = 5
"""Frames a second within a burst."""
SIDE = 160
"""Pixels of the square that the network sees."""
LENGTH = Fraction(FRAMES - 1, RATE)
"""Seconds from a burst's first frame to its last."""
EVERY = Fraction(2)
"""Seconds from one burst's start to the next one's."""
_ALL = Sampling(strategy="every", every=Fraction(1, 240))
"""Every frame of footage below 240 a second."""

Instants = tuple[Fraction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """The frames of one clip, in order of time."""

    at: Instants
    """Seconds from the first frame's start to each one's."""
    frames: tuple[Rgb, ...]
    end: Fraction
    """Seconds to the last frame's end."""


def read_film(path: Path, *, width: int = SIDE, height: int = SIDE, seconds: Fraction | None = None) -> Film:
    """All frames of the first ``seconds`` (all of them where ``None``), squashed to ``width`` x ``height`` as the scanner squashes."""
    spec = FrameSpec(width=width, height=height, fit=Fit.SQUASH)
    at: list[Fraction] = []
    frames: list[Rgb] = []
    end = Fraction(0)
    with path.open("rb") as file:
        for window in decode(file, DecodeRequest(specs=(spec,), sampling=_ALL), name=path.name):
            at += [window.begins + sample.at for sample in window.samples]
            frames += [sample.images[spec] for sample in window.samples]
            end = window.begins + window.times.duration
            if seconds is not None and end >= seconds:
                break
    end = end if seconds is None else min(end, seconds)
    kept = bisect_left(at, end)
    return Film(at=tuple(at[:kept]), frames=tuple(frames[:kept]), end=end)


def bursts(end: Fraction) -> tuple[Instants, ...]:
    """The instants of each burst of a segment that ends at ``end``: end to end, the last one shifted back to fit.

    A segment shorter than a burst has one that is spread over it, and none where it is shorter than half a burst.

    >>> [float(instants[0]) for instants in bursts(Fraction(5))]
    [0.0, 2.0, 3.1]
    >>> bursts(Fraction(1, 2))
    ()
    """
    if end < LENGTH:
        return (_spread(Fraction(0), end),) if end * 2 >= LENGTH else ()
    count = -(-end // EVERY)
    return tuple(_spread(min(index * EVERY, end - LENGTH), LENGTH) for index in range(count))


def _spread(start: Fraction, length: Fraction) -> Instants:
    return tuple(start + length * index / (FRAMES - 1) for index in range(FRAMES))


def frames_at(film: Film, instants: Sequence[Fraction]) -> list[Rgb]:
    """The frame shown at each instant: the latest that has begun by then."""
    return [film.frames[max(0, bisect_right(film.at, instant) - 1)] for instant in instants]

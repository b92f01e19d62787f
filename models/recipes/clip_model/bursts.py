"""Bursts out of clips: which instants the scanner would look at, and the frames it would see there,
made by its own media."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from scanner.media.bursts import plan_burst_instants
from scanner.media.decode import decode_windows
from scanner.media.request import DecodeRequest
from scanner.media.samples import Rgb
from scanner.media.sampling import Sampling
from scanner.types import Burst, Fit, FrameSpec

__all__ = ["BURST", "SIDE", "Film", "bursts_of", "frames_at", "read_film"]

BURST = Burst(frames=10, rate=5)
"""Long enough for a blow and what follows; 10 frames a second for 2 s cost twice as much and were
worth 0.01 of AUC."""
SIDE = 160
"""Pixels of the square that the network gets of each frame."""
_ALL = Sampling(strategy="every", every=Fraction(1, 240))
"""Every frame of footage below 240 a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """The frames of one clip, in order of time."""

    at: tuple[Fraction, ...]
    """Seconds from the first frame's start to each one's."""
    frames: tuple[Rgb, ...]
    end: Fraction
    """Seconds to the last frame's end."""


def read_film(
    path: Path, *, width: int = SIDE, height: int = SIDE, seconds: Fraction | None = None
) -> Film:
    """All frames of the first ``seconds`` (all of them where ``None``), squashed to ``width`` x
    ``height`` as the scanner squashes."""
    spec = FrameSpec(width=width, height=height, fit=Fit.SQUASH)
    at: list[Fraction] = []
    frames: list[Rgb] = []
    end = Fraction(0)
    with path.open("rb") as file:
        for window in decode_windows(
            file, DecodeRequest(specs=(spec,), sampling=_ALL), name=path.name
        ):
            at += [window.begins + sample.at for sample in window.samples]
            frames += [sample.images[spec] for sample in window.samples]
            end = window.begins + window.times.duration
            if seconds is not None and end >= seconds:
                break
    end = end if seconds is None else min(end, seconds)
    kept = bisect_left(at, end)
    return Film(at=tuple(at[:kept]), frames=tuple(frames[:kept]), end=end)


def bursts_of(film: Film) -> list[list[Rgb]]:
    """The frames of each burst that the scanner makes of a segment like ``film``."""
    return [frames_at(film, instants) for instants in plan_burst_instants(film.at[-1], BURST)]


def frames_at(film: Film, instants: Sequence[Fraction]) -> list[Rgb]:
    """The frame shown at each instant: the latest that has begun by then."""
    return [film.frames[max(0, bisect_right(film.at, instant) - 1)] for instant in instants]

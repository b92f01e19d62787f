"""Bursts of clips, at the instants and with the frames that the scanner would use."""

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

__all__ = ["BURST", "SIDE", "Video", "extract_bursts", "frames_at", "read_video"]

BURST = Burst(frames=10, rate=5)
"""Long enough for a blow and its consequences; 10 frames per second for 2 s cost twice as much and
gained 0.01 of AUC."""
SIDE = 160
"""The side in pixels of the network's input."""
_ALL = Sampling(strategy="every", every=Fraction(1, 240))
"""All frames of footage below 240 frames per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """The frames of one clip, in order of time."""

    at: tuple[Fraction, ...]
    """Seconds from the start of the first frame to that of each frame."""
    frames: tuple[Rgb, ...]
    end: Fraction
    """Seconds to the end of the last frame."""


def read_video(
    path: Path, *, width: int = SIDE, height: int = SIDE, seconds: Fraction | None = None
) -> Video:
    """Read the frames of the first ``seconds`` (None: of all), squashed to ``width`` x ``height``
    as the scanner does."""
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
    return Video(at=tuple(at[:kept]), frames=tuple(frames[:kept]), end=end)


def extract_bursts(video: Video) -> list[list[Rgb]]:
    """Return the frames of each burst that the scanner takes from a segment like ``video``."""
    return [frames_at(video, instants) for instants in plan_burst_instants(video.at[-1], BURST)]


def frames_at(video: Video, instants: Sequence[Fraction]) -> list[Rgb]:
    """Return the frame on screen at each instant."""
    return [video.frames[max(0, bisect_right(video.at, instant) - 1)] for instant in instants]

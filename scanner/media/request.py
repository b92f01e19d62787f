"""The requests that say how to decode a source, and which bursts to make of a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from scanner.media.limits import MediaLimits
from scanner.media.sampling import Sampling
from scanner.types import FrameSpec

__all__ = ["BurstRequest", "DecodeRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRequest:
    """Instants to sample, arrays to make of them, and limits on the source."""

    specs: tuple[FrameSpec, ...]
    """Arrays to make of each sample; without any, samples have no images.

    Specs with a burst are made on demand.
    """
    sampling: Sampling = field(default_factory=Sampling)
    limits: MediaLimits = field(default_factory=MediaLimits)
    window: Fraction | None = Fraction(10)
    """Longest window in seconds; ``None``: the whole source is one segment."""
    second_sample: bool = False
    """True to sample the last frame of a source that ends before its second sample is due: one
    sample proves little about a short file."""
    first_window: int = 0
    """First window to return, so that work can be resumed; earlier ones are only demuxed."""
    declared: Fraction | None = None
    """Seconds of the source, as its sender declares them; None where it does not."""
    previous: int = 0
    """Number of the segments just before the source, in which decoding may begin; they are the last
    sources of the task, in order."""

    def __post_init__(self) -> None:
        if self.window is not None and not self.window > 0:
            raise ValueError(f"window must be above 0 s, got {self.window}")
        if self.first_window < 0:
            raise ValueError(f"first window must be 0 or more, got {self.first_window}")
        if self.previous < 0:
            raise ValueError(f"previous must be 0 or more, got {self.previous}")

    @property
    def frame_specs(self) -> tuple[FrameSpec, ...]:
        """Specs of a single frame."""
        return tuple(spec for spec in self.specs if spec.burst is None)

    @property
    def burst_specs(self) -> tuple[FrameSpec, ...]:
        """Specs of a burst."""
        return tuple(spec for spec in self.specs if spec.burst is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstRequest:
    """Bursts to make of one window, as many as a number of decoded frames allows.

    A keyframe counts as ``KEYFRAME_WEIGHT`` frames.
    """

    near: Fraction = Fraction(0)
    """Seconds from the window's first frame; bursts that lie nearer to it are preferred."""
    max_frames: int | None = None
    """Most frames to decode, estimated before decoding; ``None``: make every burst."""
    frames_per_burst: int = 0
    """Frames that each burst counts in addition, for what is done with it afterwards."""
    at_least_one: bool = False
    """True to make the nearest burst whatever it takes."""

    def __post_init__(self) -> None:
        if self.frames_per_burst < 0:
            raise ValueError(f"frames_per_burst must be 0 or more, got {self.frames_per_burst}")

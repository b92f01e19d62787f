"""What a caller wants to see of a source."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from scanner.media.limits import MediaLimits
from scanner.media.sampling import Sampling
from scanner.types import FrameSpec

__all__ = ["DecodeRequest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeRequest:
    """Which instants, made into which arrays, within which limits."""

    specs: tuple[FrameSpec, ...]
    """Each distinct one is made once a sample; none at all gives samples without images.

    Those with a burst are made on demand.
    """
    sampling: Sampling = field(default_factory=Sampling)
    limits: MediaLimits = field(default_factory=MediaLimits)
    window: Fraction | None = Fraction(10)
    """The longest window in seconds; ``None``: the whole source is one segment."""
    second_look: bool = False
    """A source that is over before a second sample is due gets one at its end: of a short file, one
    look proves nothing."""
    first_window: int = 0
    """Earlier windows are demuxed and not looked at, so that work goes on where it stopped."""

    def __post_init__(self) -> None:
        if self.window is not None and not self.window > 0:
            raise ValueError(f"window must be above 0 s, got {self.window}")
        if self.first_window < 0:
            raise ValueError(f"first window must be 0 or more, got {self.first_window}")

    @property
    def frame_specs(self) -> tuple[FrameSpec, ...]:
        """Those of one frame."""
        return tuple(spec for spec in self.specs if spec.burst is None)

    @property
    def burst_specs(self) -> tuple[FrameSpec, ...]:
        """Those of several."""
        return tuple(spec for spec in self.specs if spec.burst is not None)

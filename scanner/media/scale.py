"""From a decoded frame to the arrays that were asked for, by the scaler that training used."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from scanner.types import FrameSpec, Rgb

__all__ = ["Scaler"]


class Scaler:
    """One kept swscale context for each spec."""

    def __init__(self, specs: tuple[FrameSpec, ...]) -> None:
        self._reformatters = {spec: VideoReformatter() for spec in specs}

    def images(self, frame: VideoFrame) -> dict[FrameSpec, Rgb]:
        """The frame for each spec, H x W x 3 uint8 full-range RGB, upright, contiguous and owned by the caller."""
        return {spec: self._image(frame, spec) for spec in self._reformatters}

    def _image(self, frame: VideoFrame, spec: FrameSpec) -> Rgb:
        small = self._reformatters[spec].reformat(
            frame, width=spec.width, height=spec.height, format="rgb24", interpolation=Interpolation.AREA, threads=1
        )
        return np.ascontiguousarray(small.to_ndarray(), dtype=np.uint8)

"""Every pixel of an array is written, whatever swscale does with odd widths."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from scanner.media.orientation import UPRIGHT
from scanner.media.scale import Scaler, to_rgba
from scanner.types import FrameSpec

FORMATS = (
    "yuv420p",
    "yuv422p",
    "yuv444p",
    "yuva420p",
    "yuva422p",
    "yuva444p",
    "rgba",
    "argb",
    "gray",
    "yuv420p10le",
)
HEIGHT = 16


def flat(width: int, pixels: str) -> VideoFrame:
    """Return an opaque light grey frame with grey padding.

    It is made plane by plane, as swscale leaves odd widths unwritten here as well.
    """
    grey = np.full((HEIGHT, 64, 4), (200, 200, 200, 255), np.uint8)
    model = VideoReformatter().reformat(VideoFrame.from_ndarray(grey, format="rgba"), format=pixels)
    step = {"rgba": 4, "argb": 4, "yuv420p10le": 2}.get(pixels, 1)
    frame = VideoFrame(width, HEIGHT, pixels)
    frame.color_range, frame.colorspace = model.color_range, model.colorspace
    for plane, filled in zip(frame.planes, model.planes, strict=True):
        plane.update(bytes(filled)[:step] * (plane.buffer_size // step))
    return frame


@pytest.mark.parametrize("pixels", FORMATS)
@pytest.mark.parametrize("width", range(16, 49))
def test_a_flat_picture_is_flat_up_to_its_last_column(width: int, pixels: str) -> None:
    frame, spec = flat(width, pixels), FrameSpec(width=width, height=HEIGHT)

    rgba, rgb = to_rgba(frame), Scaler((spec,)).images(frame, (width, HEIGHT), UPRIGHT)[spec]

    assert np.ptp(rgba.reshape(-1, 4), axis=0).max() <= 1
    assert np.ptp(rgb) <= 1
    assert rgba[0, 0].tolist() == pytest.approx([200, 200, 200, 255], abs=2)

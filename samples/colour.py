"""From RGB to the planes of a video frame, by the equations of BT.601, 709 and 2020 and by nobody else's code.

So a test of a decoder's colours does not compare a library with itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from numpy.typing import NDArray

__all__ = ["Coding", "Matrix", "to_frame"]


class Matrix(Enum):
    """Red's and blue's share of luma, and FFmpeg's numbers for matrix, primaries and transfer."""

    BT601 = (0.299, 0.114, Colorspace.ITU601, ColorPrimaries.SMPTE170M, ColorTrc.SMPTE170M)
    BT709 = (0.2126, 0.0722, Colorspace.ITU709, ColorPrimaries.BT709, ColorTrc.BT709)
    BT2020 = (0.2627, 0.0593, 9, ColorPrimaries.BT2020, ColorTrc.BT2020_10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How the numbers of a picture are stored."""

    pix_fmt: str = "yuv420p"
    matrix: Matrix = Matrix.BT709
    full: bool = False
    """All of 0 to 255 rather than 16 to 235."""
    tagged: bool = True
    """Whether the stream says so, or leaves it to be guessed."""

    @property
    def range(self) -> ColorRange:
        return ColorRange.JPEG if self.full else ColorRange.MPEG


def to_frame(rgb: NDArray[np.uint8], coding: Coding) -> av.VideoFrame:
    """A frame with the planes of H x W x 3 ``rgb``; where the format has alpha, the picture is opaque."""
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], coding.pix_fmt)
    depth = frame.format.components[0].bits
    planes = _planes(rgb, coding, depth)
    for plane, values in zip(frame.planes, planes, strict=False):
        _fill(plane, _shrink(values, plane.height, plane.width))
    return frame


def _planes(rgb: NDArray[np.uint8], coding: Coding, depth: int) -> list[NDArray[np.generic]]:
    red_share, blue_share = coding.matrix.value[:2]
    red, green, blue = np.moveaxis(rgb.astype(np.float32) / 255, 2, 0)
    luma = red_share * red + (1 - red_share - blue_share) * green + blue_share * blue
    cb, cr = (blue - luma) / (2 - 2 * blue_share), (red - luma) / (2 - 2 * red_share)
    step, top = 1 << (depth - 8), (1 << depth) - 1
    kind = np.uint8 if depth == 8 else np.uint16
    scale, lift, chroma = (top, 0, top) if coding.full else (219 * step, 16 * step, 224 * step)
    levels = (luma * scale + lift, cb * chroma + 128 * step, cr * chroma + 128 * step, np.full_like(luma, top))
    return [np.clip(np.rint(level), 0, top).astype(kind) for level in levels]


def _shrink(values: NDArray[np.generic], height: int, width: int) -> NDArray[np.generic]:
    """Subsampled by taking every second value: patches are flat, and edges are never measured."""
    return values[:: values.shape[0] // height, :: values.shape[1] // width]


def _fill(plane: av.video.plane.VideoPlane, values: NDArray[np.generic]) -> None:
    row = plane.line_size // values.itemsize
    padded = np.zeros((plane.buffer_size // plane.line_size, row), values.dtype)
    padded[: values.shape[0], : values.shape[1]] = values
    plane.update(padded.tobytes())

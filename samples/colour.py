"""Convert RGB to the planes of a video frame by the equations of BT.601, BT.709 and BT.2020.

It uses no library for it, so that a test of a decoder's colours does not compare a library with
itself.
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
    """Share of red and blue in luma, and FFmpeg's numbers for matrix, primaries and transfer."""

    BT601 = (0.299, 0.114, Colorspace.ITU601, ColorPrimaries.SMPTE170M, ColorTrc.SMPTE170M)
    BT709 = (0.2126, 0.0722, Colorspace.ITU709, ColorPrimaries.BT709, ColorTrc.BT709)
    BT2020 = (0.2627, 0.0593, 9, ColorPrimaries.BT2020, ColorTrc.BT2020_10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """Pixel format and colour coding of a picture."""

    pix_fmt: str = "yuv420p"
    matrix: Matrix = Matrix.BT709
    full: bool = False
    """True for levels 0 to 255, false for 16 to 235."""
    tagged: bool = True
    """True if the stream declares matrix and range."""
    declared_matrix: int | None = None
    """Matrix that the stream declares instead of its own, as numbered in H.273."""

    @property
    def range(self) -> ColorRange:
        """FFmpeg's number of the range."""
        return ColorRange.JPEG if self.full else ColorRange.MPEG


def to_frame(rgb: NDArray[np.uint8], coding: Coding) -> av.VideoFrame:
    """Return a frame with the planes of H x W x 3 ``rgb``, opaque if the format has alpha."""
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], coding.pix_fmt)
    depth = frame.format.components[0].bits
    weights, lift = _equation(coding, depth)
    for plane, row, level in zip(frame.planes, weights, lift, strict=False):
        _fill(plane, _round_levels(_subsample(rgb, plane.height, plane.width) @ row + level, depth))
    return frame


def _equation(coding: Coding, depth: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights of red, green and blue (0 to 255) and the level that is added.

    Both are for each plane: luma, Cb, Cr and alpha, or green, blue and red.
    """
    if coding.pix_fmt.startswith("gbr"):
        return np.roll(np.eye(3, dtype=np.float32), -1, axis=0) * (
            ((1 << depth) - 1) / 255
        ), np.zeros(3, np.float32)
    red, blue = coding.matrix.value[:2]
    luma = np.array([red, 1 - red - blue, blue])
    cb, cr = (
        (np.array([0, 0, 1]) - luma) / (2 - 2 * blue),
        (np.array([1, 0, 0]) - luma) / (2 - 2 * red),
    )
    step, top = 1 << (depth - 8), (1 << depth) - 1
    scale, foot, chroma = (top, 0, top) if coding.full else (219 * step, 16 * step, 224 * step)
    weights = np.array([luma * scale, cb * chroma, cr * chroma, np.zeros(3)]) / 255
    return weights.astype(np.float32), np.array([foot, 128 * step, 128 * step, top], np.float32)


def _subsample(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float32]:
    """Return every second pixel where chroma has half the size.

    Patches are flat, and edges are never measured.
    """
    return rgb[:: rgb.shape[0] // height, :: rgb.shape[1] // width].astype(np.float32)


def _round_levels(levels: NDArray[np.float32], depth: int) -> NDArray[np.generic]:
    return np.clip(np.rint(levels), 0, (1 << depth) - 1).astype(
        np.uint8 if depth == 8 else np.uint16
    )


def _fill(plane: av.video.plane.VideoPlane, values: NDArray[np.generic]) -> None:
    row = plane.line_size // values.itemsize
    padded = np.zeros((plane.buffer_size // plane.line_size, row), values.dtype)
    padded[: values.shape[0], : values.shape[1]] = values
    plane.update(padded.tobytes())

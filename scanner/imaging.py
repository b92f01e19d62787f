"""Pictures as arrays: scaling, blurring, text and JPEG. The only module that imports OpenCV."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from scanner.media.samples import Rgb

__all__ = [
    "BLUR_CELLS",
    "FONT_PIXELS",
    "Floats",
    "blur",
    "decode_jpeg",
    "draw_text",
    "encode_jpeg",
    "interpolate",
    "resize",
    "smooth",
    "use_one_thread",
]

Floats = NDArray[np.float32]
FONT_PIXELS: Final = 30.0
"""Height in pixels of a line of the font at scale 1."""
BLUR_CELLS: Final = 14
"""Cells along the longer side of a blurred picture: its light and colours stay, but no shape of a
person."""


def use_one_thread() -> None:
    """Make OpenCV compute in the calling thread, for processes that may start no others."""
    cv2.setNumThreads(1)


def resize(rgb: Rgb, size: tuple[int, int]) -> Rgb:
    """Return the picture scaled to ``size`` (width, height), averaging pixels where it gets
    smaller."""
    smaller = size[0] <= rgb.shape[1] and size[1] <= rgb.shape[0]
    return np.asarray(
        cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR),
        np.uint8,
    )


def blur(rgb: Rgb) -> Rgb:
    """Return the picture with all detail averaged away, so that it cannot be recovered."""
    height, width = rgb.shape[:2]
    scale = BLUR_CELLS / max(height, width)
    cells = cv2.resize(
        rgb,
        (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA,
    )
    soft = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(soft, (0, 0), sigmaX=max(height, width) / BLUR_CELLS / 2)
    return np.ascontiguousarray(smooth, dtype=np.uint8)


def interpolate(values: Floats, size: tuple[int, int]) -> Floats:
    """Return a map of values, H x W x C, scaled to ``size`` (width, height) by bilinear
    interpolation."""
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)


def smooth(values: Floats, sigma: float) -> Floats:
    """Return a map of values after a Gaussian filter of this standard deviation in cells."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigmaX=sigma), np.float32)


def draw_text(
    rgb: Rgb,
    text: str,
    corner: tuple[int, int],
    *,
    scale: float,
    colour: tuple[int, int, int],
) -> None:
    """Draw a line of text into the picture, in place.

    ``corner`` is the lower left one (x, y). Characters outside ASCII become question marks.
    """
    ascii_text = text.encode("ascii", "replace").decode()
    cv2.putText(rgb, ascii_text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def encode_jpeg(rgb: Rgb, quality: int) -> bytes:
    """Return the picture as JPEG of this quality, 1 to 100."""
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert done, "every picture can be encoded as JPEG"
    return bytes(data)


def decode_jpeg(data: bytes) -> Rgb:
    """Return the picture of a JPEG that ``encode_jpeg`` wrote; not for files from elsewhere."""
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.ascontiguousarray(np.asarray(decoded, np.uint8)[..., ::-1])

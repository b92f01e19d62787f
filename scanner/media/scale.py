"""Scale decoded frames to the requested arrays, with the scaler that training used.

Frames of interlaced video are scaled as they are stored, both fields woven. Transparent pixels are
blended with black.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from numpy.typing import NDArray

from scanner.media.orientation import Turn
from scanner.media.samples import Rgb
from scanner.types import Fit, FrameSpec

__all__ = ["Scaler", "displayed_size", "fit_size", "to_rgba"]

_KNOWN_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
"""Values of ``AVCOL_SPC`` that swscale can convert; it refuses others, such as YCgCo."""
_SD_LINES = 576
"""Height up to which video without a usable tag is read as BT.601; above it is BT.709."""
_MAX_ASPECT = Fraction(16)
"""A sample aspect ratio beyond 16:1, either way, is an error and counts as square."""
_PARTLY_WRITTEN = frozenset({"yuv420p", "yuv422p", "yuvj420p", "yuvj422p", "yuva420p", "yuva422p"})
"""Formats of which swscale (FFmpeg 8.1) leaves the last columns unwritten for some widths (20, 36,
52...) when it converts to RGBA without scaling. Converting to RGB is not affected."""
_MAX_OVERSIZE = 4
"""Multiple of an array's side above which a long picture is cropped before it is scaled, not
after."""


def displayed_size(frame: VideoFrame, aspect: Fraction | None, turn: Turn) -> tuple[int, int]:
    """Return width and height in square pixels, as the frame is shown."""
    if aspect is None or not 1 / _MAX_ASPECT <= aspect <= _MAX_ASPECT:
        aspect = Fraction(1)
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if turn.swaps_sides else (width, height)


def fit_size(shape: tuple[int, int], spec: FrameSpec) -> tuple[int, int]:
    """Return width and height of the whole picture, scaled so that it fits ``spec``.

    >>> fit_size((1920, 1080), FrameSpec(width=224, height=224, fit=Fit.LETTERBOX))
    (224, 126)
    >>> fit_size((1920, 1080), FrameSpec(width=224, height=224, fit=Fit.CROP))
    (398, 224)
    """
    if spec.fit is Fit.SQUASH:
        return (spec.width, spec.height)
    across, down = Fraction(spec.width, shape[0]), Fraction(spec.height, shape[1])
    factor = min(across, down) if spec.fit is Fit.LETTERBOX else max(across, down)
    return (max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor)))


def to_rgba(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return the unscaled frame as H x W x 4 uint8 with straight alpha."""
    if frame.format.name not in _PARTLY_WRITTEN:
        return np.asarray(
            VideoReformatter().reformat(frame, format="rgba", threads=1).to_ndarray(),
            dtype=np.uint8,
        )
    rgb = np.asarray(
        VideoReformatter().reformat(frame, format="rgb24", threads=1).to_ndarray(), dtype=np.uint8
    )
    return _add_alpha(rgb, frame)


class Scaler:
    """Holds one swscale context for each spec."""

    def __init__(self, specs: tuple[FrameSpec, ...]) -> None:
        self._reformatters = {spec: VideoReformatter() for spec in specs}

    def images(self, frame: VideoFrame, shape: tuple[int, int], turn: Turn) -> dict[FrameSpec, Rgb]:
        """Return the frame for each spec, H x W x 3 uint8 full-range RGB, upright, contiguous and
        owned by the caller.

        ``shape`` is the frame's displayed width and height.
        """
        return {spec: self._image(frame, spec, shape, turn) for spec in self._reformatters}

    def _image(self, frame: VideoFrame, spec: FrameSpec, shape: tuple[int, int], turn: Turn) -> Rgb:
        width, height = fit_size(shape, spec)
        if width > _MAX_OVERSIZE * spec.width or height > _MAX_OVERSIZE * spec.height:
            frame, (width, height) = self._crop(frame, spec, shape, turn)
        coded = (height, width) if turn.swaps_sides else (width, height)
        upright = turn.apply(self._scale(frame, coded, self._reformatters[spec]))
        return _crop_or_pad(upright, spec)

    def _crop(
        self, frame: VideoFrame, spec: FrameSpec, shape: tuple[int, int], turn: Turn
    ) -> tuple[VideoFrame, tuple[int, int]]:
        """Return the part of the frame that CROP keeps, unscaled, and the size to scale it to."""
        whole = self._scale(frame, (frame.width, frame.height), VideoReformatter())
        width, height = fit_size(shape, spec)
        across, down = Fraction(spec.width, width), Fraction(spec.height, height)
        if turn.swaps_sides:
            across, down = down, across
        kept = _center(
            whole, (max(1, round(frame.width * across)), max(1, round(frame.height * down)))
        )
        return VideoFrame.from_ndarray(kept, format="rgb24"), (spec.width, spec.height)

    def _scale(
        self, frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter
    ) -> Rgb:
        translucent, matrix = _has_alpha(frame.format), _assumed_matrix(frame)
        apart = size == (frame.width, frame.height) and frame.format.name in _PARTLY_WRITTEN
        small = reformatter.reformat(
            frame,
            width=size[0],
            height=size[1],
            format="rgba" if translucent and not apart else "rgb24",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
            threads=1,
        )
        array = np.asarray(small.to_ndarray(), dtype=np.uint8)
        if not translucent:
            return array
        return _blend_with_black(_add_alpha(array, frame) if apart else array)


def _assumed_matrix(frame: VideoFrame) -> int | None:
    """Return the matrix that players assume for a frame without a usable tag; None: the frame has
    one."""
    if frame.colorspace in _KNOWN_MATRICES or frame.format.is_rgb:
        return None
    return Colorspace.ITU709 if frame.height > _SD_LINES else Colorspace.ITU601


def _has_alpha(pixels: VideoFormat) -> bool:
    return pixels.has_palette or any(component.is_alpha for component in pixels.components)


def _add_alpha(rgb: Rgb, frame: VideoFrame) -> NDArray[np.uint8]:
    """Return H x W x 4: the colours, and the opacity from the planar frame itself."""
    if not _has_alpha(frame.format):
        return np.dstack((rgb, np.full(rgb.shape[:2], 255, np.uint8)))
    plane = frame.planes[3]
    return np.dstack(
        (
            rgb,
            np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
                : frame.height, : frame.width
            ],
        )
    )


def _blend_with_black(rgba: NDArray[np.uint8]) -> Rgb:
    """Convert H x W x 4 with straight alpha to H x W x 3."""
    opacity = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opacity + 127) // 255).astype(np.uint8)


def _center(rgb: Rgb, size: tuple[int, int]) -> Rgb:
    left, top = (rgb.shape[1] - size[0]) // 2, (rgb.shape[0] - size[1]) // 2
    return np.ascontiguousarray(rgb[top : top + size[1], left : left + size[0]])


def _crop_or_pad(rgb: Rgb, spec: FrameSpec) -> Rgb:
    """Return the middle of a picture that is too large; one that is too small gets black bars."""
    if rgb.shape == spec.shape:
        return rgb
    rgb = _center(rgb, (min(rgb.shape[1], spec.width), min(rgb.shape[0], spec.height)))
    canvas = np.zeros(spec.shape, np.uint8)
    left, top = (spec.width - rgb.shape[1]) // 2, (spec.height - rgb.shape[0]) // 2
    canvas[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return canvas

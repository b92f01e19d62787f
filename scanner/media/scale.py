"""From a decoded frame to the arrays that were asked for, by the scaler that training used.

Frames of interlaced video are scaled as they are stored, both fields woven. What is transparent
lies on black.
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

__all__ = ["Scaler", "displayed", "fitted", "rgba_of"]

_KNOWN_MATRICES = frozenset({1, 4, 5, 6, 7, 9})
"""Values of ``AVCOL_SPC`` that swscale can undo; it refuses others, such as YCgCo."""
_SD_LINES = 576
"""Video without a usable tag is BT.601 up to this height and BT.709 above it."""
_SHAPES_TOLD = Fraction(16)
"""A sample aspect ratio beyond 16:1, either way, is a mistake and counts as square."""
_LEFT_UNWRITTEN = frozenset({"yuv420p", "yuv422p", "yuvj420p", "yuvj422p", "yuva420p", "yuva422p"})
"""Made into RGBA without being scaled, swscale leaves the last columns of some widths (20, 36,
52...) as they were in memory, FFmpeg 8.1 at least; made into RGB it does not."""
_STRETCH = 4
"""A picture so long that CROP would scale it to this many times the array's side is cut before it
is scaled."""


def displayed(frame: VideoFrame, aspect: Fraction | None, turn: Turn) -> tuple[int, int]:
    """Width and height in square pixels, as it is shown."""
    if aspect is None or not 1 / _SHAPES_TOLD <= aspect <= _SHAPES_TOLD:
        aspect = Fraction(1)
    width, height = max(1, round(frame.width * aspect)), frame.height
    return (height, width) if turn.swaps else (width, height)


def fitted(shape: tuple[int, int], spec: FrameSpec) -> tuple[int, int]:
    """Width and height of the whole picture, scaled so that it fits ``spec``.

    >>> fitted((1920, 1080), FrameSpec(width=224, height=224, fit=Fit.LETTERBOX))
    (224, 126)
    >>> fitted((1920, 1080), FrameSpec(width=224, height=224, fit=Fit.CROP))
    (398, 224)
    """
    if spec.fit is Fit.SQUASH:
        return (spec.width, spec.height)
    across, down = Fraction(spec.width, shape[0]), Fraction(spec.height, shape[1])
    factor = min(across, down) if spec.fit is Fit.LETTERBOX else max(across, down)
    return (max(1, round(shape[0] * factor)), max(1, round(shape[1] * factor)))


def rgba_of(frame: VideoFrame) -> NDArray[np.uint8]:
    """H x W x 4 uint8, straight alpha, of a frame as large as it is."""
    if frame.format.name not in _LEFT_UNWRITTEN:
        return np.asarray(
            VideoReformatter().reformat(frame, format="rgba", threads=1).to_ndarray(),
            dtype=np.uint8,
        )
    rgb = np.asarray(
        VideoReformatter().reformat(frame, format="rgb24", threads=1).to_ndarray(), dtype=np.uint8
    )
    return _joined(rgb, frame)


class Scaler:
    """One kept swscale context for each spec."""

    def __init__(self, specs: tuple[FrameSpec, ...]) -> None:
        self._reformatters = {spec: VideoReformatter() for spec in specs}

    def images(self, frame: VideoFrame, shape: tuple[int, int], turn: Turn) -> dict[FrameSpec, Rgb]:
        """The frame for each spec, H x W x 3 uint8 full-range RGB, upright, contiguous and owned by
        the caller.

        ``shape`` is the frame's displayed width and height.
        """
        return {spec: self._image(frame, spec, shape, turn) for spec in self._reformatters}

    def _image(self, frame: VideoFrame, spec: FrameSpec, shape: tuple[int, int], turn: Turn) -> Rgb:
        width, height = fitted(shape, spec)
        if width > _STRETCH * spec.width or height > _STRETCH * spec.height:
            frame, (width, height) = self._middle(frame, spec, shape, turn)
        coded = (height, width) if turn.swaps else (width, height)
        upright = turn.apply(self._scaled(frame, coded, self._reformatters[spec]))
        return _placed(upright, spec)

    def _middle(
        self, frame: VideoFrame, spec: FrameSpec, shape: tuple[int, int], turn: Turn
    ) -> tuple[VideoFrame, tuple[int, int]]:
        """The part of the frame that CROP leaves, unscaled."""
        whole = self._scaled(frame, (frame.width, frame.height), VideoReformatter())
        width, height = fitted(shape, spec)
        across, down = Fraction(spec.width, width), Fraction(spec.height, height)
        if turn.swaps:
            across, down = down, across
        kept = _middle(
            whole, (max(1, round(frame.width * across)), max(1, round(frame.height * down)))
        )
        return VideoFrame.from_ndarray(kept, format="rgb24"), (spec.width, spec.height)

    def _scaled(
        self, frame: VideoFrame, size: tuple[int, int], reformatter: VideoReformatter
    ) -> Rgb:
        translucent, matrix = _has_alpha(frame.format), _assumed_matrix(frame)
        apart = size == (frame.width, frame.height) and frame.format.name in _LEFT_UNWRITTEN
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
        return _on_black(_joined(array, frame) if apart else array)


def _assumed_matrix(frame: VideoFrame) -> int | None:
    """``None``: as the frame says.

    Where it does not say, or says what cannot be undone, what players assume.
    """
    if frame.colorspace in _KNOWN_MATRICES or frame.format.is_rgb:
        return None
    return Colorspace.ITU709 if frame.height > _SD_LINES else Colorspace.ITU601


def _has_alpha(pixels: VideoFormat) -> bool:
    return pixels.has_palette or any(component.is_alpha for component in pixels.components)


def _joined(rgb: Rgb, frame: VideoFrame) -> NDArray[np.uint8]:
    """Colours of a planar frame, and the opacity that it has itself: H x W x 4."""
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


def _on_black(rgba: NDArray[np.uint8]) -> Rgb:
    """H x W x 4 with straight alpha to H x W x 3."""
    opacity = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opacity + 127) // 255).astype(np.uint8)


def _middle(rgb: Rgb, size: tuple[int, int]) -> Rgb:
    left, top = (rgb.shape[1] - size[0]) // 2, (rgb.shape[0] - size[1]) // 2
    return np.ascontiguousarray(rgb[top : top + size[1], left : left + size[0]])


def _placed(rgb: Rgb, spec: FrameSpec) -> Rgb:
    """The middle of it where it is larger than the array, black bars where it is smaller."""
    if rgb.shape == spec.shape:
        return rgb
    rgb = _middle(rgb, (min(rgb.shape[1], spec.width), min(rgb.shape[0], spec.height)))
    canvas = np.zeros(spec.shape, np.uint8)
    left, top = (spec.width - rgb.shape[1]) // 2, (spec.height - rgb.shape[0]) // 2
    canvas[top : top + rgb.shape[0], left : left + rgb.shape[1]] = rgb
    return canvas

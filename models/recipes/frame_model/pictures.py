"""Pictures out of files, and the small arrays that a network sees, made as the scanner makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from scanner.media.orientation import OrientationReader
from scanner.media.samples import Rgb
from scanner.media.scale import Scaler, displayed_size
from scanner.types import Fit, FrameSpec

from .corpus import Lesson, Row, teach
from .drawn import draw

__all__ = ["SIDE", "Picture", "as_frame", "open_frames", "pictures_of", "shrink"]

SIDE = 224
"""Pixels of the square that the network sees."""
LONGEST = 640
"""Longest side, in pixels, of a picture before its views are made; most of the footage is 360p."""
FRAME_GAP = 0.5
"""Seconds between the frames taken from a clip."""
TOLERANCE = 0.01
"""Share of the gap by which a frame may come early: frame times rarely divide it."""

_SCALERS = {
    fit: (spec := FrameSpec(width=SIDE, height=SIDE, fit=fit), Scaler((spec,))) for fit in Fit
}
_bounding = VideoReformatter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One frame before it becomes views."""

    rgb: Rgb
    """H x W x 3 uint8, longest side at most ``LONGEST``."""
    guns: NDArray[np.float32]
    """N x 4: left, top, right, bottom of each labelled gun, in shares of the picture; empty where
    none is boxed."""
    lesson: Lesson

    def gun_width(self) -> float:
        """Pixels that the widest gun has once the picture is ``SIDE`` wide; NaN where none is
        boxed."""
        if not len(self.guns):
            return float("nan")
        return float((self.guns[:, 2] - self.guns[:, 0]).max() * SIDE)

    def showing(self, rgb: Rgb) -> Picture:
        """The same scene with other pixels at the same places."""
        return replace(self, rgb=rgb)


def open_frames(path: Path, *, most: int) -> Iterator[av.VideoFrame]:
    """Up to ``most`` frames, ``FRAME_GAP`` apart or spread evenly where the clip is longer; one for
    a still."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        length = float(container.duration or 0) / av.time_base
        gap, due = max(FRAME_GAP, length / most), float("-inf")
        for frame in container.decode(stream):
            at = 0.0 if frame.time is None else frame.time
            if at < due:
                continue
            yield frame
            due = at + gap * (1 - TOLERANCE)


def pictures_of(folder: Path, row: Row, *, most: int) -> Iterator[tuple[av.VideoFrame, Picture]]:
    """Each frame of one row, as decoded and as a ``Picture``."""
    lesson, guns = teach(row), _read_boxes(folder / row.path)
    frames = (
        (as_frame(draw(row.path)),)
        if row.task == "drawn"
        else open_frames(folder / row.path, most=most)
    )
    for frame in frames:
        yield frame, Picture(rgb=_bounded(frame), guns=guns, lesson=lesson)


def shrink(frame: av.VideoFrame, fit: Fit) -> Rgb:
    """``SIDE`` x ``SIDE`` x 3 uint8, made by the scanner's own scaler: a network must be served
    what it was taught."""
    turn = OrientationReader().read(frame)
    spec, scaler = _SCALERS[fit]
    return scaler.images(frame, displayed_size(frame, None, turn), turn)[spec]


def as_frame(rgb: Rgb) -> av.VideoFrame:
    """The way back from an array to something that swscale takes."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")


def _bounded(frame: av.VideoFrame) -> Rgb:
    ratio = min(1.0, LONGEST / max(frame.width, frame.height))
    size = {"width": round(frame.width * ratio), "height": round(frame.height * ratio)}
    return _bounding.reformat(
        frame, **size, format="rgb24", interpolation="AREA", threads=1
    ).to_ndarray()


def _read_boxes(picture: Path) -> NDArray[np.float32]:
    """YOLO lines (class, centre x, centre y, width, height) beside a picture, as corners."""
    boxes = picture.with_suffix(".txt")
    if not boxes.exists():
        return np.zeros((0, 4), np.float32)
    lines = np.array(
        [line.split()[1:5] for line in boxes.read_text().splitlines() if line.strip()], np.float32
    ).reshape(-1, 4)
    centre, half = lines[:, :2], lines[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)

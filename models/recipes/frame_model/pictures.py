"""Reading pictures from files, and scaling them to the network's input as the scanner does."""

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

from .corpus import CorpusRow, TrainingTarget, training_target
from .drawn import draw_scene

__all__ = ["SIDE", "Picture", "open_frames", "pictures_of", "scale_to_input", "to_video_frame"]

SIDE = 224
"""The side in pixels of the network's input."""
LONGEST = 640
"""The longest side, in pixels, of a picture before changes; most of the footage is 360p."""
FRAME_GAP = 0.5
"""Seconds between the frames taken from a clip."""
TOLERANCE = 0.01
"""The share of the gap by which a frame may be early, because frame times rarely divide it."""

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
    """N x 4: left, top, right, bottom of each gun's box, in shares of the picture; empty without
    boxes."""
    target: TrainingTarget

    def gun_width(self) -> float:
        """Return the width of the widest gun in pixels of the network's input; NaN without
        boxes."""
        if not len(self.guns):
            return float("nan")
        return float((self.guns[:, 2] - self.guns[:, 0]).max() * SIDE)

    def showing(self, rgb: Rgb) -> Picture:
        """Return the picture with other pixels of the same scene and layout."""
        return replace(self, rgb=rgb)


def open_frames(path: Path, *, most: int) -> Iterator[av.VideoFrame]:
    """Yield up to ``most`` frames, at least ``FRAME_GAP`` apart and spread over the clip."""
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


def pictures_of(
    folder: Path, row: CorpusRow, *, most: int
) -> Iterator[tuple[av.VideoFrame, Picture]]:
    """Yield each frame of one row, as decoded and as a ``Picture``."""
    target, guns = training_target(row), _read_boxes(folder / row.path)
    frames = (
        (to_video_frame(draw_scene(row.path)),)
        if row.task == "drawn"
        else open_frames(folder / row.path, most=most)
    )
    for frame in frames:
        yield frame, Picture(rgb=_shrink(frame), guns=guns, target=target)


def scale_to_input(frame: av.VideoFrame, fit: Fit) -> Rgb:
    """Scale a frame to ``SIDE`` x ``SIDE`` x 3 uint8 with the scanner's scaler, so that training
    and scan have equal inputs."""
    turn = OrientationReader().read(frame)
    spec, scaler = _SCALERS[fit]
    return scaler.images(frame, displayed_size(frame, None, turn), turn)[spec]


def to_video_frame(rgb: Rgb) -> av.VideoFrame:
    """Convert an array to a video frame for swscale."""
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")


def _shrink(frame: av.VideoFrame) -> Rgb:
    ratio = min(1.0, LONGEST / max(frame.width, frame.height))
    size = {"width": round(frame.width * ratio), "height": round(frame.height * ratio)}
    return _bounding.reformat(
        frame, **size, format="rgb24", interpolation="AREA", threads=1
    ).to_ndarray()


def _read_boxes(picture: Path) -> NDArray[np.float32]:
    """Read the boxes of a picture from its YOLO file (class, centre x, centre y, width, height), as
    corners."""
    boxes = picture.with_suffix(".txt")
    if not boxes.exists():
        return np.zeros((0, 4), np.float32)
    lines = np.array(
        [line.split()[1:5] for line in boxes.read_text().splitlines() if line.strip()], np.float32
    ).reshape(-1, 4)
    centre, half = lines[:, :2], lines[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)

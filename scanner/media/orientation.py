"""Which way up a picture is shown."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import atan2, pi

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame

from scanner.media.samples import Rgb
from scanner.media.sniff import Container

__all__ = ["UPRIGHT", "Compass", "Turn", "exif_turn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """First mirrored left to right, or not, then turned counterclockwise."""

    quarters: int = 0
    """0 to 3 quarter turns."""
    mirrored: bool = False

    @property
    def swaps(self) -> bool:
        """Width becomes height."""
        return self.quarters % 2 == 1

    def apply(self, rgb: Rgb) -> Rgb:
        """The picture as it is shown."""
        if self.mirrored:
            rgb = rgb[:, ::-1]
        return np.ascontiguousarray(np.rot90(rgb, self.quarters))


UPRIGHT = Turn()

_MIRRORING = frozenset({Container.MP4, Container.MATROSKA})
"""Containers that have display matrices."""

_EXIF = {
    1: UPRIGHT,
    2: Turn(mirrored=True),
    3: Turn(quarters=2),
    4: Turn(quarters=2, mirrored=True),
    5: Turn(quarters=1, mirrored=True),
    6: Turn(quarters=3),
    7: Turn(quarters=3, mirrored=True),
    8: Turn(quarters=1),
}


def exif_turn(orientation: int) -> Turn:
    """Of EXIF's tag 0x0112, 1 to 8; what is not in the standard is upright.

    >>> exif_turn(6)
    Turn(quarters=3, mirrored=False)
    """
    return _EXIF.get(orientation, UPRIGHT)


class Compass:
    """Turns of one source's frames, from their display matrix to the nearest quarter.

    A frame whose side data was asked for lives until the next garbage collection, so it is asked
    once for each angle, and for the angle 0 (a picture mirrored top to bottom has it) only where
    the container may have such a matrix.
    """

    def __init__(self, kind: Container = Container.MP4) -> None:
        self._turns = {} if kind in _MIRRORING else {0: UPRIGHT}

    def turn(self, frame: VideoFrame) -> Turn:
        """How this frame is shown."""
        angle = frame.rotation
        if angle not in self._turns:
            self._turns[angle] = _turn(frame)
        return self._turns[angle]


def _turn(frame: VideoFrame) -> Turn:
    """By the whole matrix where it can be read, else by its angle alone."""
    matrix = _matrix(frame)
    if matrix is None:
        return Turn(quarters=round(frame.rotation / 90) % 4)
    a, b, c, d = matrix
    mirrored = a * d - b * c < 0
    across, up = (-a, b) if mirrored else (a, -b)
    return Turn(quarters=round(atan2(up, across) / (pi / 2)) % 4, mirrored=mirrored)


def _matrix(frame: VideoFrame) -> tuple[float, float, float, float] | None:
    """``None`` where there is none, or where PyAV cannot read it beside side data of a kind it does
    not know."""
    try:
        side = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        return None
    if not isinstance(side, Buffer):
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side))
    return float(a), float(b), float(c), float(d)

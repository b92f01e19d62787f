"""Determine which way up a picture is shown."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import atan2, pi

import numpy as np
from av.buffer import Buffer
from av.video.frame import VideoFrame

from scanner.media.samples import Rgb
from scanner.media.sniff import Container

__all__ = ["UPRIGHT", "OrientationReader", "Turn", "turn_from_exif"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The steps that make a stored picture upright: mirrored left to right or not, then turned."""

    quarters: int = 0
    """Quarter turns counterclockwise, 0 to 3."""
    mirrored: bool = False

    @property
    def swaps_sides(self) -> bool:
        """Whether width becomes height."""
        return self.quarters % 2 == 1

    def apply(self, rgb: Rgb) -> Rgb:
        """Return the picture as it is shown."""
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


def turn_from_exif(orientation: int) -> Turn:
    """Return the turn of EXIF's tag 0x0112, 1 to 8; other values count as upright.

    >>> turn_from_exif(6)
    Turn(quarters=3, mirrored=False)
    """
    return _EXIF.get(orientation, UPRIGHT)


class OrientationReader:
    """Reads the turns of one source's frames from their display matrix, to the nearest quarter.

    A frame whose side data was read lives until the next garbage collection. So it is read once for
    each angle, and for the angle 0 (which a picture mirrored top to bottom has) only where the
    container may have such a matrix.
    """

    def __init__(self, kind: Container = Container.MP4) -> None:
        self._turns = {} if kind in _MIRRORING else {0: UPRIGHT}

    def read(self, frame: VideoFrame) -> Turn:
        """Return the turn of this frame."""
        angle = frame.rotation
        if angle not in self._turns:
            self._turns[angle] = _read_turn(frame)
        return self._turns[angle]


def _read_turn(frame: VideoFrame) -> Turn:
    """Return the turn by the whole matrix if it can be read, otherwise by its angle alone."""
    matrix = _read_matrix(frame)
    if matrix is None:
        return Turn(quarters=round(frame.rotation / 90) % 4)
    a, b, c, d = matrix
    mirrored = a * d - b * c < 0
    across, up = (-a, b) if mirrored else (a, -b)
    return Turn(quarters=round(atan2(up, across) / (pi / 2)) % 4, mirrored=mirrored)


def _read_matrix(frame: VideoFrame) -> tuple[float, float, float, float] | None:
    """Return the display matrix, or None if there is none or PyAV cannot read it, because other
    side data is of a kind that it does not know."""
    try:
        side = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:
        return None
    if not isinstance(side, Buffer):
        return None
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(side))
    return float(a), float(b), float(c), float(d)

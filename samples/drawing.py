"""Draw pictures with a number that a program can read, and read it.

A picture has four coloured corners (is it upright, are its colours right?), a four by four grid of
black and white blocks in the middle (its number, 0 to 4095, with a check), a bar that moves along
the bottom, and its events. They show which frame it is, which way up, and in which
colours.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "MAGENTA",
    "PATCHES",
    "draw_card",
    "paint",
    "read_mark",
    "read_patches",
    "shows_block",
    "shows_speck",
]

Rgb = NDArray[np.uint8]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture."""

PATCHES = ((200, 40, 40), (40, 170, 60), (50, 60, 200), (200, 190, 40))
MAGENTA = (200, 30, 200)
_GREY = (96, 100, 104)
_CORNERS: tuple[Box, ...] = ((0, 0, 0.2, 0.2), (0.8, 0, 1, 0.2), (0, 0.8, 0.2, 1), (0.8, 0.8, 1, 1))
_GRID: Box = (0.3, 0.14, 0.7, 0.82)
_BLOCK: Box = (0.76, 0.3, 0.96, 0.7)
_SPECK: Box = (0.1, 0.46, 0.14, 0.53)
_CHECK = 0b1010


def draw_card(number: int, width: int = 320, height: int = 180, events: Iterable[str] = ()) -> Rgb:
    """Draw frame ``number`` of the usual scene, H x W x 3, uint8, with the events that it shows."""
    rgb = draw_background(width, height, number)
    left = 0.22 + (number % 50) / 50 * 0.5
    paint(rgb, (left, 0.88, left + 0.06, 0.98), (230, 230, 230))
    for name in events:
        paint(rgb, *{"block": (_BLOCK, MAGENTA), "speck": (_SPECK, (240, 240, 240))}[name])
    return rgb


def draw_background(width: int, height: int, number: int) -> Rgb:
    """Draw the parts that do not move: ground, corners and the number."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = _GREY
    for box, colour in zip(_CORNERS, PATCHES, strict=True):
        paint(rgb, box, colour)
    for box, bit in zip(_cells(), _bits(number), strict=True):
        paint(rgb, box, (235, 235, 235) if bit else (16, 16, 16))
    return rgb


def paint(rgb: Rgb, box: Box, colour: tuple[int, int, int]) -> None:
    """Fill a box of the picture in place."""
    rgb[_window(rgb, box)] = colour


def read_mark(rgb: Rgb) -> int | None:
    """Return the number drawn on a picture of any size and shape, or None if none passes its check.

    >>> read_mark(draw_card(1234)[::2, ::3])
    1234
    """
    light = [float(_inside(rgb, box).mean()) for box in _cells()]
    if max(light) - min(light) < 100:
        return None
    bits = [value > (max(light) + min(light)) / 2 for value in light]
    number = sum(1 << place for place, bit in enumerate(bits[:12]) if bit)
    return number if _bits(number) == bits else None


def read_patches(rgb: Rgb) -> NDArray[np.float64]:
    """Return the colours of the four corners, 4 x 3, in the order of ``PATCHES``."""
    return np.array([np.median(_inside(rgb, box), axis=(0, 1)) for box in _CORNERS])


def shows_block(rgb: Rgb) -> bool:
    """Return whether the large magenta block is there."""
    red, green, blue = np.median(_inside(rgb, _BLOCK), axis=(0, 1))
    return bool(red > green + 60 and blue > green + 60)


def shows_speck(rgb: Rgb) -> bool:
    """Return whether the small white block is there."""
    return bool(np.median(_inside(rgb, _SPECK)) > 170)


def _bits(number: int) -> list[bool]:
    nibbles = (number & 15, number >> 4 & 15, number >> 8 & 15)
    check = (sum(nibbles) ^ _CHECK) & 15
    return [bool((number | check << 12) >> place & 1) for place in range(16)]


def _cells() -> list[Box]:
    left, top, right, bottom = _GRID
    wide, high = (right - left) / 4, (bottom - top) / 4
    return [
        (left + x * wide, top + y * high, left + (x + 1) * wide, top + (y + 1) * high)
        for y in range(4)
        for x in range(4)
    ]


def _window(rgb: Rgb, box: Box) -> tuple[slice, slice]:
    height, width = rgb.shape[:2]
    return slice(round(box[1] * height), round(box[3] * height)), slice(
        round(box[0] * width), round(box[2] * width)
    )


def _inside(rgb: Rgb, box: Box) -> Rgb:
    """Return the middle of a box, without the edges that scaling and subsampling blur."""
    third_x, third_y = (box[2] - box[0]) / 3, (box[3] - box[1]) / 3
    return rgb[
        _window(rgb, (box[0] + third_x, box[1] + third_y, box[2] - third_x, box[3] - third_y))
    ]

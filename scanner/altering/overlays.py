"""What streams draw over their pictures: panels, bars, words that mean nothing."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.random import Generator

from scanner.media.samples import Rgb

__all__ = ["draw_banner", "draw_chat", "fitted_into", "placed", "resized"]

PANEL: Final = 0.28
"""Of the width, that a chat panel takes."""
SHADE: Final = 0.35
"""Of the light, that a panel lets through."""
LINES: Final = 20
"""Lines of chat from top to foot."""
BAR: Final = 0.14
"""Of the height, that a banner takes."""
WHITE: Final = (255, 255, 255)
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
FONT_PIXELS: Final = 30.0
"""Height of a line of the font at scale 1."""


def resized(rgb: Rgb, size: tuple[int, int]) -> Rgb:
    """So many pixels across and down; the mean of what each covers where it gets smaller."""
    smaller = size[0] <= rgb.shape[1] and size[1] <= rgb.shape[0]
    return np.asarray(
        cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR),
        np.uint8,
    )


def placed(canvas: Rgb, picture: Rgb, corner: tuple[int, int]) -> Rgb:
    """A copy of the canvas with the picture's left upper corner at ``corner`` (across, down)."""
    left, top = corner
    shown = canvas.copy()
    shown[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return shown


def fitted_into(canvas: Rgb, rgb: Rgb, share: float) -> Rgb:
    """The picture at ``share`` of the canvas's sides, in its middle."""
    height, width = canvas.shape[:2]
    small = resized(rgb, (max(1, round(width * share)), max(1, round(height * share))))
    return placed(canvas, small, ((width - small.shape[1]) // 2, (height - small.shape[0]) // 2))


def draw_chat(rgb: Rgb, random: Generator) -> Rgb:
    """A panel along the left or the right side, with lines of several colours."""
    height, width = rgb.shape[:2]
    wide, line = max(1, int(width * PANEL)), max(1.0, height / LINES)
    left = int(random.integers(2)) * (width - wide)
    panel = np.ascontiguousarray((rgb[:, left : left + wide] * SHADE).astype(np.uint8))
    for number in range(LINES):
        colour = random.integers(120, 256, 3).tolist()
        foot = (4, int(line * (number + 0.75)))
        cv2.putText(
            panel, _words(random, 4), foot, FONT, 0.6 * line / FONT_PIXELS, colour, 1, cv2.LINE_AA
        )
    return placed(rgb, panel, (left, 0))


def draw_banner(rgb: Rgb, random: Generator) -> Rgb:
    """A bar over the whole width at the foot."""
    height, width = rgb.shape[:2]
    tall = max(1, int(height * BAR))
    bar = np.full((tall, width, 3), random.integers(0, 256, 3), np.uint8)
    cv2.putText(
        bar,
        _words(random, 8),
        (6, int(tall * 0.7)),
        FONT,
        0.6 * tall / FONT_PIXELS,
        WHITE,
        1,
        cv2.LINE_AA,
    )
    return placed(rgb, bar, (0, height - tall))


def _words(random: Generator, count: int) -> str:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return " ".join(
        "".join(random.choice(letters, size=int(random.integers(2, 9)))) for _ in range(count)
    )

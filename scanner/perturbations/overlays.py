"""Overlays that streams draw over their pictures: panels and banners with meaningless words."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.random import Generator

from scanner.imaging import FONT_PIXELS, draw_text, resize
from scanner.media.samples import Rgb

__all__ = ["draw_banner", "draw_chat", "paste", "paste_scaled"]

PANEL_WIDTH: Final = 0.28
"""Width of a chat panel, as a share of the picture's width."""
PANEL_LIGHT: Final = 0.35
"""Share of the picture's light that a panel lets through."""
CHAT_LINES: Final = 20
"""Lines of chat from top to bottom."""
BANNER_HEIGHT: Final = 0.14
"""Height of a banner, as a share of the picture's height."""
WHITE: Final = (255, 255, 255)
FONT_SHARE: Final = 0.6
"""Height of the text, as a share of its line's height."""


def paste(canvas: Rgb, picture: Rgb, corner: tuple[int, int]) -> Rgb:
    """Return a copy of the canvas with the picture's top left corner at ``corner`` (x, y)."""
    left, top = corner
    result = canvas.copy()
    result[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return result


def paste_scaled(canvas: Rgb, rgb: Rgb, share: float) -> Rgb:
    """Return the canvas with the picture at ``share`` of its sides, centred."""
    height, width = canvas.shape[:2]
    small = resize(rgb, (max(1, round(width * share)), max(1, round(height * share))))
    return paste(canvas, small, ((width - small.shape[1]) // 2, (height - small.shape[0]) // 2))


def draw_chat(rgb: Rgb, random: Generator) -> Rgb:
    """Draw a panel with coloured lines of text along the left or the right side."""
    height, width = rgb.shape[:2]
    wide, line = max(1, int(width * PANEL_WIDTH)), max(1.0, height / CHAT_LINES)
    left = int(random.integers(2)) * (width - wide)
    panel = np.ascontiguousarray((rgb[:, left : left + wide] * PANEL_LIGHT).astype(np.uint8))
    for number in range(CHAT_LINES):
        colour = random.integers(120, 256, 3).tolist()
        foot = (4, int(line * (number + 0.75)))
        scale = FONT_SHARE * line / FONT_PIXELS
        draw_text(panel, _words(random, 4), foot, scale=scale, colour=colour)
    return paste(rgb, panel, (left, 0))


def draw_banner(rgb: Rgb, random: Generator) -> Rgb:
    """Draw a bar with a line of text across the bottom."""
    height, width = rgb.shape[:2]
    tall = max(1, int(height * BANNER_HEIGHT))
    bar = np.full((tall, width, 3), random.integers(0, 256, 3), np.uint8)
    scale = FONT_SHARE * tall / FONT_PIXELS
    draw_text(bar, _words(random, 8), (6, int(tall * 0.7)), scale=scale, colour=WHITE)
    return paste(rgb, bar, (0, height - tall))


def _words(random: Generator, count: int) -> str:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    return " ".join(
        "".join(random.choice(letters, size=int(random.integers(2, 9)))) for _ in range(count)
    )

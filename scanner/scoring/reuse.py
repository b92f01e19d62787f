"""When a frame is so much like the last scored one that it takes its scores: static screens,
slides, waiting cards.

The comparison goes by small tiles and the worst tile decides, because a small object that appears
on a static screen is a few pixels of the picture and all of a tile. It is made with the last frame
that was *scored*, so that a slow drift adds up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scanner.media.samples import Rgb, Sample
from scanner.scoring.options import Reuse

__all__ = ["alike", "worst_tile"]

TILE = 8
"""Pixels a side.

A 9 x 6 object in a 224 x 224 picture covers at least 15 of some tile's 64, however it lies.
"""


def alike(scored: Sample, sample: Sample, reuse: Reuse) -> bool:
    """Whether each image of a sample equals that of the scored one within the threshold."""
    return all(
        worst_tile(scored.images[spec], image) <= reuse.threshold
        for spec, image in sample.images.items()
    )


def worst_tile(one: Rgb, other: Rgb) -> float:
    """The highest mean absolute difference of any tile, in grey levels; tiles on the right and
    bottom edge may be smaller.

    >>> worst_tile(np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 3, np.uint8))
    3.0
    """
    height, width, channels = one.shape
    difference = _padded(np.maximum(one, other) - np.minimum(one, other))
    strips = difference.reshape(-1, TILE, difference.shape[1] * channels).sum(
        axis=1, dtype=np.uint16
    )
    sums = strips.reshape(len(strips), -1, TILE * channels).sum(axis=2, dtype=np.uint32)
    return float(np.max(sums / (np.outer(_sides(height), _sides(width)) * channels)))


def _padded(image: Rgb) -> Rgb:
    """To whole tiles, with zeros."""
    height, width, _ = image.shape
    below, right = -height % TILE, -width % TILE
    return np.pad(image, ((0, below), (0, right), (0, 0))) if below or right else image


def _sides(length: int) -> NDArray[np.intp]:
    """Pixels of each tile along a side of the picture."""
    return np.minimum(np.arange(length, 0, -TILE), TILE)

"""Lights and colours that look like fire, and changes of light that fires share with everything
else: night with lamps and headlights, sunsets, stage lights, fog, the sun in the lens, red and
orange objects.

Every change is made to pictures with and without a label, so that it says nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scanner.media.samples import Rgb
from scanner.perturbations.night import NightScene, draw_night

__all__ = ["colours", "night"]

Floats = NDArray[np.float32]
GLOWING = (190, 50)
"""The least red, and the least excess of red over blue, of pixels that shine by themselves and so
stay bright at night."""
DUSK = ((255, 120, 40), (255, 80, 60), (255, 170, 80), (200, 80, 120), (255, 60, 20))
STAGE = (
    (255, 40, 40),
    (255, 140, 30),
    (60, 80, 255),
    (255, 40, 200),
    (60, 255, 120),
    (255, 220, 90),
)
WARM = ((220, 30, 25), (240, 110, 20), (250, 180, 30), (190, 40, 60), (255, 90, 60))


def night(rgb: Rgb, rng: Generator) -> Rgb:
    """Return the scene by night; what glows in it, a flame or a lamp, stays bright."""
    picture = rgb.astype(np.int16)
    shines = (picture[..., 0] > GLOWING[0]) & (picture[..., 0] - picture[..., 2] > GLOWING[1])
    glow = cv2.GaussianBlur(shines.astype(np.float32), (0, 0), sigmaX=2.0)[..., None]
    dark = draw_night(rgb, NightScene.draw(rng), float(rng.uniform(0, 60)))
    kept = glow * rng.uniform(0.5, 1.0)
    lit = dark * (1 - kept) + rgb * kept + rng.normal(0, rng.uniform(1, 8), size=rgb.shape)
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def colours(rgb: Rgb, rng: Generator) -> Rgb:
    """Return the scene with one or two changes of colour or light."""
    for index in rng.choice(len(CHANGES), size=int(rng.integers(1, 3)), replace=False):
        rgb = CHANGES[index](rgb, rng)
    return rgb


def dusk(rgb: Rgb, rng: Generator) -> Rgb:
    """A sky in the colours of a sunset over a darker ground."""
    height = rgb.shape[0]
    top, low = (np.array(DUSK[rng.integers(len(DUSK))], np.float32) for _ in range(2))
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = top * (1 - fade) + low * fade
    share = rng.uniform(0.2, 0.7) * np.clip(1.4 - 1.4 * fade + rng.uniform(-0.4, 0.4), 0, 1)
    lit = rgb * rng.uniform(0.4, 0.9) * (1 - share) + sky * share
    if rng.random() < 0.5:
        lit += _disc(rgb, rng, radius=rng.uniform(0.02, 0.08)) * np.array((255, 220, 150))
    return _bytes(lit)


def stage(rgb: Rgb, rng: Generator) -> Rgb:
    """Coloured spotlights on a dark scene."""
    light = np.full(rgb.shape, rng.uniform(0.1, 0.5), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        colour = np.array(STAGE[rng.integers(len(STAGE))], np.float32) / 255
        light += _disc(rgb, rng, radius=rng.uniform(0.1, 0.4)) * colour * rng.uniform(0.6, 1.4)
    haze = rng.uniform(0, 60) * np.clip(light - 0.3, 0, 1)
    return _bytes(rgb * light + haze)


def fog(rgb: Rgb, rng: Generator) -> Rgb:
    """Mist that thickens towards the top or with blotches, without a source."""
    height, width = rgb.shape[:2]
    coarse = rng.uniform(0, 1, (4, 6)).astype(np.float32)
    blotches = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    fade = np.linspace(1, rng.uniform(0, 1), height, dtype=np.float32)[:, None, None]
    share = np.clip(rng.uniform(0.3, 0.85) * fade * (0.7 + 0.3 * blotches), 0, 0.95)
    grey = rng.uniform(130, 245) + rng.uniform(-12, 12, 3)
    return _bytes(rgb * (1 - share) + grey * share)


def sun(rgb: Rgb, rng: Generator) -> Rgb:
    """The sun or a lamp in the lens: a white disc, a warm halo, a row of reflections."""
    height, width = rgb.shape[:2]
    x, y = rng.uniform(0.05, 0.95), rng.uniform(0.02, 0.6)
    warm = np.array((255, rng.uniform(190, 245), rng.uniform(110, 220)), np.float32)
    lit = rgb.astype(np.float32)
    lit += _disc(rgb, rng, radius=rng.uniform(0.1, 0.35), at=(x, y)) * warm * rng.uniform(0.3, 0.9)
    lit += _disc(rgb, rng, radius=rng.uniform(0.01, 0.05), at=(x, y)) * 400
    for step in rng.uniform(0.3, 1.6, int(rng.integers(0, 5))):
        centre = (int((x + step * (0.5 - x) * 2) * width), int((y + step * (0.5 - y) * 2) * height))
        ring = np.zeros_like(lit)
        colour = tuple(float(value) for value in rng.uniform(20, 120, 3))
        cv2.circle(ring, centre, max(2, int(rng.uniform(0.01, 0.07) * height)), colour, -1)
        lit += cv2.GaussianBlur(ring, (0, 0), sigmaX=2.0)
    return _bytes(lit)


def objects(rgb: Rgb, rng: Generator) -> Rgb:
    """Red, orange and yellow things: cloths, flags, jackets, cones, signs."""
    lit = rgb.astype(np.float32)
    height, width = rgb.shape[:2]
    for _ in range(int(rng.integers(1, 4))):
        size = rng.uniform(0.06, 0.35) * height
        centre = rng.uniform(0.1, 0.9, 2) * (width, height)
        corners = int(rng.integers(3, 9))
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = size * rng.uniform(0.5, 1.0, corners)
        outline = centre + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach[:, None]
        mask = np.zeros((height, width), np.float32)
        cv2.fillPoly(mask, [outline.astype(np.int32)], 1.0, cv2.LINE_AA)
        folds = _waves(height, width, rng)
        cloth = np.array(WARM[rng.integers(len(WARM))], np.float32) * folds
        lit = lit * (1 - mask[..., None]) + cloth * mask[..., None]
    return _bytes(lit)


def warm(rgb: Rgb, rng: Generator) -> Rgb:
    """The white balance of a candle or of a sodium lamp."""
    gain = np.array((rng.uniform(1.0, 1.4), rng.uniform(0.7, 1.0), rng.uniform(0.3, 0.8)))
    return _bytes(rgb * gain)


CHANGES: tuple[Callable[[Rgb, Generator], Rgb], ...] = (dusk, stage, fog, sun, objects, warm)


def _waves(height: int, width: int, rng: Generator) -> Floats:
    """Return the shading of folds, from 0.45 to 1, H x W x 1."""
    down, across = np.mgrid[:height, :width].astype(np.float32)
    angle, length = rng.uniform(0, np.pi), rng.uniform(8, 60)
    phase = (down * np.sin(angle) + across * np.cos(angle)) / length + rng.uniform(0, 6)
    return np.asarray(0.725 + 0.275 * np.sin(phase), np.float32)[..., None]


def _disc(
    rgb: Rgb, rng: Generator, *, radius: float, at: tuple[float, float] | None = None
) -> Floats:
    """Return a soft disc, 1 at its centre; position and radius in shares of the picture, H x W x
    1."""
    height, width = rgb.shape[:2]
    x, y = at or (rng.uniform(0, 1), rng.uniform(0, 1))
    down, across = np.ogrid[:height, :width]
    square = ((down - y * height) ** 2 + (across - x * width) ** 2) / (radius * height) ** 2
    return np.exp(-0.5 * square).astype(np.float32)[..., None]


def _bytes(lit: NDArray[np.floating]) -> Rgb:
    return np.asarray(np.clip(lit, 0, 255), np.uint8)

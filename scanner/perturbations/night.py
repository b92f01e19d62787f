"""A night street made of a picture by day: little light, and the lamps, headlights, police lights
and fog that look like fire to a classifier.

Lights are drawn on a map of a quarter of the picture's sides and added to the darkened picture, as
lens glare adds to what a sensor records. Everything but the noise follows from the source's seed
and the picture's time, so lamps stand still and headlights move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator

from scanner.imaging import Floats, interpolate, smooth
from scanner.media.samples import Rgb

__all__ = ["FRAME_RATE", "NightScene", "draw_night"]

MAP_SCALE: Final = 4
"""Pixels of the picture for each pixel of the map of lights."""
FRAME_RATE: Final = 25.0
"""Pictures per second that motion assumes."""
LAMP_COLOURS: Final = (
    (1.0, 0.62, 0.25),
    (1.0, 0.80, 0.52),
    (0.95, 0.97, 1.0),
    (1.0, 0.45, 0.12),
    (0.55, 1.0, 0.65),
)
"""Sodium, warm white, white, deep sodium, and the green of a traffic light or shop sign."""
WHITE_BEAM: Final = (1.0, 0.97, 0.88)
TAIL_LIGHT: Final = (1.0, 0.10, 0.05)
POLICE: Final = ((0.15, 0.25, 1.0), (1.0, 0.08, 0.08))
"""Blue and red, which alternate."""
POLICE_HERTZ: Final = 2.0
CYCLE_SECONDS: Final = 6.0
"""Seconds after which a car comes past again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightScene:
    """The lights and the weather of one source."""

    light: float
    """The share of daylight that is left, in (0, 1)."""
    gamma: float
    tint: tuple[float, float, float]
    colourless: bool
    """True for an infrared camera."""
    lamps: tuple[tuple[float, float, float, int], ...]
    """Position (x, y) in shares of the picture, radius in shares of its height, index of the
    colour."""
    cars: tuple[tuple[float, float, float, bool], ...]
    """Start (shares of the cycle), height in the picture, radius, and whether headlights show."""
    police: tuple[float, float] | None
    """Position of a police car, if there is one."""
    fog: float
    """The share of the picture that fog covers, in [0, 1)."""

    @classmethod
    def draw(cls, random: Generator) -> NightScene:
        """Return a random scene."""
        return cls(
            light=random.uniform(0.15, 0.5),
            gamma=random.uniform(1.2, 2.0),
            tint=tuple(random.uniform(0.7, 1.1, 3)),
            colourless=bool(random.random() < 0.25),
            lamps=tuple(
                (
                    random.uniform(0.02, 0.98),
                    random.uniform(0.02, 0.6),
                    random.uniform(0.008, 0.05),
                    int(random.integers(len(LAMP_COLOURS))),
                )
                for _ in range(int(random.integers(1, 7)))
            ),
            cars=tuple(
                (
                    random.random(),
                    random.uniform(0.45, 0.9),
                    random.uniform(0.01, 0.05),
                    bool(random.random() < 0.6),
                )
                for _ in range(int(random.integers(0, 4)))
            ),
            police=(random.uniform(0.1, 0.9), random.uniform(0.3, 0.8))
            if random.random() < 0.3
            else None,
            fog=random.uniform(0.1, 0.5) if random.random() < 0.35 else 0.0,
        )


def draw_night(rgb: Rgb, scene: NightScene, seconds: float) -> Rgb:
    """Return the picture as this scene shows it, ``seconds`` after the source's start."""
    height, width = rgb.shape[:2]
    curves = _tone_curves(scene)
    dark = np.stack([curves[channel][rgb[..., channel]] for channel in range(3)], axis=2)
    lights = _light_map(scene, seconds, height, width)
    glow = interpolate(lights, (width, height))
    lit = dark * (1 - scene.fog) + glow * (1 + rgb / np.float32(510))
    if scene.fog:
        haze = 0.12 + 0.6 * smooth(lights, lights.shape[1] / 24)
        lit += scene.fog * interpolate(haze, (width, height))
    if scene.colourless:
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    return np.asarray(np.clip(lit, 0, 1) * 255.0, np.uint8)


def _tone_curves(scene: NightScene) -> Floats:
    """Return the darkened value, in [0, 1], of each grey level in each channel: 3 x 256."""
    tint = np.ones(3) if scene.colourless else np.array(scene.tint)
    levels = scene.light * (np.arange(256) / 255.0) ** scene.gamma
    return np.asarray(tint[:, None] * levels, np.float32)


def _light_map(scene: NightScene, seconds: float, height: int, width: int) -> Floats:
    """Return the light that reaches the lens, at a quarter of the picture's sides."""
    rows, columns = max(2, height // MAP_SCALE), max(2, width // MAP_SCALE)
    glow = np.zeros((rows, columns, 3), np.float32)
    for x, y, radius, colour in scene.lamps:
        _add_light(glow, (x, y), radius, LAMP_COLOURS[colour])
    for start, y, radius, ahead in scene.cars:
        x = -0.2 + 1.4 * ((start + seconds / CYCLE_SECONDS) % 1.0)
        for offset in (0.0, 4 * radius):
            _add_light(glow, (x + offset, y), radius, WHITE_BEAM if ahead else TAIL_LIGHT)
    if scene.police is not None:
        phase = int(seconds * POLICE_HERTZ * 2) % 2
        _add_light(glow, scene.police, 0.03, POLICE[phase])
    return glow


def _add_light(
    glow: Floats, place: tuple[float, float], radius: float, colour: tuple[float, float, float]
) -> None:
    """Add one light with a saturated core and a wide halo; ``radius`` is that of the core."""
    rows, columns = glow.shape[:2]
    size = max(radius * rows, 0.5)
    down, across = np.ogrid[:rows, :columns]
    square = ((down - place[1] * rows) ** 2 + (across - place[0] * columns) ** 2) / size**2
    halo = (0.35 / (1.0 + square / 6.0) ** 1.4).astype(np.float32)
    core = np.exp(-0.5 * square**2).astype(np.float32)
    glow += halo[..., None] * np.array(colour, np.float32)
    glow += core[..., None] * (0.5 + 0.5 * np.array(colour, np.float32))

"""Flames, and other warm and bright things, cut out of one picture and put into another scene.

Most pictures of fires fill the frame; a surveillance camera shows a few burning pixels in a scene
that it knows. What is cut out of a picture without fire (leaves, sunsets, lamps, cloth) is put into
scenes in the same way, so that neither the cut nor the halo says anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scanner.media.samples import Rgb

from . import lights
from .corpus import LABELS, MEDIA, TrainingTarget
from .pictures import SIDE, Picture

__all__ = ["compose"]

Floats = NDArray[np.float32]
LEAST_PATCH = 0.004
"""The least share of a picture that a cut-out covers; otherwise a drawn thing takes its place."""
LEAST_FLAME = 7.0
"""The side, in pixels of the network's input, below which a flame is no training target."""
NIGHT_SHARE = 0.35
PLUME_SHARE = 0.35


def compose(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Return a backdrop with the warm and bright part of ``picture`` in it.

    The label fire is that of the picture, unknown if the part is too small or a drawn thing took
    its place in a picture of a fire; smoke is unknown if a plume was drawn.
    """
    scene = backdrops[rng.integers(len(backdrops))]
    if rng.random() < NIGHT_SHARE:
        scene = lights.night(scene, rng)
    burns = picture.target.values[LABELS.index("fire")] == 1
    found = _cut(picture.rgb)
    patch, mask = _drawn(rng) if found is None else found
    lit, share, plume = _place(scene, patch, mask, rng)
    fire = float(burns) if found is not None or not burns else float("nan")
    if burns and np.sqrt(share) * SIDE < LEAST_FLAME:
        fire = float("nan")
    return replace(
        picture,
        rgb=lit,
        guns=np.zeros((0, 4), np.float32),
        target=_target(picture.target, fire, smoke=float("nan") if plume else 0.0),
    )


def _target(target: TrainingTarget, fire: float, *, smoke: float) -> TrainingTarget:
    values = np.full(len(LABELS), np.nan, np.float32)
    values[LABELS.index("fire")], values[LABELS.index("smoke")] = fire, smoke
    return TrainingTarget(values=values, trust=target.trust, medium=MEDIA.index("camera"))


def _cut(rgb: Rgb) -> tuple[Rgb, Floats] | None:
    """Return the largest warm and bright part and its soft mask, or None if there is none."""
    red, green, blue = (rgb[..., channel].astype(np.float32) for channel in range(3))
    warm = np.clip((red - 150) / 60, 0, 1) * np.clip((red - blue - 25) / 50, 0, 1)
    warm *= np.clip((red - green + 20) / 30, 0, 1)
    solid = cv2.morphologyEx((warm > 0.5).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5)))
    count, _, stats, _ = cv2.connectedComponentsWithStats(solid)
    if count < 2:
        return None
    left, top, width, height, area = stats[1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())]
    if area < LEAST_PATCH * solid.size:
        return None
    window = (slice(top, top + height), slice(left, left + width))
    mask = np.maximum(warm[window], solid[window] * 0.8).astype(np.float32)
    return rgb[window], cv2.GaussianBlur(mask, (0, 0), sigmaX=1.0)


def _drawn(rng: Generator) -> tuple[Rgb, Floats]:
    """Return a lamp or a piece of cloth, and its mask."""
    side = 64
    down, across = np.mgrid[:side, :side].astype(np.float32)
    square = ((down - side / 2) ** 2 + (across - side / 2) ** 2) / (side * 0.3) ** 2
    colour = np.array(lights.WARM[rng.integers(len(lights.WARM))], np.float32)
    if rng.random() < 0.5:
        mask = np.exp(-(square**2)).astype(np.float32)
        lamp = 255 - (255 - colour) * np.clip(square, 0, 1)[..., None]
        return lamp.astype(np.uint8), mask
    cloth = lights.objects(np.full((side, side, 3), colour, np.uint8), rng)
    mask = (np.abs(down - side / 2) < side * rng.uniform(0.2, 0.5)).astype(np.float32)
    return cloth, cv2.GaussianBlur(mask, (0, 0), sigmaX=1.0)


def _place(scene: Rgb, patch: Rgb, mask: Floats, rng: Generator) -> tuple[Rgb, float, bool]:
    """Return the scene with the patch, the share of the picture that it covers, and whether a plume
    rises from it."""
    height, width = scene.shape[:2]
    tall = height * np.exp(rng.uniform(np.log(0.05), np.log(0.6)))
    scale = tall / patch.shape[0]
    size = (
        int(np.clip(patch.shape[1] * scale, 2, width * 0.9)),
        int(np.clip(tall, 2, height * 0.9)),
    )
    left = int(rng.integers(0, max(1, width - size[0])))
    top = int(rng.integers(0, max(1, height - size[1])))
    window = (slice(top, top + size[1]), slice(left, left + size[0]))
    small = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    soft = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    whole = np.zeros((height, width), np.float32)
    whole[window] = soft
    lit = scene.astype(np.float32)
    plume = bool(rng.random() < PLUME_SHARE)
    if plume:
        lit = _add_plume(lit, left + size[0] / 2, top, size[0], rng)
    halo = cv2.GaussianBlur(whole, (0, 0), sigmaX=max(2.0, size[0] * rng.uniform(0.3, 1.2)))
    warm = np.array((255, rng.uniform(110, 190), rng.uniform(40, 110)), np.float32)
    lit += halo[..., None] * warm * rng.uniform(0, 0.8)
    small = small * rng.uniform(0.85, 1.8)
    lit[window] = lit[window] * (1 - soft[..., None]) + small * soft[..., None]
    return np.asarray(np.clip(lit, 0, 255), np.uint8), float(whole.mean()), plume


def _add_plume(lit: Floats, x: float, foot: int, wide: float, rng: Generator) -> Floats:
    """Return the picture with a dark or grey plume that rises from ``foot`` and widens."""
    height, width = lit.shape[:2]
    down, across = np.mgrid[:height, :width].astype(np.float32)
    rise = np.clip((foot - down) / height, 0, 1)
    drift = x + rng.uniform(-0.4, 0.4) * (foot - down)
    spread = wide * 0.5 + (foot - down).clip(0) * rng.uniform(0.2, 0.7)
    body = np.exp(-(((across - drift) / np.maximum(spread, 2)) ** 2)) * (down < foot)
    coarse = rng.uniform(0.3, 1, (6, 8)).astype(np.float32)
    body *= cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    body *= np.clip(1 - rise * rng.uniform(0, 1.5), 0, 1) * rng.uniform(0.4, 0.95)
    return lit * (1 - body[..., None]) + rng.uniform(15, 150) * body[..., None]

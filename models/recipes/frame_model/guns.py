"""Guns cut out and put into ordinary scenes, guns that are covered, and the same done to other
things.

A gun fills most photographs of guns, and hands, uniforms and studio light come with it. Here the
gun's box is put into a camera's scene, or is covered with a piece of another scene, which leaves
everything but the gun. Boxes of other things are moved and covered in the same way.
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

__all__ = ["rearrange"]

Floats = NDArray[np.float32]
Box = NDArray[np.float32]
"""Left, top, right, bottom in shares of the picture."""
LEAST_GUN = 12.0
"""The width, in pixels of the network's input, from which a moved gun is a training target."""
NIGHT_SHARE = 0.2
MARGIN = 0.08
"""The share of a box's sides by which the cut is larger."""
LARGEST_COVER = 0.5
"""The share of a picture above which covering its guns would leave nothing."""


def rearrange(picture: Picture, rng: Generator, backdrops: Sequence[Rgb]) -> Picture:
    """Return a scene with a moved or covered part: a gun, if the picture shows one and its boxes
    are known."""
    armed = bool(picture.target.values[LABELS.index("gun")] == 1)
    if armed and not len(picture.guns):
        return picture
    boxes = picture.guns if armed else _random_box(rng)[None]
    small = float(_areas(boxes).sum()) < LARGEST_COVER
    choice = rng.random()
    if armed and choice < 0.15:
        return _cover(picture, _box_beside(picture.guns, rng)[None], rng, backdrops, gun=1.0)
    if small and choice < 0.45:
        return _cover(picture, boxes, rng, backdrops, gun=0.0)
    box = boxes[int(_areas(boxes).argmax())]
    return _move(picture, box, rng, backdrops, gun=1.0 if armed else 0.0)


def _move(
    picture: Picture, box: Box, rng: Generator, backdrops: Sequence[Rgb], *, gun: float
) -> Picture:
    """Return a backdrop with the content of the box in it."""
    scene = backdrops[rng.integers(len(backdrops))]
    patch = picture.rgb[_window(picture.rgb, _grown(box))]
    height, width = scene.shape[:2]
    wide = width * np.exp(rng.uniform(np.log(0.06), np.log(0.6)))
    tall = wide * patch.shape[0] / patch.shape[1]
    shrink = min(1.0, 0.9 * height / tall)
    size = (max(2, int(wide * shrink)), max(2, int(tall * shrink)))
    left = int(rng.integers(0, max(1, width - size[0])))
    top = int(rng.integers(0, max(1, height - size[1])))
    lit = _blend(scene, _toned(patch, scene, rng), (left, top), size, rng)
    if rng.random() < NIGHT_SHARE:
        lit = lights.night(lit, rng)
    if size[0] / width * SIDE < LEAST_GUN and gun == 1.0:
        gun = float("nan")
    placed = np.array([[left, top, left + size[0], top + size[1]]], np.float32)
    placed /= np.array([width, height, width, height], np.float32)
    return replace(
        picture,
        rgb=lit,
        guns=placed if gun == 1.0 else np.zeros((0, 4), np.float32),
        target=_with_gun(picture.target, gun, medium=MEDIA.index("camera")),
    )


def _cover(
    picture: Picture,
    boxes: NDArray[np.float32],
    rng: Generator,
    backdrops: Sequence[Rgb],
    *,
    gun: float,
) -> Picture:
    """Return the picture with pieces of a backdrop over the boxes."""
    lit = picture.rgb
    for box in boxes:
        scene = backdrops[rng.integers(len(backdrops))]
        window = _window(lit, _grown(box))
        size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
        piece = scene[_window(scene, _random_box(rng))]
        lit = _blend(lit, _toned(piece, lit, rng), (window[1].start, window[0].start), size, rng)
    return replace(
        picture,
        rgb=lit,
        guns=picture.guns if gun == 1.0 else np.zeros((0, 4), np.float32),
        target=_with_gun(picture.target, gun, medium=picture.target.medium),
    )


def _with_gun(target: TrainingTarget, gun: float, *, medium: int) -> TrainingTarget:
    values = target.values.copy()
    values[LABELS.index("fight")], values[LABELS.index("gun")] = np.nan, gun
    trust = target.trust.copy()
    trust[LABELS.index("gun")] = 1.0
    return TrainingTarget(values=values, trust=trust, medium=medium)


def _blend(
    scene: Rgb, patch: Rgb, corner: tuple[int, int], size: tuple[int, int], rng: Generator
) -> Rgb:
    """Return the scene with the patch, scaled to ``size``, at ``corner``, with soft edges."""
    small = cv2.resize(patch, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    across = np.minimum(np.arange(size[0]), np.arange(size[0])[::-1]) / max(size[0], 1)
    down = np.minimum(np.arange(size[1]), np.arange(size[1])[::-1]) / max(size[1], 1)
    edge = rng.uniform(0.02, 0.15)
    soft = np.clip(np.minimum.outer(down, across) / edge, 0, 1)[..., None]
    left, top = corner
    window = (slice(top, top + size[1]), slice(left, left + size[0]))
    lit = scene.astype(np.float32)
    room = lit[window]
    small, soft = small[: room.shape[0], : room.shape[1]], soft[: room.shape[0], : room.shape[1]]
    lit[window] = room * (1 - soft) + small * soft
    return np.asarray(np.clip(lit, 0, 255), np.uint8)


def _toned(patch: Rgb, scene: Rgb, rng: Generator) -> Rgb:
    """Return the patch with its brightness moved towards that of the scene."""
    share = rng.uniform(0, 0.8)
    gain = 1 + share * (float(scene.mean()) / max(float(patch.mean()), 1.0) - 1)
    return np.asarray(np.clip(patch * np.clip(gain, 0.3, 2.0), 0, 255), np.uint8)


def _random_box(rng: Generator) -> Box:
    size = np.exp(rng.uniform(np.log(0.1), np.log(0.5), 2))
    start = rng.uniform(0, 1 - size)
    return np.concatenate([start, start + size]).astype(np.float32)


def _box_beside(guns: NDArray[np.float32], rng: Generator) -> Box:
    """Return a box that overlaps no gun, or a corner if none was found."""
    for _ in range(20):
        box = _random_box(rng)
        apart = (
            (box[2] <= guns[:, 0])
            | (box[0] >= guns[:, 2])
            | (box[3] <= guns[:, 1])
            | (box[1] >= guns[:, 3])
        )
        if apart.all():
            return box
    return np.array([0, 0, 0.03, 0.03], np.float32)


def _grown(box: Box) -> Box:
    margin = (box[2:] - box[:2]) * MARGIN
    return np.clip(np.concatenate([box[:2] - margin, box[2:] + margin]), 0, 1)


def _window(rgb: Rgb, box: Box) -> tuple[slice, slice]:
    height, width = rgb.shape[:2]
    left, top = int(box[0] * width), int(box[1] * height)
    right, bottom = max(left + 2, int(box[2] * width)), max(top + 2, int(box[3] * height))
    left, top = min(left, width - 2), min(top, height - 2)
    return slice(top, min(bottom, height)), slice(left, min(right, width))


def _areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])

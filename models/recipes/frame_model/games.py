"""Games drawn from a seed: platforms, maps, roads, space, pieces, cubes, corridors, landscapes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scanner.media.samples import Rgb

from . import strokes
from .strokes import HEIGHT, WIDTH, Colour

__all__ = ["blocks", "corridor", "landscape", "overhead", "platform", "puzzle", "space", "traffic"]


def platform(rng: Generator) -> Rgb:
    """Sky, hills, ground of tiles, small figures."""
    picture = strokes.gradient(rng, 40, 256)
    for depth in range(int(rng.integers(0, 4))):
        hills = HEIGHT * (0.5 + 0.1 * depth) + 40 * np.sin(
            np.arange(WIDTH) / rng.uniform(20, 110) + rng.uniform(0, 6)
        )
        picture[np.arange(HEIGHT)[:, None] > hills[None]] = strokes.colour_of(rng, 20, 220)
    side = int(rng.integers(16, 48))
    tile = strokes.tile(rng, side, int(rng.integers(5, 50)))
    for column in range(0, WIDTH, side):
        tops = [HEIGHT - side * int(rng.integers(1, 4))] + [int(rng.integers(80, 300))] * int(
            rng.random() < 0.3
        )
        for top in range(tops[0], HEIGHT, side):
            _paste(picture, tile, column, top)
        for top in tops[1:]:
            _paste(picture, tile, column, top)
    for _ in range(int(rng.integers(2, 14))):
        strokes.sprite(
            picture,
            rng,
            int(rng.integers(WIDTH - 60)),
            int(rng.integers(40, 300)),
            int(rng.integers(16, 64)),
        )
    return strokes.status(picture, rng)


def _paste(picture: Rgb, tile: Rgb, left: int, top: int) -> None:
    area = picture[top : top + tile.shape[0], left : left + tile.shape[1]]
    area[:] = tile[: area.shape[0], : area.shape[1]]


def overhead(rng: Generator) -> Rgb:
    """A map of tiles from above, with figures."""
    side = int(rng.integers(14, 60))
    tiles = [
        strokes.tile(rng, side, int(rng.integers(0, 45))) for _ in range(int(rng.integers(2, 7)))
    ]
    land = cv2.resize(
        rng.random((6, 10)).astype(np.float32),
        (WIDTH // side + 1, HEIGHT // side + 1),
        interpolation=cv2.INTER_CUBIC,
    )
    kinds = (
        np.clip((land * len(tiles)).astype(int), 0, len(tiles) - 1)
        if rng.random() < 0.7
        else rng.integers(len(tiles), size=land.shape)
    )
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for row, column in np.ndindex(*kinds.shape):
        _paste(picture, tiles[kinds[row, column]], column * side, row * side)
    if rng.random() < 0.3:
        picture[::side], picture[:, ::side] = 40, 40
    for _ in range(int(rng.integers(1, 18))):
        strokes.sprite(
            picture, rng, int(rng.integers(WIDTH - 40)), int(rng.integers(HEIGHT - 40)), side
        )
    return strokes.status(picture, rng)


def traffic(rng: Generator) -> Rgb:
    """Roads and cars from above, flat."""
    picture = np.full((HEIGHT, WIDTH, 3), strokes.colour_of(rng, 40, 200), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        start, end = rng.uniform((0, 0), (WIDTH, HEIGHT)), rng.uniform((0, 0), (WIDTH, HEIGHT))
        along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
        one, other = (start - 900 * along).astype(int), (start + 900 * along).astype(int)
        wide, grey = int(rng.integers(30, 130)), int(rng.integers(50, 150))
        cv2.line(picture, one.tolist(), other.tolist(), (grey, grey, grey), wide, cv2.LINE_AA)
        for part in np.arange(-900, 900, 40) * (rng.random() < 0.8):
            middle = start + part * along
            cv2.line(
                picture,
                middle.astype(int).tolist(),
                (middle + 18 * along).astype(int).tolist(),
                (235, 235, 235),
                2,
                cv2.LINE_AA,
            )
        for _ in range(int(rng.integers(2, 12))):
            middle = (
                start
                + rng.uniform(-500, 500) * along
                + rng.uniform(-wide / 2, wide / 2) * along[::-1] * (1, -1)
            )
            angle = float(np.degrees(np.arctan2(along[1], along[0])))
            corners = cv2.boxPoints(
                (middle.tolist(), (rng.uniform(16, 40), rng.uniform(9, 18)), angle)
            ).astype(np.int32)
            cv2.fillPoly(picture, [corners], strokes.colour_of(rng), cv2.LINE_AA)
    return strokes.status(picture, rng)


def space(rng: Generator) -> Rgb:
    """Stars, small ships, shots, glows."""
    picture = strokes.gradient(rng, 0, 50)
    for _ in range(int(rng.integers(20, 200))):
        cv2.circle(
            picture,
            (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))),
            int(rng.integers(0, 3)),
            strokes.colour_of(rng, 120),
            -1,
        )
    for _ in range(int(rng.integers(3, 30))):
        strokes.sprite(
            picture,
            rng,
            int(rng.integers(WIDTH - 60)),
            int(rng.integers(HEIGHT - 60)),
            int(rng.integers(12, 72)),
        )
    for _ in range(int(rng.integers(0, 12))):
        left, top = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        cv2.line(
            picture,
            (left, top),
            (left, top + int(rng.integers(6, 40))),
            strokes.colour_of(rng, 150),
            3,
        )
    return strokes.status(picture, rng)


def puzzle(rng: Generator) -> Rgb:
    """A grid of coloured pieces."""
    picture = strokes.gradient(rng)
    side, rows, columns = (
        int(rng.integers(22, 50)),
        int(rng.integers(4, 8)),
        int(rng.integers(4, 13)),
    )
    left, top = (
        int(rng.integers(0, max(1, WIDTH - side * columns))),
        int(rng.integers(0, max(1, HEIGHT - side * rows))),
    )
    palette = [strokes.colour_of(rng, 60) for _ in range(int(rng.integers(3, 8)))]
    strokes.box(picture, left, top, side * columns, side * rows, strokes.colour_of(rng, 0, 90))
    for row, column in np.ndindex(rows, columns):
        if rng.random() < 0.85:
            colour, middle = (
                strokes.any_of(palette, rng),
                (left + column * side + side // 2, top + row * side + side // 2),
            )
            cv2.circle(
                picture, middle, side // 2 - 2, colour, -1, cv2.LINE_AA
            ) if rng.random() < 0.5 else strokes.box(
                picture,
                middle[0] - side // 2 + 2,
                middle[1] - side // 2 + 2,
                side - 4,
                side - 4,
                colour,
            )
    return strokes.status(picture, rng)


def corridor(rng: Generator) -> Rgb:
    """Walls with a texture, floor and ceiling in perspective: what a ray caster draws."""
    angle, depth = np.linspace(-0.6, 0.6, WIDTH), rng.uniform(1.5, 9)
    walls = np.minimum.reduce(
        [
            np.abs(rng.uniform(0.6, 3) / np.sin(angle + rng.uniform(-0.5, 0.5) + 1e-3))
            for _ in range(2)
        ]
    )
    far = np.clip(np.minimum(walls, depth / np.cos(angle)), 0.5, 12)
    tall, middle = HEIGHT * rng.uniform(0.7, 1.1) / far, HEIGHT * rng.uniform(0.4, 0.6)
    rows = np.arange(HEIGHT)[:, None]
    inside = np.abs(rows - middle) < tall / 2
    texture = strokes.tile(rng, 64, int(rng.integers(10, 70)))
    down = ((rows - middle) / tall * 64 + 32).astype(int) % 64
    across = np.broadcast_to(((angle * far * 40).astype(int) % 64)[None], down.shape)
    light = np.clip(1.4 / (1 + rng.uniform(0.05, 0.5) * far), 0.15, 1)[None, :, None]
    ground = 1.2 * HEIGHT / (np.abs(rows - middle) * 2 + 20)
    plane = (
        texture[((ground * 20).astype(int) % 64), ((angle[None] * ground * 60).astype(int) % 64)]
        if rng.random() < 0.6
        else np.zeros(3)
    )
    flat = np.where(
        (rows < middle)[..., None], strokes.colour_of(rng, 10, 200), strokes.colour_of(rng, 10, 160)
    )
    outside = (0.5 * flat + 0.5 * plane) * np.clip(1.3 / (0.6 + 0.25 * ground), 0.1, 1)[..., None]
    picture = np.clip(
        np.where(inside[..., None], texture[down, across] * light, outside), 0, 255
    ).astype(np.uint8)
    for _ in range(int(rng.integers(0, 4))):
        strokes.sprite(
            picture,
            rng,
            int(rng.integers(60, WIDTH - 160)),
            int(middle - 20),
            int(rng.integers(32, 130)),
        )
    return strokes.status(picture, rng)


def _terrain(
    picture: Rgb, rng: Generator, horizon: int, base: NDArray[Any], fog: NDArray[Any]
) -> None:
    """Triangles below the horizon, which fade into the fog with their distance."""
    rows = (
        np.unique(np.geomspace(1, HEIGHT - horizon + 60, int(rng.integers(6, 16))).astype(int))
        + horizon
    )
    grid = [
        [
            (x + rng.normal(0, 18), y + rng.normal(0, (y - horizon) * 0.12))
            for x in np.linspace(-60, WIDTH + 60, 12)
        ]
        for y in rows
    ]
    for near, (one, other) in enumerate(pairwise(grid)):
        share = near / len(grid)
        for (a, b), (c, d) in zip(pairwise(one), pairwise(other), strict=True):
            for triangle in ((a, b, c), (b, d, c)):
                shade = (
                    np.clip(base * rng.uniform(0.6, 1.25) * share + fog * (1 - share), 0, 255)
                    .astype(int)
                    .tolist()
                )
                cv2.fillConvexPoly(picture, np.array(triangle, np.int32), shade)


def landscape(rng: Generator) -> Rgb:
    """Low polygons under a sky, with fog; perhaps a road."""
    picture = strokes.gradient(rng, 60, 256)
    horizon = int(HEIGHT * rng.uniform(0.3, 0.6))
    base, fog = (
        np.array(strokes.colour_of(rng, 20, 200)),
        np.array(strokes.colour_of(rng, 100, 240)),
    )
    _terrain(picture, rng, horizon, base, fog)
    if rng.random() < 0.5:
        road = [
            (WIDTH * 0.5, horizon),
            (WIDTH * rng.uniform(0.55, 1.1), HEIGHT),
            (WIDTH * rng.uniform(-0.1, 0.45), HEIGHT),
        ]
        cv2.fillConvexPoly(
            picture, np.array(road, np.int32), strokes.colour_of(rng, 50, 130), cv2.LINE_AA
        )
    for _ in range(int(rng.integers(0, 12))):
        _block(
            picture,
            rng,
            int(rng.integers(WIDTH)),
            int(rng.integers(horizon, HEIGHT)),
            int(rng.integers(8, 110)),
        )
    return strokes.status(picture, rng)


def _tree(picture: Rgb, left: int, bottom: int, size: int, colour: Colour) -> None:
    """A trunk and a triangle."""
    strokes.box(picture, left - size // 10, bottom - size // 3, size // 5, size // 3, (90, 60, 30))
    crown = [
        (left, bottom - size),
        (left + size // 3, bottom - size // 4),
        (left - size // 3, bottom - size // 4),
    ]
    cv2.fillConvexPoly(picture, np.array(crown), colour)


def _block(
    picture: Rgb, rng: Generator, left: int, bottom: int, size: int, colour: Colour | None = None
) -> None:
    """A box with three lit faces, or a tree of two shapes."""
    base = np.array(colour or strokes.colour_of(rng, 40, 230))
    shades = [np.clip(base * light, 0, 255).astype(int).tolist() for light in (1.1, 0.8, 0.55)]
    top = bottom - size
    if rng.random() < 0.4:
        _tree(picture, left, bottom, size, shades[0])
        return
    side, lift = size // 2, size // 4
    lid = [
        (left, top),
        (left + side, top + lift),
        (left, top + 2 * lift),
        (left - side, top + lift),
    ]
    cv2.fillConvexPoly(picture, np.array(lid), shades[0])
    for sign, shade in ((-1, shades[1]), (1, shades[2])):
        face = [
            (left, top + 2 * lift),
            (left + sign * side, top + lift),
            (left + sign * side, bottom - lift),
            (left, bottom),
        ]
        cv2.fillConvexPoly(picture, np.array(face), shade)


def blocks(rng: Generator) -> Rgb:
    """Cubes seen at a slant, row behind row."""
    picture = strokes.gradient(rng, 0, 256)
    size, palette = (
        int(rng.integers(30, 90)),
        [strokes.colour_of(rng, 40, 230) for _ in range(int(rng.integers(1, 5)))],
    )
    for row in range(-1, HEIGHT // (size // 4) + 2):
        for column in range(-1, WIDTH // size + 2):
            if rng.random() < 0.8:
                left = column * size + (row % 2) * size // 2
                _block(
                    picture,
                    rng,
                    left,
                    row * (size // 4) + size - (size // 2) * int(rng.random() < 0.15),
                    size,
                    strokes.any_of(palette, rng),
                )
    for _ in range(int(rng.integers(0, 8))):
        strokes.sprite(
            picture,
            rng,
            int(rng.integers(WIDTH - 60)),
            int(rng.integers(HEIGHT - 60)),
            int(rng.integers(20, 60)),
        )
    return strokes.status(picture, rng)

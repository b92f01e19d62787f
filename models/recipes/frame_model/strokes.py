"""Drawing functions shared by screens and games: colours, backgrounds, words, boxes, tiles,
figures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.random import Generator

from scanner.media.samples import Rgb

__all__ = [
    "FONTS",
    "HEIGHT",
    "WIDTH",
    "Colour",
    "any_of",
    "box",
    "colour_of",
    "gradient",
    "ground",
    "sprite",
    "status",
    "tile",
    "tone",
    "words",
    "write",
]

HEIGHT, WIDTH = 360, 640
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_TRIPLEX,
)
Colour = tuple[int, int, int]


def colour_of(rng: Generator, low: int = 0, high: int = 256) -> Colour:
    red, green, blue = rng.integers(low, high, size=3).tolist()
    return red, green, blue


def tone(picture: Rgb, rng: Generator) -> Rgb:
    """Reduce the saturation of most pictures and darken some, because random colours are brighter
    than those of games."""
    grey = picture.mean(axis=2, keepdims=True)
    calm = rng.uniform(0.2, 1.0)
    return np.clip((grey + calm * (picture - grey)) * rng.uniform(0.55, 1.05), 0, 255).astype(
        np.uint8
    )


def ground(rng: Generator, *, dark: bool) -> Rgb:
    level = rng.integers(0, 45) if dark else rng.integers(215, 256)
    return np.full(
        (HEIGHT, WIDTH, 3), np.clip(level + rng.integers(-12, 13, size=3), 0, 255), np.uint8
    )


def gradient(rng: Generator, low: int = 0, high: int = 256) -> Rgb:
    one, other = rng.integers(low, high, size=3), rng.integers(low, high, size=3)
    along = (
        np.linspace(0, 1, HEIGHT)[:, None, None]
        if rng.random() < 0.7
        else np.linspace(0, 1, WIDTH)[None, :, None]
    )
    return np.broadcast_to(one + (other - one) * along, (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()


def words(rng: Generator, most: int) -> str:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEF0123456789"))
    return " ".join(
        "".join(rng.choice(letters, size=int(rng.integers(1, 10))))
        for _ in range(int(rng.integers(1, most + 1)))
    )


def any_of(colours: Sequence[Colour], rng: Generator) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def write(
    picture: Rgb,
    rng: Generator,
    place: tuple[int, int],
    colour: Colour,
    *,
    size: float,
    most: int = 6,
) -> None:
    font = FONTS[int(rng.integers(len(FONTS)))]
    cv2.putText(
        picture, words(rng, most), place, font, size, colour, 1 + int(size > 1), cv2.LINE_AA
    )


def box(
    picture: Rgb, left: float, top: float, wide: float, tall: float, colour: Colour, line: int = -1
) -> None:
    cv2.rectangle(picture, (int(left), int(top)), (int(left + wide), int(top + tall)), colour, line)


def tile(rng: Generator, side: int, spread: int) -> Rgb:
    """Draw a small texture: one colour with coarse, fine or striped grain, as in tiles of games."""
    grain = rng.integers(-spread, spread + 1, size=(side, side, 1))
    if rng.random() < 0.5:
        grain = np.repeat(np.repeat(grain[::4, ::4], 4, axis=0), 4, axis=1)[:side, :side]
    if rng.random() < 0.4:
        grain = grain + spread * ((np.arange(side) // max(2, side // 4)) % 2)[:, None, None]
    return np.clip(rng.integers(30, 220, size=3) + grain, 0, 255).astype(np.uint8)


def sprite(picture: Rgb, rng: Generator, left: int, top: int, size: int) -> None:
    """Draw a small symmetric figure of coarse pixels."""
    half = rng.random((8, 4)) < 0.6
    shape = (
        np.kron(
            np.concatenate([half, half[:, ::-1]], axis=1),
            np.ones((max(1, size // 8), max(1, size // 8))),
        )
        > 0
    )
    shape = (
        shape[: HEIGHT - top, : WIDTH - left]
        if 0 <= top < HEIGHT and 0 <= left < WIDTH
        else shape[:0]
    )
    if shape.size:
        place = picture[top : top + shape.shape[0], left : left + shape.shape[1]]
        shade = np.linspace(1.1, 0.7, shape.shape[0])[:, None, None]
        place[shape] = np.clip(
            np.broadcast_to(np.array(colour_of(rng)) * shade, place.shape), 0, 255
        ).astype(np.uint8)[shape]


def status(picture: Rgb, rng: Generator) -> Rgb:
    """Draw the status display of a game: hearts, bars, numbers, a small map."""
    if rng.random() < 0.3:
        box(picture, 0, HEIGHT - rng.integers(24, 60), WIDTH, 60, colour_of(rng, 20, 120))
    for _ in range(int(rng.integers(0, 4))):
        place = (
            int(rng.choice([8, WIDTH - 130, WIDTH // 2 - 40])),
            int(rng.choice([22, 44, HEIGHT - 12])),
        )
        write(picture, rng, place, colour_of(rng, 150), size=rng.uniform(0.4, 0.9), most=2)
    if rng.random() < 0.4:
        wide = rng.integers(50, 160)
        box(picture, 10, 10, wide, 10, (30, 30, 30))
        box(picture, 10, 10, wide * rng.random(), 10, colour_of(rng, 80))
    if rng.random() < 0.25:
        cv2.circle(picture, (WIDTH - 50, 50), 38, colour_of(rng), -1, cv2.LINE_AA)
    return picture

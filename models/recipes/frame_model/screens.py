"""Screens drawn from a seed: slides, code, dashboards, tables, pages, cards, boards."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.random import Generator

from scanner.media.samples import Rgb

from . import strokes
from .strokes import HEIGHT, WIDTH, Colour

__all__ = ["board", "card", "code", "dashboard", "page", "slide", "table"]


def slide(rng: Generator) -> Rgb:
    """A title, points, perhaps a chart."""
    dark = rng.random() < 0.4
    picture = (
        strokes.gradient(rng, 0, 90)
        if dark and rng.random() < 0.4
        else strokes.ground(rng, dark=dark)
    )
    ink: Colour = (235, 235, 235) if dark else (25, 25, 25)
    strokes.write(
        picture,
        rng,
        (30, 60),
        strokes.colour_of(rng, 100, 256) if dark else strokes.colour_of(rng, 0, 150),
        size=rng.uniform(0.9, 1.6),
        most=4,
    )
    for row in range(110, 330, int(rng.integers(28, 50))):
        cv2.circle(picture, (40, row - 5), 3, ink, -1, cv2.LINE_AA)
        strokes.write(picture, rng, (54, row), ink, size=rng.uniform(0.45, 0.7), most=5)
    if rng.random() < 0.5:
        _chart(picture, rng, (340, 110, 260, 200))
    return picture


def _chart(picture: Rgb, rng: Generator, area: tuple[int, int, int, int]) -> None:
    left, top, wide, tall = area
    heights = rng.random(int(rng.integers(4, 16)))
    step = wide / len(heights)
    match rng.integers(3):
        case 0:
            for index, height in enumerate(heights):
                strokes.box(
                    picture,
                    left + index * step,
                    top + tall * (1 - height),
                    step * 0.7,
                    tall * height,
                    strokes.colour_of(rng),
                )
        case 1:
            points = np.stack(
                [left + np.arange(len(heights)) * step, top + tall * (1 - heights)], axis=1
            ).astype(np.int32)
            cv2.polylines(picture, [points], False, strokes.colour_of(rng), 2, cv2.LINE_AA)
        case _:
            for start, end in pairwise(np.append(0, np.cumsum(heights) / heights.sum() * 360)):
                cv2.ellipse(
                    picture,
                    (left + wide // 2, top + tall // 2),
                    (tall // 2, tall // 2),
                    0,
                    start,
                    end,
                    strokes.colour_of(rng),
                    -1,
                    cv2.LINE_AA,
                )


def code(rng: Generator) -> Rgb:
    """An editor or a terminal: short coloured words on one colour."""
    dark = rng.random() < 0.75
    picture = strokes.ground(rng, dark=dark)
    palette = [
        strokes.colour_of(rng, 110, 256) if dark else strokes.colour_of(rng, 0, 140)
        for _ in range(int(rng.integers(1, 6)))
    ]
    size, step = rng.uniform(0.3, 0.55), int(rng.integers(11, 19))
    margin = int(rng.integers(0, 120))
    if margin > 50:
        picture[:, :margin] = np.clip(
            picture[:, :margin].astype(int) + rng.integers(-20, 25), 0, 255
        )
    for row in range(14, int(HEIGHT * rng.uniform(0.4, 1.0)), step):
        column = margin + 10 + 18 * int(rng.integers(0, 5))
        for _ in range(int(rng.integers(0, 6))):
            strokes.write(
                picture, rng, (column, row), strokes.any_of(palette, rng), size=size, most=1
            )
            column += int(rng.integers(30, 110))
    return picture


def dashboard(rng: Generator) -> Rgb:
    """Cards with numbers and charts."""
    dark = rng.random() < 0.5
    picture = strokes.ground(rng, dark=dark)
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    tall, wide = (HEIGHT - 50) // rows, WIDTH // columns
    strokes.box(picture, 0, 0, WIDTH, 36, strokes.colour_of(rng))
    for row in range(rows):
        for column in range(columns):
            left, top = column * wide + 6, 44 + row * tall
            card = tuple(
                int(np.clip(v + (18 if dark else -10), 0, 255)) for v in picture[-1, -1].tolist()
            )
            strokes.box(picture, left, top, wide - 12, tall - 8, card)
            strokes.write(
                picture,
                rng,
                (left + 8, top + 18),
                (200, 200, 200) if dark else (60, 60, 60),
                size=0.4,
                most=2,
            )
            if rng.random() < 0.7 and tall > 70:
                _chart(picture, rng, (left + 10, top + 28, wide - 36, tall - 44))
            else:
                strokes.write(
                    picture,
                    rng,
                    (left + 10, top + tall // 2 + 14),
                    strokes.colour_of(rng),
                    size=1.2,
                    most=1,
                )
    return picture


def table(rng: Generator) -> Rgb:
    """Rows and columns of a sheet, a league or a calendar."""
    picture = strokes.ground(rng, dark=rng.random() < 0.25)
    ink: Colour = (230, 230, 230) if picture.mean() < 128 else (30, 30, 30)
    tall, wide = int(rng.integers(18, 60)), int(rng.integers(50, 160))
    if rng.random() < 0.5:
        picture[:tall] = strokes.colour_of(rng)
    for top in range(0, HEIGHT, tall):
        if rng.random() < 0.8:
            cv2.line(picture, (0, top), (WIDTH, top), strokes.colour_of(rng, 90, 200), 1)
        for left in range(0, WIDTH, wide):
            if rng.random() < 0.75:
                strokes.write(picture, rng, (left + 4, top + tall - 5), ink, size=0.4, most=2)
    for left in range(0, WIDTH, wide):
        cv2.line(picture, (left, 0), (left, HEIGHT), strokes.colour_of(rng, 90, 200), 1)
    return picture


def page(rng: Generator) -> Rgb:
    """A web page or a chat: a bar, columns of text, flat pictures, buttons."""
    picture = strokes.ground(rng, dark=rng.random() < 0.3)
    ink: Colour = (225, 225, 225) if picture.mean() < 128 else (40, 40, 40)
    strokes.box(picture, 0, 0, WIDTH, rng.integers(20, 60), strokes.colour_of(rng))
    columns = int(rng.integers(1, 4))
    for column in range(columns):
        left, row = 14 + column * WIDTH // columns, 80
        while row < HEIGHT:
            if rng.random() < 0.15:
                strokes.box(
                    picture,
                    left,
                    row - 10,
                    rng.integers(40, 160),
                    rng.integers(20, 90),
                    strokes.colour_of(rng),
                )
                row += 90
            strokes.write(
                picture,
                rng,
                (left, row),
                ink if rng.random() < 0.85 else strokes.colour_of(rng),
                size=rng.uniform(0.33, 0.5),
                most=max(1, 7 // columns),
            )
            row += int(rng.integers(13, 26))
    return picture


def card(rng: Generator) -> Rgb:
    """A waiting, title or end card: large words on a gradient or on one colour, a few shapes."""
    picture = (
        strokes.gradient(rng)
        if rng.random() < 0.7
        else np.full((HEIGHT, WIDTH, 3), strokes.colour_of(rng), np.uint8)
    )
    for _ in range(int(rng.integers(0, 14))):
        place, size = (
            (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))),
            int(rng.integers(4, 110)),
        )
        cv2.circle(
            picture,
            place,
            size,
            strokes.colour_of(rng),
            -1 if rng.random() < 0.5 else 3,
            cv2.LINE_AA,
        )
    for row in range(int(rng.integers(1, 4))):
        strokes.write(
            picture,
            rng,
            (int(rng.integers(20, 240)), 150 + 60 * row),
            strokes.colour_of(rng),
            size=rng.uniform(0.8, 2.2),
            most=3,
        )
    return picture


def board(rng: Generator) -> Rgb:
    """Lines drawn by hand on a white or black board, or in a drawing program."""
    picture = strokes.ground(rng, dark=rng.random() < 0.3)
    for _ in range(int(rng.integers(2, 14))):
        steps = rng.normal(0, rng.uniform(4, 22), size=(int(rng.integers(5, 60)), 2)).cumsum(axis=0)
        points = (steps + rng.uniform((0, 0), (WIDTH, HEIGHT))).astype(np.int32)
        cv2.polylines(
            picture,
            [points],
            bool(rng.random() < 0.3),
            strokes.colour_of(rng),
            int(rng.integers(1, 7)),
            cv2.LINE_AA,
        )
    if rng.random() < 0.5:
        strokes.box(
            picture,
            0,
            0,
            46 if rng.random() < 0.5 else WIDTH,
            HEIGHT if rng.random() < 0.3 else 30,
            strokes.colour_of(rng),
        )
    return picture

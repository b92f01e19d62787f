"""Draw the streams of the demonstration and cut them into segments, as an encoder would.

Most are ordinary; one shows the test card.

Each scene is a function of time alone, so that a segment can be drawn without those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samples.drawing import paint
from samples.encoding import VideoRecipe, encode_file
from samples.videos import TS
from scanner.scoring import test_card

__all__ = ["CARD_STREAM", "SCENES", "make_demo_media"]

Rgb = NDArray[np.uint8]
WIDTH, HEIGHT, RATE = 480, 270, 15
TICK = 90_000
SECONDS_OF_CARD = 6
CUTS = (2, 4, 3)
"""Seconds of the segments one after the other, repeated."""
CARD_STREAM = "test-card"
"""The stream that shows the test card in its middle."""
X, Y = np.meshgrid(
    np.linspace(-1, 1, WIDTH // 2, dtype=np.float32),
    np.linspace(-1, 1, HEIGHT // 2, dtype=np.float32),
)


def draw_plasma(t: float) -> Rgb:
    """Draw slow waves of colour."""
    wave = (
        np.sin(4 * X + t)
        + np.sin(3 * (Y + t / 2))
        + np.sin(3 * np.hypot(X + np.sin(t / 3), Y + np.cos(t / 2)))
    )
    phases = np.array([0, 2.1, 4.2], np.float32)
    return double_size(
        (np.sin(wave[:, :, None] * 1.5 + phases + t / 4) * 90 + 128).astype(np.uint8)
    )


def draw_shapes(t: float) -> Rgb:
    """Draw boxes that bounce."""
    rgb = fill((30, 42, 60))
    for index in range(6):
        left, top = (
            bounce(t * (0.11 + 0.03 * index) + index * 0.37),
            bounce(t * (0.17 - 0.02 * index) + index * 0.21),
        )
        paint(
            rgb,
            (left * 0.85, top * 0.8, left * 0.85 + 0.15, top * 0.8 + 0.2),
            (60 + 30 * index, 220 - 25 * index, 120 + 15 * index),
        )
    return rgb


def draw_arena(t: float) -> Rgb:
    """Draw a scene like a game's: a floor that comes nearer, a sky, a cross, bars and a map."""
    depth = 1 / np.maximum(Y, 0.04)
    tiles = (np.floor(depth * 2 + t * 3) + np.floor(X * depth * 2 + np.sin(t / 2))) % 2
    small = np.empty((HEIGHT // 2, WIDTH // 2, 3), np.uint8)
    small[:] = np.where(
        (Y > 0)[:, :, None],
        np.where(tiles[:, :, None] > 0, (90, 84, 76), (58, 54, 50)),
        (70, 110, 150),
    )
    rgb = double_size(small)
    walker = bounce(t / 7)
    paint(rgb, (walker * 0.8 + 0.05, 0.42, walker * 0.8 + 0.1, 0.62), (150, 60, 160))
    paint(rgb, (0.49, 0.495, 0.51, 0.505), (240, 240, 240))
    paint(rgb, (0.03, 0.93, 0.03 + 0.25 * bounce(t / 11), 0.96), (60, 200, 80))
    paint(rgb, (0.82, 0.05, 0.97, 0.3), (20, 30, 26))
    paint(rgb, (0.82 + 0.13 * walker, 0.15, 0.84 + 0.13 * walker, 0.19), (230, 210, 60))
    return rgb


def draw_slides(t: float) -> Rgb:
    """Draw a page of lines that changes every five seconds."""
    rgb, page = fill((242, 242, 238)), int(t // 5)
    paint(rgb, (0.06, 0.08, 0.3 + 0.1 * (page % 4), 0.16), (40, 60, 120))
    for line in range(3 + page % 5):
        paint(
            rgb,
            (
                0.08,
                0.26 + 0.09 * line,
                0.5 + 0.4 * bounce(page * 0.7 + line * 0.33),
                0.3 + 0.09 * line,
            ),
            (90, 92, 96),
        )
    return rgb


def fill(colour: tuple[int, int, int]) -> Rgb:
    """Return a picture of one colour."""
    rgb = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    rgb[:] = colour
    return rgb


def double_size(small: Rgb) -> Rgb:
    """Return the picture twice as wide and high."""
    return small.repeat(2, axis=0).repeat(2, axis=1)


def bounce(t: float) -> float:
    """Return a number that goes from 0 to 1 and back with a period of 2."""
    return abs((t % 2) - 1)


SCENES: Mapping[str, Callable[[float], Rgb]] = {
    "plasma": draw_plasma,
    "shapes": draw_shapes,
    "arena": draw_arena,
    "slides": draw_slides,
}
"""The ordinary streams, by name."""


def make_demo_media(out: Path, seconds: int) -> dict[str, Path]:
    """Write five streams as segments of 2 to 4 s, each in its own folder; return the playlist of
    each by its name.

    ``CARD_STREAM`` shows the test card for 6 s in its middle, on the scene that ``shapes`` shows.
    """
    with_card = _insert_card(draw_shapes, seconds)
    return {
        name: _stream(out / name, scene, seconds)
        for name, scene in {**SCENES, CARD_STREAM: with_card}.items()
    }


def _insert_card(scene: Callable[[float], Rgb], seconds: int) -> Callable[[float], Rgb]:
    card = test_card.draw_card(WIDTH, HEIGHT)
    start = (seconds - SECONDS_OF_CARD) / 2

    def draw(t: float) -> Rgb:
        return card if start <= t < start + SECONDS_OF_CARD else scene(t)

    return draw


def _stream(folder: Path, scene: Callable[[float], Rgb], seconds: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{max(CUTS)}",
        "#EXT-X-MEDIA-SEQUENCE:0",
    ]
    for index, (start, length) in enumerate(_cuts(seconds)):
        name = f"{index:05d}.ts"
        (folder / name).write_bytes(encode_file(_segment(scene, start, length)))
        lines += [f"#EXTINF:{length:.3f},", name]
    playlist = folder / "index.m3u8"
    playlist.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]), encoding="utf-8")
    return playlist


def _segment(scene: Callable[[float], Rgb], start: int, length: int) -> VideoRecipe:
    step = TICK // RATE
    return VideoRecipe(
        ticks=tuple(TS.ticks[0] + start * TICK + index * step for index in range(length * RATE)),
        width=WIDTH,
        height=HEIGHT,
        rate=Fraction(RATE),
        gop=2 * RATE,
        first=start * RATE,
        scene=lambda number, _: scene(number / RATE),
    )


def _cuts(seconds: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of each segment, in seconds."""
    start = 0
    for length in cycle(CUTS):
        if start >= seconds:
            return
        yield start, min(length, seconds - start)
        start += length

"""Screens and games drawn from a seed: harmless, free of anyone's rights, and of more looks than seven games and a few slides have.

They are only learned from. Every figure is measured on real games and screens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.random import Generator

from scanner.types import Rgb

from .corpus import Row

__all__ = ["draw", "drawn_rows", "parse"]

HEIGHT, WIDTH = 360, 640
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_TRIPLEX)
Scene = Callable[[Generator], Rgb]
Colour = tuple[int, int, int]


def draw(path: str) -> Rgb:
    """The picture of a drawn row, H x W x 3 uint8.

    >>> draw("drawn/slide/3").shape
    (360, 640, 3)
    """
    name, number = parse(path)
    rng = np.random.default_rng([list(SCENES).index(name), number])
    return _toned(SCENES[name][1](rng), rng)


def drawn_rows(each: int) -> tuple[Row, ...]:
    """``each`` pictures of every scene, in the manifest's form; a scene is a group."""
    return tuple(
        Row(path=f"drawn/{name}/{number}", task="drawn", label=label, group=f"drawn-{name}")
        for name, (label, _) in SCENES.items()
        for number in range(each)
    )


def parse(path: str) -> tuple[str, int]:
    """
    >>> parse("drawn/slide/3")
    ('slide', 3)
    """
    _, name, number = path.split("/")
    return name, int(number)


# Colours, words and grounds


def _colour(rng: Generator, low: int = 0, high: int = 256) -> Colour:
    red, green, blue = rng.integers(low, high, size=3).tolist()
    return red, green, blue


def _toned(picture: Rgb, rng: Generator) -> Rgb:
    """Colours drawn at random are louder than those of a game: most pictures are calmed, some darkened."""
    grey = picture.mean(axis=2, keepdims=True)
    calm = rng.uniform(0.2, 1.0)
    return np.clip((grey + calm * (picture - grey)) * rng.uniform(0.55, 1.05), 0, 255).astype(np.uint8)


def _ground(rng: Generator, *, dark: bool) -> Rgb:
    level = rng.integers(0, 45) if dark else rng.integers(215, 256)
    return np.full((HEIGHT, WIDTH, 3), np.clip(level + rng.integers(-12, 13, size=3), 0, 255), np.uint8)


def _gradient(rng: Generator, low: int = 0, high: int = 256) -> Rgb:
    one, other = rng.integers(low, high, size=3), rng.integers(low, high, size=3)
    along = np.linspace(0, 1, HEIGHT)[:, None, None] if rng.random() < 0.7 else np.linspace(0, 1, WIDTH)[None, :, None]
    return np.broadcast_to(one + (other - one) * along, (HEIGHT, WIDTH, 3)).astype(np.uint8).copy()


def _words(rng: Generator, most: int) -> str:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEF0123456789"))
    return " ".join("".join(rng.choice(letters, size=int(rng.integers(1, 10)))) for _ in range(int(rng.integers(1, most + 1))))


def _any(colours: Sequence[Colour], rng: Generator) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _write(picture: Rgb, rng: Generator, place: tuple[int, int], colour: Colour, *, size: float, most: int = 6) -> None:
    font = FONTS[int(rng.integers(len(FONTS)))]
    cv2.putText(picture, _words(rng, most), place, font, size, colour, 1 + int(size > 1), cv2.LINE_AA)


def _box(picture: Rgb, left: float, top: float, wide: float, tall: float, colour: Colour, line: int = -1) -> None:
    cv2.rectangle(picture, (int(left), int(top)), (int(left + wide), int(top + tall)), colour, line)


def _tile(rng: Generator, side: int, spread: int) -> Rgb:
    """A small texture: one colour with coarse, fine or striped grain, as games are tiled with."""
    grain = rng.integers(-spread, spread + 1, size=(side, side, 1))
    if rng.random() < 0.5:
        grain = np.repeat(np.repeat(grain[::4, ::4], 4, axis=0), 4, axis=1)[:side, :side]
    if rng.random() < 0.4:
        grain = grain + spread * ((np.arange(side) // max(2, side // 4)) % 2)[:, None, None]
    return np.clip(rng.integers(30, 220, size=3) + grain, 0, 255).astype(np.uint8)


def _sprite(picture: Rgb, rng: Generator, left: int, top: int, size: int) -> None:
    """A small figure of coarse pixels, mirrored about its middle."""
    half = rng.random((8, 4)) < 0.6
    shape = np.kron(np.concatenate([half, half[:, ::-1]], axis=1), np.ones((max(1, size // 8), max(1, size // 8)))) > 0
    shape = shape[: HEIGHT - top, : WIDTH - left] if 0 <= top < HEIGHT and 0 <= left < WIDTH else shape[:0]
    if shape.size:
        place = picture[top : top + shape.shape[0], left : left + shape.shape[1]]
        shade = np.linspace(1.1, 0.7, shape.shape[0])[:, None, None]
        place[shape] = np.clip(np.broadcast_to(np.array(_colour(rng)) * shade, place.shape), 0, 255).astype(np.uint8)[shape]


def _status(picture: Rgb, rng: Generator) -> Rgb:
    """What games write over the scene: hearts, bars, numbers, a small map."""
    if rng.random() < 0.3:
        _box(picture, 0, HEIGHT - rng.integers(24, 60), WIDTH, 60, _colour(rng, 20, 120))
    for _ in range(int(rng.integers(0, 4))):
        place = (int(rng.choice([8, WIDTH - 130, WIDTH // 2 - 40])), int(rng.choice([22, 44, HEIGHT - 12])))
        _write(picture, rng, place, _colour(rng, 150), size=rng.uniform(0.4, 0.9), most=2)
    if rng.random() < 0.4:
        wide = rng.integers(50, 160)
        _box(picture, 10, 10, wide, 10, (30, 30, 30))
        _box(picture, 10, 10, wide * rng.random(), 10, _colour(rng, 80))
    if rng.random() < 0.25:
        cv2.circle(picture, (WIDTH - 50, 50), 38, _colour(rng), -1, cv2.LINE_AA)
    return picture


# Screens


def slide(rng: Generator) -> Rgb:
    """A title, points, perhaps a chart."""
    dark = rng.random() < 0.4
    picture = _gradient(rng, 0, 90) if dark and rng.random() < 0.4 else _ground(rng, dark=dark)
    ink: Colour = (235, 235, 235) if dark else (25, 25, 25)
    _write(picture, rng, (30, 60), _colour(rng, 100, 256) if dark else _colour(rng, 0, 150), size=rng.uniform(0.9, 1.6), most=4)
    for row in range(110, 330, int(rng.integers(28, 50))):
        cv2.circle(picture, (40, row - 5), 3, ink, -1, cv2.LINE_AA)
        _write(picture, rng, (54, row), ink, size=rng.uniform(0.45, 0.7), most=5)
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
                _box(picture, left + index * step, top + tall * (1 - height), step * 0.7, tall * height, _colour(rng))
        case 1:
            points = np.stack([left + np.arange(len(heights)) * step, top + tall * (1 - heights)], axis=1).astype(np.int32)
            cv2.polylines(picture, [points], False, _colour(rng), 2, cv2.LINE_AA)
        case _:
            for start, end in pairwise(np.append(0, np.cumsum(heights) / heights.sum() * 360)):
                cv2.ellipse(
                    picture, (left + wide // 2, top + tall // 2), (tall // 2, tall // 2), 0, start, end, _colour(rng), -1, cv2.LINE_AA
                )


def code(rng: Generator) -> Rgb:
    """An editor or a terminal: short coloured words on one colour."""
    dark = rng.random() < 0.75
    picture = _ground(rng, dark=dark)
    palette = [_colour(rng, 110, 256) if dark else _colour(rng, 0, 140) for _ in range(int(rng.integers(1, 6)))]
    size, step = rng.uniform(0.3, 0.55), int(rng.integers(11, 19))
    margin = int(rng.integers(0, 120))
    if margin > 50:
        picture[:, :margin] = np.clip(picture[:, :margin].astype(int) + rng.integers(-20, 25), 0, 255)
    for row in range(14, int(HEIGHT * rng.uniform(0.4, 1.0)), step):
        column = margin + 10 + 18 * int(rng.integers(0, 5))
        for _ in range(int(rng.integers(0, 6))):
            _write(picture, rng, (column, row), _any(palette, rng), size=size, most=1)
            column += int(rng.integers(30, 110))
    return picture


def dashboard(rng: Generator) -> Rgb:
    """Cards with numbers and charts."""
    dark = rng.random() < 0.5
    picture = _ground(rng, dark=dark)
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    tall, wide = (HEIGHT - 50) // rows, WIDTH // columns
    _box(picture, 0, 0, WIDTH, 36, _colour(rng))
    for row in range(rows):
        for column in range(columns):
            left, top = column * wide + 6, 44 + row * tall
            card = tuple(int(np.clip(v + (18 if dark else -10), 0, 255)) for v in picture[-1, -1].tolist())
            _box(picture, left, top, wide - 12, tall - 8, card)
            _write(picture, rng, (left + 8, top + 18), (200, 200, 200) if dark else (60, 60, 60), size=0.4, most=2)
            if rng.random() < 0.7 and tall > 70:
                _chart(picture, rng, (left + 10, top + 28, wide - 36, tall - 44))
            else:
                _write(picture, rng, (left + 10, top + tall // 2 + 14), _colour(rng), size=1.2, most=1)
    return picture


def table(rng: Generator) -> Rgb:
    """Rows and columns of a sheet, a league or a calendar."""
    picture = _ground(rng, dark=rng.random() < 0.25)
    ink: Colour = (230, 230, 230) if picture.mean() < 128 else (30, 30, 30)
    tall, wide = int(rng.integers(18, 60)), int(rng.integers(50, 160))
    if rng.random() < 0.5:
        picture[:tall] = _colour(rng)
    for top in range(0, HEIGHT, tall):
        if rng.random() < 0.8:
            cv2.line(picture, (0, top), (WIDTH, top), _colour(rng, 90, 200), 1)
        for left in range(0, WIDTH, wide):
            if rng.random() < 0.75:
                _write(picture, rng, (left + 4, top + tall - 5), ink, size=0.4, most=2)
    for left in range(0, WIDTH, wide):
        cv2.line(picture, (left, 0), (left, HEIGHT), _colour(rng, 90, 200), 1)
    return picture


def page(rng: Generator) -> Rgb:
    """A web page or a chat: a bar, columns of text, flat pictures, buttons."""
    picture = _ground(rng, dark=rng.random() < 0.3)
    ink: Colour = (225, 225, 225) if picture.mean() < 128 else (40, 40, 40)
    _box(picture, 0, 0, WIDTH, rng.integers(20, 60), _colour(rng))
    columns = int(rng.integers(1, 4))
    for column in range(columns):
        left, row = 14 + column * WIDTH // columns, 80
        while row < HEIGHT:
            if rng.random() < 0.15:
                _box(picture, left, row - 10, rng.integers(40, 160), rng.integers(20, 90), _colour(rng))
                row += 90
            _write(
                picture,
                rng,
                (left, row),
                ink if rng.random() < 0.85 else _colour(rng),
                size=rng.uniform(0.33, 0.5),
                most=max(1, 7 // columns),
            )
            row += int(rng.integers(13, 26))
    return picture


def card(rng: Generator) -> Rgb:
    """A waiting, title or end card: large words on a gradient or on one colour, a few shapes."""
    picture = _gradient(rng) if rng.random() < 0.7 else np.full((HEIGHT, WIDTH, 3), _colour(rng), np.uint8)
    for _ in range(int(rng.integers(0, 14))):
        place, size = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))), int(rng.integers(4, 110))
        cv2.circle(picture, place, size, _colour(rng), -1 if rng.random() < 0.5 else 3, cv2.LINE_AA)
    for row in range(int(rng.integers(1, 4))):
        _write(picture, rng, (int(rng.integers(20, 240)), 150 + 60 * row), _colour(rng), size=rng.uniform(0.8, 2.2), most=3)
    return picture


def board(rng: Generator) -> Rgb:
    """Lines drawn by hand on a white or black board, or in a drawing program."""
    picture = _ground(rng, dark=rng.random() < 0.3)
    for _ in range(int(rng.integers(2, 14))):
        steps = rng.normal(0, rng.uniform(4, 22), size=(int(rng.integers(5, 60)), 2)).cumsum(axis=0)
        points = (steps + rng.uniform((0, 0), (WIDTH, HEIGHT))).astype(np.int32)
        cv2.polylines(picture, [points], bool(rng.random() < 0.3), _colour(rng), int(rng.integers(1, 7)), cv2.LINE_AA)
    if rng.random() < 0.5:
        _box(picture, 0, 0, 46 if rng.random() < 0.5 else WIDTH, HEIGHT if rng.random() < 0.3 else 30, _colour(rng))
    return picture


# Games


def platform(rng: Generator) -> Rgb:
    """Sky, hills, ground of tiles, small figures."""
    picture = _gradient(rng, 40, 256)
    for depth in range(int(rng.integers(0, 4))):
        hills = HEIGHT * (0.5 + 0.1 * depth) + 40 * np.sin(np.arange(WIDTH) / rng.uniform(20, 110) + rng.uniform(0, 6))
        picture[np.arange(HEIGHT)[:, None] > hills[None]] = _colour(rng, 20, 220)
    side = int(rng.integers(16, 48))
    tile = _tile(rng, side, int(rng.integers(5, 50)))
    for column in range(0, WIDTH, side):
        tops = [HEIGHT - side * int(rng.integers(1, 4))] + [int(rng.integers(80, 300))] * int(rng.random() < 0.3)
        for top in range(tops[0], HEIGHT, side):
            _paste(picture, tile, column, top)
        for top in tops[1:]:
            _paste(picture, tile, column, top)
    for _ in range(int(rng.integers(2, 14))):
        _sprite(picture, rng, int(rng.integers(WIDTH - 60)), int(rng.integers(40, 300)), int(rng.integers(16, 64)))
    return _status(picture, rng)


def _paste(picture: Rgb, tile: Rgb, left: int, top: int) -> None:
    room = picture[top : top + tile.shape[0], left : left + tile.shape[1]]
    room[:] = tile[: room.shape[0], : room.shape[1]]


def overhead(rng: Generator) -> Rgb:
    """A map of tiles from above, with figures."""
    side = int(rng.integers(14, 60))
    tiles = [_tile(rng, side, int(rng.integers(0, 45))) for _ in range(int(rng.integers(2, 7)))]
    land = cv2.resize(rng.random((6, 10)).astype(np.float32), (WIDTH // side + 1, HEIGHT // side + 1), interpolation=cv2.INTER_CUBIC)
    kinds = np.clip((land * len(tiles)).astype(int), 0, len(tiles) - 1) if rng.random() < 0.7 else rng.integers(len(tiles), size=land.shape)
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for row, column in np.ndindex(*kinds.shape):
        _paste(picture, tiles[kinds[row, column]], column * side, row * side)
    if rng.random() < 0.3:
        picture[::side], picture[:, ::side] = 40, 40
    for _ in range(int(rng.integers(1, 18))):
        _sprite(picture, rng, int(rng.integers(WIDTH - 40)), int(rng.integers(HEIGHT - 40)), side)
    return _status(picture, rng)


def traffic(rng: Generator) -> Rgb:
    """Roads and cars from above, flat."""
    picture = np.full((HEIGHT, WIDTH, 3), _colour(rng, 40, 200), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        start, end = rng.uniform((0, 0), (WIDTH, HEIGHT)), rng.uniform((0, 0), (WIDTH, HEIGHT))
        along = (end - start) / max(1.0, float(np.hypot(*(end - start))))
        one, other = (start - 900 * along).astype(int), (start + 900 * along).astype(int)
        wide, grey = int(rng.integers(30, 130)), int(rng.integers(50, 150))
        cv2.line(picture, one.tolist(), other.tolist(), (grey, grey, grey), wide, cv2.LINE_AA)
        for part in np.arange(-900, 900, 40) * (rng.random() < 0.8):
            middle = start + part * along
            cv2.line(picture, middle.astype(int).tolist(), (middle + 18 * along).astype(int).tolist(), (235, 235, 235), 2, cv2.LINE_AA)
        for _ in range(int(rng.integers(2, 12))):
            middle = start + rng.uniform(-500, 500) * along + rng.uniform(-wide / 2, wide / 2) * along[::-1] * (1, -1)
            angle = float(np.degrees(np.arctan2(along[1], along[0])))
            corners = cv2.boxPoints((middle.tolist(), (rng.uniform(16, 40), rng.uniform(9, 18)), angle)).astype(np.int32)
            cv2.fillPoly(picture, [corners], _colour(rng), cv2.LINE_AA)
    return _status(picture, rng)


def space(rng: Generator) -> Rgb:
    """Stars, small ships, shots, glows."""
    picture = _gradient(rng, 0, 50)
    for _ in range(int(rng.integers(20, 200))):
        cv2.circle(picture, (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))), int(rng.integers(0, 3)), _colour(rng, 120), -1)
    for _ in range(int(rng.integers(3, 30))):
        _sprite(picture, rng, int(rng.integers(WIDTH - 60)), int(rng.integers(HEIGHT - 60)), int(rng.integers(12, 72)))
    for _ in range(int(rng.integers(0, 12))):
        left, top = int(rng.integers(WIDTH)), int(rng.integers(HEIGHT))
        cv2.line(picture, (left, top), (left, top + int(rng.integers(6, 40))), _colour(rng, 150), 3)
    return _status(picture, rng)


def puzzle(rng: Generator) -> Rgb:
    """A grid of coloured pieces."""
    picture = _gradient(rng)
    side, rows, columns = int(rng.integers(22, 50)), int(rng.integers(4, 8)), int(rng.integers(4, 13))
    left, top = int(rng.integers(0, max(1, WIDTH - side * columns))), int(rng.integers(0, max(1, HEIGHT - side * rows)))
    palette = [_colour(rng, 60) for _ in range(int(rng.integers(3, 8)))]
    _box(picture, left, top, side * columns, side * rows, _colour(rng, 0, 90))
    for row, column in np.ndindex(rows, columns):
        if rng.random() < 0.85:
            colour, middle = _any(palette, rng), (left + column * side + side // 2, top + row * side + side // 2)
            cv2.circle(picture, middle, side // 2 - 2, colour, -1, cv2.LINE_AA) if rng.random() < 0.5 else _box(
                picture, middle[0] - side // 2 + 2, middle[1] - side // 2 + 2, side - 4, side - 4, colour
            )
    return _status(picture, rng)


def corridor(rng: Generator) -> Rgb:
    """Walls with a texture, floor and ceiling in perspective: what a ray caster draws."""
    angle, depth = np.linspace(-0.6, 0.6, WIDTH), rng.uniform(1.5, 9)
    walls = np.minimum.reduce([np.abs(rng.uniform(0.6, 3) / np.sin(angle + rng.uniform(-0.5, 0.5) + 1e-3)) for _ in range(2)])
    far = np.clip(np.minimum(walls, depth / np.cos(angle)), 0.5, 12)
    tall, middle = HEIGHT * rng.uniform(0.7, 1.1) / far, HEIGHT * rng.uniform(0.4, 0.6)
    rows = np.arange(HEIGHT)[:, None]
    inside = np.abs(rows - middle) < tall / 2
    texture = _tile(rng, 64, int(rng.integers(10, 70)))
    down = ((rows - middle) / tall * 64 + 32).astype(int) % 64
    across = np.broadcast_to(((angle * far * 40).astype(int) % 64)[None], down.shape)
    light = np.clip(1.4 / (1 + rng.uniform(0.05, 0.5) * far), 0.15, 1)[None, :, None]
    ground = 1.2 * HEIGHT / (np.abs(rows - middle) * 2 + 20)
    plane = texture[((ground * 20).astype(int) % 64), ((angle[None] * ground * 60).astype(int) % 64)] if rng.random() < 0.6 else np.zeros(3)
    flat = np.where((rows < middle)[..., None], _colour(rng, 10, 200), _colour(rng, 10, 160))
    outside = (0.5 * flat + 0.5 * plane) * np.clip(1.3 / (0.6 + 0.25 * ground), 0.1, 1)[..., None]
    picture = np.clip(np.where(inside[..., None], texture[down, across] * light, outside), 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(0, 4))):
        _sprite(picture, rng, int(rng.integers(60, WIDTH - 160)), int(middle - 20), int(rng.integers(32, 130)))
    return _status(picture, rng)


def landscape(rng: Generator) -> Rgb:
    """Low polygons under a sky, with fog; perhaps a road."""
    picture = _gradient(rng, 60, 256)
    horizon = int(HEIGHT * rng.uniform(0.3, 0.6))
    base, fog = np.array(_colour(rng, 20, 200)), np.array(_colour(rng, 100, 240))
    rows = np.unique(np.geomspace(1, HEIGHT - horizon + 60, int(rng.integers(6, 16))).astype(int)) + horizon
    grid = [[(x + rng.normal(0, 18), y + rng.normal(0, (y - horizon) * 0.12)) for x in np.linspace(-60, WIDTH + 60, 12)] for y in rows]
    for near, (one, other) in enumerate(pairwise(grid)):
        share = near / len(grid)
        for (a, b), (c, d) in zip(pairwise(one), pairwise(other), strict=True):
            for triangle in ((a, b, c), (b, d, c)):
                shade = np.clip(base * rng.uniform(0.6, 1.25) * share + fog * (1 - share), 0, 255).astype(int).tolist()
                cv2.fillConvexPoly(picture, np.array(triangle, np.int32), shade)
    if rng.random() < 0.5:
        road = [(WIDTH * 0.5, horizon), (WIDTH * rng.uniform(0.55, 1.1), HEIGHT), (WIDTH * rng.uniform(-0.1, 0.45), HEIGHT)]
        cv2.fillConvexPoly(picture, np.array(road, np.int32), _colour(rng, 50, 130), cv2.LINE_AA)
    for _ in range(int(rng.integers(0, 12))):
        _block(picture, rng, int(rng.integers(WIDTH)), int(rng.integers(horizon, HEIGHT)), int(rng.integers(8, 110)))
    return _status(picture, rng)


def _block(picture: Rgb, rng: Generator, left: int, bottom: int, size: int, colour: Colour | None = None) -> None:
    """A box with three lit faces, or a tree of two shapes."""
    colour = np.array(colour or _colour(rng, 40, 230))
    shades = [np.clip(colour * light, 0, 255).astype(int).tolist() for light in (1.1, 0.8, 0.55)]
    top = bottom - size
    if rng.random() < 0.4:
        _box(picture, left - size // 10, bottom - size // 3, size // 5, size // 3, (90, 60, 30))
        cv2.fillConvexPoly(
            picture, np.array([(left, top), (left + size // 3, bottom - size // 4), (left - size // 3, bottom - size // 4)]), shades[0]
        )
        return
    side, lift = size // 2, size // 4
    cv2.fillConvexPoly(
        picture, np.array([(left, top), (left + side, top + lift), (left, top + 2 * lift), (left - side, top + lift)]), shades[0]
    )
    for sign, shade in ((-1, shades[1]), (1, shades[2])):
        face = [(left, top + 2 * lift), (left + sign * side, top + lift), (left + sign * side, bottom - lift), (left, bottom)]
        cv2.fillConvexPoly(picture, np.array(face), shade)


def blocks(rng: Generator) -> Rgb:
    """Cubes seen at a slant, row behind row."""
    picture = _gradient(rng, 0, 256)
    size, palette = int(rng.integers(30, 90)), [_colour(rng, 40, 230) for _ in range(int(rng.integers(1, 5)))]
    for row in range(-1, HEIGHT // (size // 4) + 2):
        for column in range(-1, WIDTH // size + 2):
            if rng.random() < 0.8:
                left = column * size + (row % 2) * size // 2
                _block(picture, rng, left, row * (size // 4) + size - (size // 2) * int(rng.random() < 0.15), size, _any(palette, rng))
    for _ in range(int(rng.integers(0, 8))):
        _sprite(picture, rng, int(rng.integers(WIDTH - 60)), int(rng.integers(HEIGHT - 60)), int(rng.integers(20, 60)))
    return _status(picture, rng)


SCENES: dict[str, tuple[str, Scene]] = {
    **{scene.__name__: ("screen", scene) for scene in (slide, code, dashboard, table, page, card, board)},
    **{scene.__name__: ("rendered_2d", scene) for scene in (platform, overhead, traffic, space, puzzle, blocks)},
    **{scene.__name__: ("rendered_3d", scene) for scene in (corridor, landscape)},
}
"""Name -> what it would be called in the manifest, and what draws it."""

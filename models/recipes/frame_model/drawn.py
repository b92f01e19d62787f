"""Screens and games drawn from a seed: harmless, free of anyone's rights, and of more looks than
seven games and a few slides have.

They are only learned from. Every figure is measured on real games and screens.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from scanner.media.samples import Rgb

from . import games, screens
from .corpus import Row
from .strokes import toned

__all__ = ["draw", "drawn_rows", "parse"]

Scene = Callable[[Generator], Rgb]

SCENES: dict[str, tuple[str, Scene]] = {
    **{
        scene.__name__: ("screen", scene)
        for scene in (
            screens.slide,
            screens.code,
            screens.dashboard,
            screens.table,
            screens.page,
            screens.card,
            screens.board,
        )
    },
    **{
        scene.__name__: ("rendered_2d", scene)
        for scene in (
            games.platform,
            games.overhead,
            games.traffic,
            games.space,
            games.puzzle,
            games.blocks,
        )
    },
    **{scene.__name__: ("rendered_3d", scene) for scene in (games.corridor, games.landscape)},
}
"""Name -> what it would be called in the manifest, and what draws it."""


def draw(path: str) -> Rgb:
    """The picture of a drawn row, H x W x 3 uint8.

    >>> draw("drawn/slide/3").shape
    (360, 640, 3)
    """
    name, number = parse(path)
    rng = np.random.default_rng([list(SCENES).index(name), number])
    return toned(SCENES[name][1](rng), rng)


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

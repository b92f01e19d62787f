"""Screens and games drawn from a seed: harmless, free of rights, and more varied than the real ones
in the footage.

They are used for training only; all figures are measured on real games and screens.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from scanner.media.samples import Rgb

from . import games, screens
from .corpus import CorpusRow
from .strokes import tone

__all__ = ["draw_scene", "drawn_rows", "parse_path"]

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
"""Name -> label in the manifest's form, and the function that draws it."""


def draw_scene(path: str) -> Rgb:
    """Draw the picture of a row, H x W x 3 uint8.

    >>> draw("drawn/slide/3").shape
    (360, 640, 3)
    """
    name, number = parse_path(path)
    rng = np.random.default_rng([list(SCENES).index(name), number])
    return tone(SCENES[name][1](rng), rng)


def drawn_rows(each: int) -> tuple[CorpusRow, ...]:
    """Return rows for ``each`` pictures of every scene; a scene is a group."""
    return tuple(
        CorpusRow(path=f"drawn/{name}/{number}", task="drawn", label=label, group=f"drawn-{name}")
        for name, (label, _) in SCENES.items()
        for number in range(each)
    )


def parse_path(path: str) -> tuple[str, int]:
    """
    >>> parse("drawn/slide/3")
    ('slide', 3)
    """
    _, name, number = path.split("/")
    return name, int(number)

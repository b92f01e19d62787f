"""Contact sheets: sampled frames in one picture, once sharp and once blurred beyond repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from scanner.media.samples import Rgb
from scanner.report.nouns import Sheet
from scanner.report.text import clock

__all__ = ["COLUMNS", "Tile", "blurred", "compose", "write_poster", "write_sheet"]

COLUMNS = 4
GAP = 8
"""Pixels between frames, and around them."""
CAPTION = 30
"""Pixels below each frame for its time and score."""
GROUND, INK = (24, 24, 27), (228, 228, 231)
"""RGB of the sheet and of its captions."""
BLUR_CELLS = 14
"""Cells along the longer side that are left of a blurred frame: its light and colours, no shape of
a person."""
QUALITY = 85
"""Of JPEG, 0 to 100."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One frame of a sheet."""

    at: float
    image: Rgb
    label: str
    """The leading one."""
    score: float | None = None


def write_sheet(tiles: Sequence[Tile], folder: Path, name: str) -> Sheet:
    """Lay the frames out in ``folder/sheets/NAME.jpg`` and ``NAME_blurred.jpg``; only the frames
    are blurred, not their captions.

    Raises:
        ValueError: no frames, or frames of different sizes.
    """
    sharp = compose(tiles)
    soft = compose([replace(tile, image=blurred(tile.image)) for tile in tiles])
    sheet = Sheet(
        sharp=f"sheets/{name}.jpg",
        blurred=f"sheets/{name}_blurred.jpg",
        width=sharp.shape[1],
        height=sharp.shape[0],
    )
    _write(folder / sheet.sharp, sharp)
    _write(folder / sheet.blurred, soft)
    return sheet


def write_poster(image: Rgb, folder: Path, name: str) -> str:
    """Write the frame, blurred, and return its name beside the report; there is no sharp one."""
    file = f"sheets/{name}_poster_blurred.jpg"
    _write(folder / file, blurred(image))
    return file


def compose(tiles: Sequence[Tile]) -> Rgb:
    """The frames in rows of ``COLUMNS``, each with its time, label and score below.

    Raises:
        ValueError: no frames, or frames of different sizes.
    """
    if len({tile.image.shape for tile in tiles}) != 1:
        raise ValueError(
            f"a sheet takes frames of one size, got {len(tiles)} of {sorted({t.image.shape for t in tiles})}"
        )
    height, width = tiles[0].image.shape[:2]
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    step_x, step_y = width + GAP, height + CAPTION + GAP
    sheet = np.full((rows * step_y + GAP, columns * step_x + GAP, 3), GROUND, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        x, y = GAP + column * step_x, GAP + row * step_y
        sheet[y : y + height, x : x + width] = tile.image
        _caption(sheet, tile, (x + 2, y + height + CAPTION - 9))
    return sheet


def blurred(image: Rgb) -> Rgb:
    """The frame with all detail averaged away: what is thrown away cannot be computed back."""
    height, width = image.shape[:2]
    scale = BLUR_CELLS / max(height, width)
    cells = cv2.resize(
        image,
        (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA,
    )
    soft = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    smooth = cv2.GaussianBlur(soft, (0, 0), sigmaX=max(height, width) / BLUR_CELLS / 2)
    return np.ascontiguousarray(smooth, dtype=np.uint8)


def _caption(sheet: Rgb, tile: Tile, corner: tuple[int, int]) -> None:
    score = "" if tile.score is None else f" {tile.score:.2f}"
    text = f"{clock(tile.at)}  {tile.label}{score}".encode("ascii", "replace").decode()
    cv2.putText(sheet, text, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.55, INK, 1, cv2.LINE_AA)


def _write(path: Path, image: Rgb) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    assert done, "every picture can be encoded as JPEG"
    path.write_bytes(data.tobytes())

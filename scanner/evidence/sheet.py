"""Draw one contact sheet that is due: sampled frames in one picture, once sharp and once blurred
beyond recovery. Doing it again gives the same files."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np

from scanner.errors import NoVideoError, ScannerError
from scanner.evidence.index import SourceSpan
from scanner.evidence.plan import SheetDue
from scanner.imaging import blur, draw_text, encode_jpeg
from scanner.media.limits import MAX_INIT_BYTES
from scanner.media.samples import Rgb
from scanner.media.thumbnails import ThumbnailRequest
from scanner.private import make_folder, write_file
from scanner.report.nouns import Sheet
from scanner.sandbox.answers import AnswerBounds
from scanner.sandbox.opening import read_file
from scanner.sandbox.sandbox import Sandbox
from scanner.sandbox.watch import SourceBudget
from scanner.spooled import SpooledBytes
from scanner.types import Fit, FrameSpec, StreamId

__all__ = [
    "COLUMNS",
    "Tile",
    "compose",
    "draw_sheet",
    "frames_at",
    "read_init",
    "write_poster",
    "write_sheet",
]

log = logging.getLogger(__name__)

TILE: Final = FrameSpec(width=320, height=180, fit=Fit.LETTERBOX)
"""One frame of a sheet: large enough to judge, small enough that twelve fit on a screen."""
COLUMNS: Final = 4
GAP: Final = 8
"""Pixels between frames, and around them."""
CAPTION: Final = 30
"""Pixels below each frame for its caption."""
GROUND, INK = (24, 24, 27), (228, 228, 231)
"""RGB of the sheet and of its captions."""
FONT_SCALE: Final = 0.55
QUALITY: Final = 85
"""JPEG quality, 0 to 100."""


def draw_sheet(
    due: SheetDue,
    sources: Sequence[SourceSpan],
    *,
    sandbox: Sandbox,
    budget: SourceBudget | None = None,
    folder: Path,
    stream_id: StreamId,
    name: str,
) -> tuple[Sheet, tuple[Fraction, ...]]:
    """Draw the frames of a sheet into ``folder/sheets``; those that cannot be decoded are left out.
    Return it with the stream second of each of its frames.

    ``sources`` are those of the stream, in order; ``name`` is what messages call the stream;
    ``budget`` is what it may cost.

    Raises:
        NoVideoError: none of the frames can be decoded.
        OSError: the folder cannot be written to.
    """
    frames = frames_at(
        due.times, sources, sandbox=sandbox, budget=budget, stream_id=stream_id, name=name
    )
    tiles = [
        Tile(image=frames[at], caption=caption)
        for at, caption in zip(due.times, due.captions, strict=True)
        if at in frames
    ]
    if not tiles:
        raise NoVideoError(f"{name}: no picture at the instants of the contact sheet")
    times = tuple(at for at in due.times if at in frames)
    return write_sheet(tiles, folder, due.name), times


def frames_at(
    times: Sequence[Fraction],
    sources: Sequence[SourceSpan],
    *,
    sandbox: Sandbox,
    budget: SourceBudget | None = None,
    stream_id: StreamId,
    name: str,
) -> dict[Fraction, Rgb]:
    """Return what was shown at these stream seconds, as far as it can be decoded."""
    wanted: dict[int, list[Fraction]] = {}
    for at in times:
        shown = [number for number, source in enumerate(sources) if source.shows(at)]
        if shown:  # where sources overlap, the sample is of the later one
            wanted.setdefault(shown[-1], []).append(at)
    frames: dict[Fraction, Rgb] = {}
    for number, instants in wanted.items():
        try:
            if budget is not None:
                budget.check(name)
            frames.update(
                _frames_of(
                    sources[number],
                    instants,
                    sandbox=sandbox,
                    budget=budget,
                    stream_id=stream_id,
                    name=name,
                )
            )
        except (ScannerError, OSError) as error:
            log.warning("no pictures", extra={"error": type(error).__name__})
    return frames


def _frames_of(
    source: SourceSpan,
    times: Sequence[Fraction],
    *,
    sandbox: Sandbox,
    budget: SourceBudget | None = None,
    stream_id: StreamId,
    name: str,
) -> Iterator[tuple[Fraction, Rgb]]:
    """Yield what one source shows at some stream seconds; nothing that was not asked for."""
    start = source.span.start
    request = ThumbnailRequest(
        times=tuple(at - start for at in times),
        spec=TILE,
        first_pts=source.first_pts,
        jumps=source.jumps,
        init=read_init(source),
    )
    # a picture has one sample, at 0, whatever was asked for
    instants = frozenset((*request.times, Fraction(0)))
    windows = sandbox.stream(
        "thumbnails",
        [source.source],
        request,
        specs=(TILE,),
        name=name,
        stream=stream_id,
        bounds=AnswerBounds(samples=len(instants), instants=instants),
        budget=budget,
    )
    for window in windows:
        for sample in window.samples:
            if start + sample.at in times:
                yield start + sample.at, sample.images[TILE]


def read_init(source: SourceSpan) -> bytes | None:
    """Return the init segment that goes before a source; None where it has none."""
    if source.init is None or isinstance(source.init, bytes):
        return source.init
    if isinstance(source.init, SpooledBytes):
        return source.init.read()
    return read_file(source.init, name="init", most=MAX_INIT_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One frame of a sheet and the text below it."""

    image: Rgb
    caption: str


def write_sheet(tiles: Sequence[Tile], folder: Path, name: str) -> Sheet:
    """Write the tiles as ``folder/sheets/NAME.jpg`` and ``NAME_blurred.jpg``; only the frames are
    blurred, not their captions.

    Raises:
        ValueError: there are no frames, or they differ in size.
    """
    sharp = compose(tiles)
    blurred = compose([replace(tile, image=blur(tile.image)) for tile in tiles])
    sheet = Sheet(
        sharp=f"sheets/{name}.jpg",
        blurred=f"sheets/{name}_blurred.jpg",
        width=sharp.shape[1],
        height=sharp.shape[0],
    )
    _write(folder / sheet.sharp, sharp)
    _write(folder / sheet.blurred, blurred)
    return sheet


def write_poster(image: Rgb, folder: Path, name: str) -> str:
    """Write the frame, blurred only, and return its name relative to the report."""
    file = f"sheets/{name}_poster_blurred.jpg"
    _write(folder / file, blur(image))
    return file


def compose(tiles: Sequence[Tile]) -> Rgb:
    """Return the frames in rows of ``COLUMNS``, each with its caption below.

    Raises:
        ValueError: there are no frames, or they differ in size.
    """
    if len({tile.image.shape for tile in tiles}) != 1:
        sizes = sorted({tile.image.shape for tile in tiles})
        raise ValueError(f"a sheet takes frames of one size, got {len(tiles)} of {sizes}")
    height, width = tiles[0].image.shape[:2]
    columns, rows = min(COLUMNS, len(tiles)), -(-len(tiles) // COLUMNS)
    step_x, step_y = width + GAP, height + CAPTION + GAP
    sheet = np.full((rows * step_y + GAP, columns * step_x + GAP, 3), GROUND, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, COLUMNS)
        x, y = GAP + column * step_x, GAP + row * step_y
        sheet[y : y + height, x : x + width] = tile.image
        corner = (x + 2, y + height + CAPTION - 9)
        draw_text(sheet, tile.caption, corner, scale=FONT_SCALE, colour=INK)
    return sheet


def _write(path: Path, rgb: Rgb) -> None:
    make_folder(path.parent)
    write_file(path, encode_jpeg(rgb, QUALITY))

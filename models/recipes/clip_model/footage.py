"""The cache: the bursts of every clip, as filmed and as live streams show them, written once and
shard by shard, so that work resumes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from frame_model.corpus import Row
from frame_model.pictures import as_frame
from numpy.typing import NDArray

from scanner.media.orientation import OrientationReader
from scanner.media.samples import Rgb
from scanner.media.scale import Scaler
from scanner.types import Fit, FrameSpec

from .bursts import SIDE, Film, bursts_of, read_film
from .scenes import VARIANTS, at_rate, show

__all__ = [
    "PLAIN",
    "Batch",
    "Footage",
    "changed",
    "extract",
    "load",
    "luma_of",
    "moving",
    "ordinary_films",
    "read_small",
    "squash",
]

PLAIN = "as filmed"
SHARD = 16
"""Rows in one file of the cache."""
LONGEST = 320
"""Longest side, in pixels, of frames that are changed before they become a network's input."""
LIMIT = Fraction(6)
"""Seconds looked at of a clip of games or of ordinary video; fights are shorter."""
BACKDROPS = 6
"""Ordinary scenes kept for each fold, to play behind or beside its others."""
COARSE = Fraction(10)
"""Frames a second of the films that draws are made from: a burst looks at half of them."""
WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""Of red, green and blue in luma (BT.601)."""

Luma = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """What to make of the rows: everything that the cache's content depends on, beside code."""

    data: Path
    cache: Path
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Bursts of one view; the arrays share their first axis."""

    luma: Luma
    """N x T x H x W, uint8."""
    row: NDArray[np.int64]
    """Index into the rows."""
    number: NDArray[np.int64]
    """Of the burst within its clip."""


def moving(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The clips among the rows."""
    return tuple(row for row in rows if row.clip)


def luma_of(rgb: Rgb) -> Luma:
    """H x W x 3 -> H x W, rounded as the network rounds it."""
    return np.rint(rgb.astype(np.float32) @ WEIGHTS).clip(0, 255).astype(np.uint8)


def extract(
    rows: Sequence[Row], folds: Mapping[str, int], plan: Footage, views: Sequence[str]
) -> None:
    """Fill the cache with these views of the rows; what is there already stays.

    A view is ``PLAIN``, the name of one of ``VARIANTS``, or a number: one draw of what live streams
    do.
    """
    plan.cache.mkdir(parents=True, exist_ok=True)
    backdrops: dict[int, list[Film]] = {}
    for start in range(0, len(rows), SHARD):
        missing = [view for view in views if not shard_path(plan.cache, view, start).exists()]
        if missing and not backdrops and missing != [PLAIN]:
            backdrops = ordinary_films(rows, folds, plan.data)
        films = (
            {index: read_small(plan.data / rows[index].path) for index in _of_shard(rows, start)}
            if set(missing) - {PLAIN}
            else {}
        )
        for view in missing:
            _write(
                shard_path(plan.cache, view, start),
                _shard(rows, start, view, folds, backdrops, films, plan),
            )
        print(f"{min(start + SHARD, len(rows))}/{len(rows)} clips, {len(views)} views", flush=True)


def _of_shard(rows: Sequence[Row], start: int) -> range:
    return range(start, min(start + SHARD, len(rows)))


def shard_path(cache: Path, view: str, start: int) -> Path:
    """Where a shard lies; names of views become words."""
    word = "".join(letter if letter.isalnum() else "-" for letter in view)
    return cache / f"bursts-{word}-{start:05d}.npz"


def load(rows: Sequence[Row], cache: Path, view: str) -> Batch:
    """All cached bursts of one view.

    Raises:
        FileNotFoundError: some are not cached; run ``extract`` first.
    """
    parts: dict[str, list[NDArray[np.generic]]] = {}
    for start in range(0, len(rows), SHARD):
        with np.load(shard_path(cache, view, start)) as data:
            for name in ("luma", "row", "number"):
                parts.setdefault(name, []).append(data[name])
    return Batch(**{name: np.concatenate(arrays) for name, arrays in parts.items()})


def ordinary_films(
    rows: Sequence[Row], folds: Mapping[str, int], data: Path
) -> dict[int, list[Film]]:
    """Fold -> ordinary camera scenes, spread over that fold's clips."""
    ordinary = [
        row for row in rows if row.task in {"violence_clip", "benign_video"} and row.label == "0"
    ]
    found: dict[int, list[Film]] = {}
    for row in sorted(ordinary, key=lambda row: hashlib.sha256(row.path.encode()).digest()):
        films = found.setdefault(folds[row.group], [])
        if len(films) < BACKDROPS:
            films.append(at_rate(read_small(data / row.path), COARSE))
    return found


def _shard(
    rows: Sequence[Row],
    start: int,
    view: str,
    folds: Mapping[str, int],
    backdrops: Mapping[int, list[Film]],
    films: Mapping[int, Film],
    plan: Footage,
) -> dict[str, NDArray[np.generic]]:
    lumas, facts = [], []
    for index in _of_shard(rows, start):
        behind = backdrops.get(folds[rows[index].group], [])
        for number, frames in enumerate(_seen(rows[index], films.get(index), view, behind, plan)):
            lumas.append(np.stack([luma_of(rgb) for rgb in frames]))
            facts.append((index, number))
    indices, numbers = np.array(facts, np.int64).reshape(-1, 2).T
    return {"luma": np.stack(lumas), "row": indices, "number": numbers}


def _seen(
    row: Row, film: Film | None, view: str, backdrops: Sequence[Film], plan: Footage
) -> Iterator[list[Rgb]]:
    """The network's input, burst by burst; the same for ever, given the seed."""
    whole = (
        read_film(plan.data / row.path, seconds=LIMIT)
        if film is None or view == PLAIN
        else changed(row, film, view, backdrops, plan)
    )
    for frames in bursts_of(whole):
        yield frames if view == PLAIN else [squash(rgb, SIDE) for rgb in frames]


def changed(row: Row, film: Film, view: str, backdrops: Sequence[Film], plan: Footage) -> Film:
    """One clip as a variant or a draw shows it, before it is squashed."""
    rng = np.random.default_rng(
        [plan.seed, zlib.crc32(row.path.encode()), zlib.crc32(view.encode())]
    )
    if view in VARIANTS:
        return VARIANTS[view](film, rng, backdrops)
    return show(at_rate(film, COARSE), rng, backdrops)


def read_small(path: Path, *, longest: int = LONGEST) -> Film:
    """A clip at no more than ``longest`` pixels a side."""
    with av.open(str(path)) as container:
        size = (container.streams.video[0].width, container.streams.video[0].height)
    ratio = min(1.0, longest / max(size))
    return read_film(
        path,
        width=max(8, round(size[0] * ratio)),
        height=max(8, round(size[1] * ratio)),
        seconds=LIMIT,
    )


_scalers: dict[int, tuple[FrameSpec, Scaler]] = {}


def squash(rgb: Rgb, side: int) -> Rgb:
    """``side`` x ``side`` by the scanner's own scaler."""
    if side not in _scalers:
        spec = FrameSpec(width=side, height=side, fit=Fit.SQUASH)
        _scalers[side] = (spec, Scaler((spec,)))
    spec, scaler = _scalers[side]
    frame = as_frame(rgb)
    return scaler.images(frame, (rgb.shape[1], rgb.shape[0]), OrientationReader().read(frame))[spec]


def _write(path: Path, shard: dict[str, NDArray[np.generic]]) -> None:
    """Whole or not at all: a cut-off run leaves no half shard."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **shard)
    partial.rename(path)

"""The cache: each view's activations at the split and its embedding, written once and shard by
shard, so that work resumes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scanner.media.samples import Rgb
from scanner.types import Fit

from .backbone import SPLIT, embed, normalise, texture_of
from .corpus import Row, teach
from .pictures import Picture, as_frame, pictures_of, shrink
from .views import make_view, settle

__all__ = ["OUTSIDE", "Batch", "Extraction", "extract", "load"]

SHARD = 64
"""Rows of the manifest in one file of the cache."""
BATCH = 4
FRAMES = {"violence_clip": 8, "benign_video": 12, "game_video": 12}
"""Most frames taken from a clip of each task."""
OUTSIDE = -1
"""The fold of pictures that are measured on and never learned from."""
BACKDROPS = 40
"""Ordinary camera frames kept for each fold, to stand behind or beside its other pictures."""


KEPT_FIELDS = ("embedding", "values", "medium", "gun_width", "row", "frame", "view")
"""Of a shard, what is learned from as it is; the activations are boiled down to their texture."""
Shard = dict[str, NDArray[np.generic]]
"""The arrays of one file of the cache: ``KEPT_FIELDS`` and ``middle``, the activations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """What to make of the rows: everything that the cache's content depends on, beside code and
    weights."""

    data: Path
    cache: Path
    fit: Fit = Fit.SQUASH
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Views, ready to be learned from; all arrays share their first axis."""

    embedding: NDArray[np.float32]
    """N x 1280 of the untouched backbone."""
    texture: NDArray[np.float32]
    """N x 288: ``texture_of`` the activations before block ``SPLIT``."""
    values: NDArray[np.float32]
    """N x labels: 1, 0 or NaN."""
    trust: NDArray[np.float32]
    """N x labels: how far each value counts."""
    medium: NDArray[np.int64]
    gun_width: NDArray[np.float32]
    row: NDArray[np.int64]
    """Index into the rows."""
    frame: NDArray[np.int64]
    """Index of the frame within its row."""
    view: NDArray[np.int64]
    """0: as the scanner sees it; 1 and up: as a live stream may show it."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: NDArray[np.generic]) -> Batch:
        """The views at ``which`` (indices or a mask)."""
        return Batch(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})

    def followed_by(self, other: Batch, *, rows: int) -> Batch:
        """These views, then ``other``'s, whose rows come after the ``rows`` of these."""
        other = replace(other, row=other.row + rows)
        return Batch(
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in self.__dataclass_fields__
            }
        )


def extract(
    rows: Sequence[Row],
    folds: dict[str, int],
    blocks: nn.Sequential,
    plan: Extraction,
    *,
    views: int,
    behind: Sequence[Row],
) -> None:
    """Fill the cache with view 0 to ``views`` - 1 of every row, before scenes of ``behind``; what
    is there already stays."""
    plan.cache.mkdir(parents=True, exist_ok=True)
    backdrops: dict[int, list[Rgb]] | None = None
    for view in range(views):
        for start in range(0, len(rows), SHARD):
            shard = plan.cache / f"{plan.fit.value}-{view}-{start:05d}.npz"
            if shard.exists():
                continue
            if backdrops is None and view > 0:
                backdrops = ordinary_frames(behind, folds, plan.data)
            _write(shard, _shard(rows, start, view, folds, backdrops or {}, blocks, plan))
            print(f"view {view}: {min(start + SHARD, len(rows))}/{len(rows)} rows", flush=True)


def load(rows: Sequence[Row], cache: Path, fit: Fit, *, views: int) -> Batch:
    """All cached views below ``views`` of these rows.

    Raises:
        FileNotFoundError: nothing is cached.
    """
    shards = [
        path for view in range(views) for path in sorted(cache.glob(f"{fit.value}-{view}-*.npz"))
    ]
    if not shards:
        raise FileNotFoundError(f"{cache}: no {fit.value} views; run extract first")
    parts: dict[str, list[NDArray[np.generic]]] = {}
    for path in shards:
        with np.load(path) as data:
            for name in KEPT_FIELDS:
                parts.setdefault(name, []).append(data[name])
            parts.setdefault("texture", []).append(
                texture_of(torch.from_numpy(data["middle"]).float()).numpy()
            )
    whole = {name: np.concatenate(arrays) for name, arrays in parts.items()}
    trust = np.stack([teach(row).trust for row in rows])
    return Batch(**whole, trust=trust[whole["row"]])


def ordinary_frames(rows: Sequence[Row], folds: dict[str, int], data: Path) -> dict[int, list[Rgb]]:
    """Fold -> frames of ordinary camera scenes, spread over that fold's clips; ``OUTSIDE`` -> some
    of every fold's."""
    ordinary = [
        row for row in rows if row.task in {"violence_clip", "benign_video"} and row.label == "0"
    ]
    found: dict[int, list[Rgb]] = {}
    for row in sorted(ordinary, key=lambda row: hashlib.sha256(row.path.encode()).digest()):
        frames = found.setdefault(folds[row.group], [])
        if len(frames) < BACKDROPS:
            frames += [picture.rgb for _, picture in pictures_of(data, row, most=1)]
    return found | {OUTSIDE: [frame for frames in found.values() for frame in frames]}


def _shard(
    rows: Sequence[Row],
    start: int,
    view: int,
    folds: dict[str, int],
    backdrops: dict[int, list[Rgb]],
    blocks: nn.Sequential,
    plan: Extraction,
) -> Shard:
    images, facts = [], []
    for index in range(start, min(start + SHARD, len(rows))):
        behind = backdrops.get(folds.get(rows[index].group, OUTSIDE), [])
        for frame, (image, shown) in enumerate(_views(rows[index], view, behind, plan)):
            images.append(image)
            facts.append(
                (shown.lesson.values, shown.lesson.medium, shown.gun_width(), index, frame, view)
            )
    values, medium, gun_width, row, number, views = zip(*facts, strict=True)
    middle, embedding = _activations(np.stack(images), blocks)
    return {
        "middle": middle,
        "embedding": embedding,
        "values": np.stack(values),
        "medium": np.array(medium, np.int64),
        "gun_width": np.array(gun_width, np.float32),
        "row": np.array(row, np.int64),
        "frame": np.array(number, np.int64),
        "view": np.array(views, np.int64),
    }


def _views(
    row: Row, view: int, backdrops: Sequence[Rgb], plan: Extraction
) -> Iterator[tuple[Rgb, Picture]]:
    """The network's input and what it shows, for each frame of a row; the same for ever, given the
    seed."""
    for number, (frame, picture) in enumerate(
        pictures_of(plan.data, row, most=FRAMES.get(row.task, 1))
    ):
        if view == 0:
            yield shrink(frame, plan.fit), settle(picture)
            continue
        rng = np.random.default_rng([plan.seed, zlib.crc32(row.path.encode()), number, view])
        shown = make_view(picture, rng, backdrops)
        yield shrink(as_frame(shown.rgb), plan.fit), shown


def _activations(
    images: NDArray[np.uint8], blocks: nn.Sequential
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Where the blocks are: on a GPU if there is one, whose embeddings differ from a CPU's by
    rounding."""
    middles, embeddings = [], []
    device = next(blocks.parameters()).device
    with torch.inference_mode():
        for start in range(0, len(images), BATCH):
            middle = blocks[:SPLIT](
                normalise(torch.from_numpy(images[start : start + BATCH]).to(device))
            )
            middles.append(middle.half().cpu().numpy())
            embeddings.append(embed(blocks[SPLIT:], middle).cpu().numpy())
    return np.concatenate(middles), np.concatenate(embeddings)


def _write(path: Path, shard: Shard) -> None:
    """Whole or not at all: a cut-off run leaves no half shard."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **shard)
    partial.rename(path)

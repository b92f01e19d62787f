"""The cache of features of all views, written shard by shard so that a run can resume."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.random import Generator
from numpy.typing import NDArray

from scanner.media.samples import Rgb
from scanner.types import Fit

from .corpus import CorpusRow, training_target
from .pictures import Picture, pictures_of, scale_to_input, to_video_frame
from .views import (
    hide_small_gun,
    make_composed_view,
    make_lit_view,
    make_rearranged_view,
    make_view,
)

__all__ = [
    "FEATURES",
    "FRAMES",
    "OUTSIDE",
    "REARRANGED_VIEW",
    "MadeView",
    "Shard",
    "ViewBatch",
    "ViewExtraction",
    "batch_of",
    "extract",
    "load",
    "make_views",
    "ordinary_frames",
    "pack_views",
    "read_shards",
    "write_shard",
]

SHARD = 64
"""Rows of the manifest in one file of the cache."""
BATCH = 4
FRAMES = {"violence_clip": 8, "benign_video": 12, "game_video": 12, "weapon_clip": 12}
"""The most frames taken from a clip of each task."""
OUTSIDE = -1
"""The fold of pictures that are used for measuring only."""
BACKDROPS = 40
"""The number of ordinary camera frames of each fold that serve as backgrounds and insets."""


FEATURES = ("embedding", "texture")
"""The outputs of the feature network."""
FACTS = ("values", "medium", "gun_width", "row", "frame", "view")
KEPT_FIELDS = (*FEATURES, *FACTS)
LIT_VIEW, COMPOSED_VIEW, REARRANGED_VIEW = 2, 3, 4
"""The view of a picture by night or in other light, that of its warm and bright part in another
scene (for ``COMPOSED``), and that with a moved or covered part (for ``REARRANGED``). Other views
but 0 show a picture in the layouts of streams."""
COMPOSED = frozenset({"fire", "benign_video", "violence_clip"})
REARRANGED = frozenset({"weapon", "benign_video", "violence_clip", "game_video"})
Shard = dict[str, NDArray[np.generic]]
"""The arrays of one file of the cache, ``KEPT_FIELDS``."""
MadeView = tuple[Rgb, Picture, tuple[int, int, int]]
"""The network's input, its picture, and the indices of row, frame and view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewExtraction:
    """The parameters of an extraction, which determine the cache together with code and weights."""

    data: Path
    cache: Path
    fit: Fit = Fit.SQUASH
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewBatch:
    """Views as training data; all arrays share their first axis."""

    embedding: NDArray[np.float32]
    """N x 1280: the embedding of the frozen backbone."""
    texture: NDArray[np.float32]
    """N x 288: ``texture_of`` the activations half way up."""
    values: NDArray[np.float32]
    """N x labels: 1, 0 or NaN."""
    trust: NDArray[np.float32]
    """N x labels: the weight of each value."""
    medium: NDArray[np.int64]
    gun_width: NDArray[np.float32]
    row: NDArray[np.int64]
    """Index into the rows."""
    frame: NDArray[np.int64]
    """Index of the frame within its row."""
    view: NDArray[np.int64]
    """0: as the scanner sees it; ``LIT_VIEW``, ``COMPOSED_VIEW``, ``REARRANGED_VIEW``; else as a
    live stream may show it."""

    def __len__(self) -> int:
        return len(self.row)

    def take(self, which: NDArray[np.generic]) -> ViewBatch:
        """Select the views at ``which`` (indices or a mask)."""
        return ViewBatch(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})

    def followed_by(self, other: ViewBatch, *, rows: int) -> ViewBatch:
        """Append the views of ``other``, whose rows follow the ``rows`` of these."""
        other = replace(other, row=other.row + rows)
        return ViewBatch(
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name)])
                for name in self.__dataclass_fields__
            }
        )


def extract(
    rows: Sequence[CorpusRow],
    folds: dict[str, int],
    network: onnxruntime.InferenceSession,
    plan: ViewExtraction,
    *,
    views: int,
    behind: Sequence[CorpusRow],
) -> None:
    """Add views 0 to ``views`` - 1 of all rows to the cache, unless they exist; ``behind`` has the
    backgrounds. Footage that only measures has view 0."""
    plan.cache.mkdir(parents=True, exist_ok=True)
    backdrops: dict[int, list[Rgb]] | None = None
    for view in range(views):
        for start in range(0, len(rows), SHARD):
            shard = plan.cache / f"{plan.fit.value}-{view}-{start:05d}.npz"
            if shard.exists():
                continue
            if backdrops is None and view > 0:
                backdrops = ordinary_frames(behind, folds, plan.data)
            write_shard(shard, _shard(rows, start, view, folds, backdrops or {}, network, plan))
            print(f"view {view}: {min(start + SHARD, len(rows))}/{len(rows)} rows", flush=True)


def load(rows: Sequence[CorpusRow], cache: Path, fit: Fit, *, views: int) -> ViewBatch:
    """Load all cached views below ``views`` of these rows.

    Raises:
        FileNotFoundError: nothing is cached.
    """
    shards = [
        path for view in range(views) for path in sorted(cache.glob(f"{fit.value}-{view}-*.npz"))
    ]
    if not shards:
        raise FileNotFoundError(f"{cache}: no {fit.value} views; run extract first")
    return batch_of(rows, read_shards(shards, KEPT_FIELDS))


def read_shards(paths: Iterable[Path], names: Sequence[str]) -> Shard:
    """Return the arrays of these names, those of all files one after the other."""
    parts: dict[str, list[NDArray[np.generic]]] = {}
    for path in paths:
        with np.load(path) as data:
            for name in names if data.files else ():
                parts.setdefault(name, []).append(data[name])
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def batch_of(rows: Sequence[CorpusRow], whole: Shard) -> ViewBatch:
    """Return the views of cached arrays, which have ``KEPT_FIELDS``."""
    whole = whole | {name: whole[name].astype(np.float32) for name in FEATURES}
    trust = np.stack([training_target(row).trust for row in rows])
    return ViewBatch(**whole, trust=trust[whole["row"]])


def ordinary_frames(
    rows: Sequence[CorpusRow], folds: dict[str, int], data: Path
) -> dict[int, list[Rgb]]:
    """Return frames of ordinary camera scenes of different clips by fold; ``OUTSIDE`` has those of
    all folds."""
    ordinary = [
        row
        for row in rows
        if row.task in {"violence_clip", "benign_video"} and row.label == "0" and row.trains
    ]
    found: dict[int, list[Rgb]] = {}
    for row in sorted(ordinary, key=lambda row: hashlib.sha256(row.path.encode()).digest()):
        frames = found.setdefault(folds[row.group], [])
        if len(frames) < BACKDROPS:
            frames += [picture.rgb for _, picture in pictures_of(data, row, most=1)]
    return found | {OUTSIDE: [frame for frames in found.values() for frame in frames]}


def _shard(
    rows: Sequence[CorpusRow],
    start: int,
    view: int,
    folds: dict[str, int],
    backdrops: dict[int, list[Rgb]],
    network: onnxruntime.InferenceSession,
    plan: ViewExtraction,
) -> Shard:
    shown: list[MadeView] = []
    for index in range(start, min(start + SHARD, len(rows))):
        row = rows[index]
        if view and not row.trains:
            continue
        behind = backdrops.get(folds.get(row.group, OUTSIDE), [])
        made = make_views(row, view, behind, plan, most=FRAMES.get(row.task, 1))
        shown += [
            (image, picture, (index, frame, view)) for frame, (image, picture) in enumerate(made)
        ]
    return pack_views(shown, network, FEATURES)


def pack_views(
    shown: Sequence[MadeView], network: onnxruntime.InferenceSession, outputs: Sequence[str]
) -> Shard:
    """Return the arrays of one file of the cache: the network's outputs, and what is known of each
    view; nothing without views."""
    if not shown:
        return {}
    targets = [picture.target for _, picture, _ in shown]
    row, frame, view = np.array([place for *_, place in shown], np.int64).T
    return {
        **_features(np.stack([image for image, *_ in shown]), network, outputs),
        "values": np.stack([target.values for target in targets]),
        "medium": np.array([target.medium for target in targets], np.int64),
        "gun_width": np.array([picture.gun_width() for _, picture, _ in shown], np.float32),
        "row": row,
        "frame": frame,
        "view": view,
    }


def make_views(
    row: CorpusRow, view: int, backdrops: Sequence[Rgb], plan: ViewExtraction, *, most: int
) -> Iterator[tuple[Rgb, Picture]]:
    """Yield the network's input and its picture for up to ``most`` frames of a row; deterministic
    for a seed."""
    for number, (frame, picture) in enumerate(pictures_of(plan.data, row, most=most)):
        if view == 0:
            yield scale_to_input(frame, plan.fit), hide_small_gun(picture)
            continue
        rng = np.random.default_rng([plan.seed, zlib.crc32(row.path.encode()), number, view])
        shown = _make(row, view)(picture, rng, backdrops)
        yield scale_to_input(to_video_frame(shown.rgb), plan.fit), shown


def _make(row: CorpusRow, view: int) -> Callable[[Picture, Generator, Sequence[Rgb]], Picture]:
    if view == COMPOSED_VIEW and row.task in COMPOSED:
        return make_composed_view
    if view == REARRANGED_VIEW and row.task in REARRANGED:
        return make_rearranged_view
    return make_lit_view if view == LIT_VIEW else make_view


def _features(
    images: NDArray[np.uint8], network: onnxruntime.InferenceSession, outputs: Sequence[str]
) -> dict[str, NDArray[np.float16]]:
    """Compute the outputs of the network for all images, by name."""
    parts = [
        network.run(list(outputs), {"image": images[start : start + BATCH]})
        for start in range(0, len(images), BATCH)
    ]
    return {
        name: np.concatenate([part[index] for part in parts]).astype(np.float16)
        for index, name in enumerate(outputs)
    }


def write_shard(path: Path, shard: Shard) -> None:
    """Write a shard atomically, so that an interrupted run leaves no partial one."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **shard)
    partial.rename(path)

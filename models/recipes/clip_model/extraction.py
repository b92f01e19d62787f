"""The cache of bursts of all clips and views, written shard by shard so that a run can resume."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from frame_model.corpus import CorpusRow
from frame_model.pictures import to_video_frame
from numpy.typing import NDArray

from scanner.media.orientation import OrientationReader
from scanner.media.samples import Rgb
from scanner.media.scale import Scaler
from scanner.types import Fit, FrameSpec

from .bursts import SIDE, Video, extract_bursts, read_video
from .scenes import VARIANTS, at_rate, show

__all__ = [
    "PLAIN",
    "BurstBatch",
    "BurstExtraction",
    "apply_view",
    "extract",
    "load",
    "ordinary_videos",
    "read_small",
    "select_clips",
    "squash",
    "to_luma",
]

PLAIN = "as filmed"
SHARD = 16
"""The number of rows in one file of the cache."""
LONGEST = 320
"""The longest side, in pixels, of frames before changes."""
LIMIT = Fraction(6)
"""The seconds used of each clip; fights are shorter."""
BACKDROPS = 6
"""The number of ordinary scenes of each fold that serve as backgrounds and insets."""
COARSE = Fraction(10)
"""Frames per second of the videos that random views are made from; a burst uses half of them."""
WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
"""The weights of red, green and blue in luma (BT.601)."""

Luma = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstExtraction:
    """The parameters of an extraction, which determine the cache together with the code."""

    data: Path
    cache: Path
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstBatch:
    """Bursts of one view; the arrays share their first axis."""

    luma: Luma
    """N x T x H x W, uint8."""
    row: NDArray[np.int64]
    """Index into the rows."""
    number: NDArray[np.int64]
    """The number of the burst in its clip."""


def select_clips(rows: Sequence[CorpusRow]) -> tuple[CorpusRow, ...]:
    """Return the rows that are clips."""
    return tuple(row for row in rows if row.clip)


def to_luma(rgb: Rgb) -> Luma:
    """Convert H x W x 3 to H x W luma, rounded as in the network."""
    return np.rint(rgb.astype(np.float32) @ WEIGHTS).clip(0, 255).astype(np.uint8)


def extract(
    rows: Sequence[CorpusRow], folds: Mapping[str, int], plan: BurstExtraction, views: Sequence[str]
) -> None:
    """Add views of the rows to the cache, unless they exist.

    A view is ``PLAIN``, the name of one of ``VARIANTS``, or a number: the seed of a random view.
    """
    plan.cache.mkdir(parents=True, exist_ok=True)
    backdrops: dict[int, list[Video]] = {}
    for start in range(0, len(rows), SHARD):
        missing = [view for view in views if not shard_path(plan.cache, view, start).exists()]
        if missing and not backdrops and missing != [PLAIN]:
            backdrops = ordinary_videos(rows, folds, plan.data)
        videos = (
            {index: read_small(plan.data / rows[index].path) for index in _of_shard(rows, start)}
            if set(missing) - {PLAIN}
            else {}
        )
        for view in missing:
            _write(
                shard_path(plan.cache, view, start),
                _shard(rows, start, view, folds, backdrops, videos, plan),
            )
        print(f"{min(start + SHARD, len(rows))}/{len(rows)} clips, {len(views)} views", flush=True)


def _of_shard(rows: Sequence[CorpusRow], start: int) -> range:
    return range(start, min(start + SHARD, len(rows)))


def shard_path(cache: Path, view: str, start: int) -> Path:
    """Return the path of a shard."""
    word = "".join(letter if letter.isalnum() else "-" for letter in view)
    return cache / f"bursts-{word}-{start:05d}.npz"


def load(rows: Sequence[CorpusRow], cache: Path, view: str) -> BurstBatch:
    """Load all cached bursts of one view.

    Raises:
        FileNotFoundError: some are not cached; run ``extract`` first.
    """
    parts: dict[str, list[NDArray[np.generic]]] = {}
    for start in range(0, len(rows), SHARD):
        with np.load(shard_path(cache, view, start)) as data:
            for name in ("luma", "row", "number"):
                parts.setdefault(name, []).append(data[name])
    return BurstBatch(**{name: np.concatenate(arrays) for name, arrays in parts.items()})


def ordinary_videos(
    rows: Sequence[CorpusRow], folds: Mapping[str, int], data: Path
) -> dict[int, list[Video]]:
    """Return ordinary camera scenes of different clips, by fold."""
    ordinary = [
        row for row in rows if row.task in {"violence_clip", "benign_video"} and row.label == "0"
    ]
    found: dict[int, list[Video]] = {}
    for row in sorted(ordinary, key=lambda row: hashlib.sha256(row.path.encode()).digest()):
        videos = found.setdefault(folds[row.group], [])
        if len(videos) < BACKDROPS:
            videos.append(at_rate(read_small(data / row.path), COARSE))
    return found


def _shard(
    rows: Sequence[CorpusRow],
    start: int,
    view: str,
    folds: Mapping[str, int],
    backdrops: Mapping[int, list[Video]],
    videos: Mapping[int, Video],
    plan: BurstExtraction,
) -> dict[str, NDArray[np.generic]]:
    lumas, facts = [], []
    for index in _of_shard(rows, start):
        behind = backdrops.get(folds[rows[index].group], [])
        for number, frames in enumerate(
            _burst_frames(rows[index], videos.get(index), view, behind, plan)
        ):
            lumas.append(np.stack([to_luma(rgb) for rgb in frames]))
            facts.append((index, number))
    indices, numbers = np.array(facts, np.int64).reshape(-1, 2).T
    return {"luma": np.stack(lumas), "row": indices, "number": numbers}


def _burst_frames(
    row: CorpusRow,
    video: Video | None,
    view: str,
    backdrops: Sequence[Video],
    plan: BurstExtraction,
) -> Iterator[list[Rgb]]:
    """Yield the network's input for each burst; deterministic for a seed."""
    whole = (
        read_video(plan.data / row.path, seconds=LIMIT)
        if video is None or view == PLAIN
        else apply_view(row, video, view, backdrops, plan)
    )
    for frames in extract_bursts(whole):
        yield frames if view == PLAIN else [squash(rgb, SIDE) for rgb in frames]


def apply_view(
    row: CorpusRow, video: Video, view: str, backdrops: Sequence[Video], plan: BurstExtraction
) -> Video:
    """Return a clip with the changes of a variant or a random view, before it is squashed."""
    rng = np.random.default_rng(
        [plan.seed, zlib.crc32(row.path.encode()), zlib.crc32(view.encode())]
    )
    if view in VARIANTS:
        return VARIANTS[view](video, rng, backdrops)
    return show(at_rate(video, COARSE), rng, backdrops)


def read_small(path: Path, *, longest: int = LONGEST) -> Video:
    """A clip at no more than ``longest`` pixels a side."""
    with av.open(str(path)) as container:
        size = (container.streams.video[0].width, container.streams.video[0].height)
    ratio = min(1.0, longest / max(size))
    return read_video(
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
    frame = to_video_frame(rgb)
    return scaler.images(frame, (rgb.shape[1], rgb.shape[0]), OrientationReader().read(frame))[spec]


def _write(path: Path, shard: dict[str, NDArray[np.generic]]) -> None:
    """Write a shard as a whole or not at all: a run that is cut off leaves no half shard."""
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **shard)
    partial.rename(path)

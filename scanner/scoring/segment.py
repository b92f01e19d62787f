"""Scoring the samples of one segment by all scorers.

Nothing is carried from one segment to the next, so that a segment scores the same whenever and
wherever it is scored ("Sampling is local to a segment" in ``docs/architecture.md``).

A frame that nearly equals the last scored frame takes its scores: static screens, slides, waiting
cards. Frames are compared by small tiles and the most different tile decides, because a small
object that appears on a static screen is a few pixels of the picture and most of a tile. The
comparison is with the last frame that was *scored*, so that a slow change accumulates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scanner.media.samples import Rgb, Sample
from scanner.scoring.options import Reuse
from scanner.scoring.scorer import Scorer, shadow_labels
from scanner.types import Label, ModelRef, ScoredFrame, Scores

__all__ = [
    "ShadowedLabels",
    "is_alike",
    "largest_tile_difference",
    "score_bursts",
    "score_samples",
    "separate_shadow",
    "shadowed_labels",
]

ShadowedLabels = Mapping[ModelRef, frozenset[Label]]
"""The labels of each model whose scores are recorded and not judged."""

TILE = 8
"""The side of a tile in pixels.

A 9 x 6 object in a 224 x 224 picture covers at least 15 of the 64 pixels of some tile.
"""


def score_samples(
    scorers: Sequence[Scorer], samples: Sequence[Sample], *, reuse: Reuse
) -> tuple[ScoredFrame, ...]:
    """Score the frames of one segment.

    Each scorer gets one batch with the frames that do not reuse the scores of the frame before.
    """
    fresh: list[Sample] = []
    rows: list[tuple[Sample, int, bool]] = []
    for sample in samples:
        reused = bool(fresh) and is_alike(fresh[-1], sample, reuse)
        if not reused:
            fresh.append(sample)
        rows.append((sample, len(fresh) - 1, reused))
    columns = [scorer.score(fresh) for scorer in scorers]
    return tuple(
        ScoredFrame(
            at=sample.at,
            pts=sample.pts,
            keyframe=sample.keyframe,
            scores=tuple(column[row] for column in columns),
            reused=reused,
        )
        for sample, row, reused in rows
    )


def score_bursts(scorers: Sequence[Scorer], bursts: Sequence[Sample]) -> tuple[ScoredFrame, ...]:
    """Score the bursts of one segment, each by the scorers of its format.

    A burst whose format no scorer takes is left out.
    """
    results: list[list[Scores]] = [[] for _ in bursts]
    for scorer in scorers:
        indices = [
            index for index, sample in enumerate(bursts) if sample.burst == scorer.inputs[0].burst
        ]
        batch = [bursts[index] for index in indices]
        for index, scores in zip(indices, scorer.score(batch), strict=True):
            results[index].append(scores)
    return tuple(
        ScoredFrame(
            at=sample.at,
            pts=sample.pts,
            keyframe=False,
            scores=tuple(scores),
            burst=sample.burst,
            start=sample.start,
        )
        for sample, scores in zip(bursts, results, strict=True)
        if scores
    )


def is_alike(scored: Sample, sample: Sample, reuse: Reuse) -> bool:
    """Return whether every image of a sample equals that of the scored one within the threshold."""
    return all(
        largest_tile_difference(scored.images[spec], image) <= reuse.threshold
        for spec, image in sample.images.items()
    )


def largest_tile_difference(one: Rgb, other: Rgb) -> float:
    """Return the highest mean absolute difference of any tile, in grey levels.

    Tiles at the right and bottom edge may be smaller than ``TILE``.

    >>> largest_tile_difference(np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 3, np.uint8))
    3.0
    """
    height, width, channels = one.shape
    difference = _pad_to_tiles(np.maximum(one, other) - np.minimum(one, other))
    strips = difference.reshape(-1, TILE, difference.shape[1] * channels).sum(
        axis=1, dtype=np.uint16
    )
    sums = strips.reshape(len(strips), -1, TILE * channels).sum(axis=2, dtype=np.uint32)
    return float(np.max(sums / (np.outer(_tile_sides(height), _tile_sides(width)) * channels)))


def _pad_to_tiles(image: Rgb) -> Rgb:
    height, width, _ = image.shape
    below, right = -height % TILE, -width % TILE
    return np.pad(image, ((0, below), (0, right), (0, 0))) if below or right else image


def _tile_sides(length: int) -> NDArray[np.intp]:
    """Return the size in pixels of each tile along a side of the picture."""
    return np.minimum(np.arange(length, 0, -TILE), TILE)


def shadowed_labels(scorers: Sequence[Scorer]) -> ShadowedLabels:
    """Return the labels that a model has in shadow while another of the scorers has them live.

    A label that is in shadow in all models is judged by its policy, which is in shadow itself.
    """
    live = {
        label for scorer in scorers for label in scorer.labels if label not in shadow_labels(scorer)
    }
    return {scorer.model: labels for scorer in scorers if (labels := shadow_labels(scorer) & live)}


def separate_shadow(
    frames: Iterable[ScoredFrame], shadowed: ShadowedLabels
) -> tuple[ScoredFrame, ...]:
    """Return the frames with the scores of shadowed labels moved from ``values`` to ``shadow``."""
    if not shadowed:
        return tuple(frames)
    return tuple(
        replace(frame, scores=tuple(_move_to_shadow(scores, shadowed) for scores in frame.scores))
        for frame in frames
    )


def _move_to_shadow(scores: Scores, shadowed: ShadowedLabels) -> Scores:
    labels = shadowed.get(scores.model)
    if labels is None:
        return scores
    return replace(
        scores,
        values={label: value for label, value in scores.values.items() if label not in labels},
        shadow={label: value for label, value in scores.values.items() if label in labels},
    )

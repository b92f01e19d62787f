"""Golden scores: what a model said of made-up pictures on the day it was shipped, and whether it
still says so.

The pictures are drawn from a seed, so that no footage is stored; the scores are kept with a
tolerance, never as yes or no.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scanner.errors import SetupError
from scanner.media.samples import Rgb, Sample
from scanner.scoring.manifest import Manifest, read_manifest
from scanner.scoring.onnx import load_onnx
from scanner.scoring.options import Precision, Provider
from scanner.scoring.scorer import Scorer, looks_at_bursts, specs
from scanner.scoring.test_card import draw
from scanner.types import FrameSpec, Scores
from scanner.validation import complaints

__all__ = ["Golden", "check_model", "pictures", "record", "worst_difference", "write_golden"]

FILENAME: Final = "golden.json"
COUNT: Final = 8
"""Pictures: the card, then noise of each coarseness."""
WITH_WRITING: Final = 12
"""The same, and writing of four sizes, for networks that may look for text."""
GLYPH: Final = (14, 6)
"""Rows and columns of strokes that one made-up letter takes, with the gaps below it and beside it.
"""
MOST_DRIFT: Final = 16
"""Pixels a frame by which no made-up picture moves any more."""
TOLERANCE: Final = 0.005
"""Of a probability: another processor's rounding moves it by some 1e-5, TF32 on a GPU by some 1e-3.
"""
FP16_TOLERANCE: Final = 0.02
"""The same for a file with 16-bit numbers, where the model says less."""


class Golden(BaseModel):
    """The expected scores of one version of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    """``name@version``."""
    seed: int = Field(ge=0, lt=1 << 32)
    tolerance: float = Field(gt=0.0, le=0.1)
    """The largest difference of any probability that still counts as the same."""
    scores: tuple[Mapping[str, float], ...] = Field(min_length=1)
    """For each picture, every label's and every medium's probability."""


def record(
    scorer: Scorer, *, seed: int = 0, count: int = COUNT, tolerance: float = TOLERANCE
) -> Golden:
    """What a scorer says today of ``count`` pictures."""
    scores = scorer.score(_samples(scorer, seed, count))
    return Golden(
        model=str(scorer.model),
        seed=seed,
        tolerance=tolerance,
        scores=tuple(_flat(said) for said in scores),
    )


def write_golden(folder: Path, golden: Golden) -> None:
    """Beside the manifest."""
    (folder / FILENAME).write_text(golden.model_dump_json(indent=2) + "\n", "utf-8")


def check_model(folder: Path, *, provider: Provider = "cpu") -> float:
    """Load the model in a folder, in each precision that it has, and let it say its golden scores
    again: the largest difference found.

    Raises:
        SetupError: it cannot be loaded, has no golden scores, or says something else now.
    """
    manifest, golden = read_manifest(folder), _read_golden(folder)
    if golden.model != str(manifest.ref):
        raise SetupError(
            f"model {manifest.name}: {FILENAME} is of {golden.model}, the manifest of {manifest.ref}: record it again"
        )
    precisions: tuple[Precision, ...] = ("fp32",) if manifest.fp16 is None else ("fp32", "fp16")
    return max(_check(folder, manifest, golden, provider, precision) for precision in precisions)


def _check(
    folder: Path, manifest: Manifest, golden: Golden, provider: Provider, precision: Precision
) -> float:
    worst = worst_difference(
        load_onnx(folder, manifest, provider=provider, precision=precision), golden
    )
    tolerance = max(golden.tolerance, FP16_TOLERANCE) if precision == "fp16" else golden.tolerance
    if not worst <= tolerance:
        raise SetupError(
            f"model {manifest.name}: golden scores differ by {worst:.4f} in {precision}, tolerance is {tolerance}"
        )
    return worst


def worst_difference(scorer: Scorer, golden: Golden) -> float:
    """Of any probability of any picture, now and then; 1 where a label or medium came or went."""
    now = [_flat(said) for said in scorer.score(_samples(scorer, golden.seed, len(golden.scores)))]
    return max(_difference(a, b) for a, b in zip(now, golden.scores, strict=True))


def pictures(spec: FrameSpec, *, seed: int, count: int) -> list[Rgb]:
    """Made-up pictures: the test card, then layers of coloured noise from coarse to fine, then
    writing; the same on every machine.

    For a burst each of them moves, the later ones faster.

    ``RandomState`` is used because its stream is frozen; the newer generators' may change.
    """
    random = np.random.RandomState(seed)
    height, width, _ = spec.frame.shape
    made = [draw(width, height)]
    for index in range(1, min(count, COUNT)):
        cells = 1 << (1 + index % 6)
        levels = random.randint(0, 256, size=(cells, cells, 3)).astype(np.uint8)
        made.append(
            np.ascontiguousarray(
                levels[
                    np.arange(height)[:, None] * cells // height, np.arange(width) * cells // width
                ]
            )
        )
    made.extend(
        _writing(random, width, height, stroke=index - COUNT + 1) for index in range(COUNT, count)
    )
    if spec.burst is None:
        return made[:count]
    return [
        moving(picture, spec.burst.frames, step=index * MOST_DRIFT // count)
        for index, picture in enumerate(made[:count])
    ]


def moving(picture: Rgb, frames: int, *, step: int) -> Rgb:
    """A picture that drifts to the right by ``step`` pixels a frame, and comes in again on the
    left: T x H x W x 3."""
    return np.stack([np.roll(picture, number * step, axis=1) for number in range(frames)])


def _writing(random: np.random.RandomState, width: int, height: int, *, stroke: int) -> Rgb:
    """Lines of letters that nobody knows, in two colours; a stroke is so many pixels wide."""
    ground, ink = random.randint(0, 256, size=(2, 3)).astype(np.uint8)
    tall, wide = GLYPH
    lines, letters = -(-height // (tall * stroke)), -(-width // (wide * stroke))
    strokes = random.randint(0, 2, size=(lines, letters, tall, wide)).astype(bool)
    strokes[:, :, tall // 2 :], strokes[:, :, :, wide - 1] = False, False
    page = strokes.transpose(0, 2, 1, 3).reshape(lines * tall, letters * wide)
    page = page.repeat(stroke, axis=0).repeat(stroke, axis=1)[:height, :width]
    return np.ascontiguousarray(np.where(page[:, :, None], ink, ground))


def _samples(scorer: Scorer, seed: int, count: int) -> list[Sample]:
    wanted = specs([scorer])
    drawn = {spec: pictures(spec, seed=seed, count=count) for spec in wanted}
    start = Fraction(0) if looks_at_bursts(scorer) else None
    return [
        Sample(
            at=Fraction(i),
            pts=i,
            keyframe=True,
            images={spec: drawn[spec][i] for spec in wanted},
            start=start,
        )
        for i in range(count)
    ]


def _flat(scores: Scores) -> dict[str, float]:
    labels = {str(label): value for label, value in scores.values.items()}
    return labels | {f"medium.{medium}": value for medium, value in scores.medium.items()}


def _difference(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    if one.keys() != other.keys():
        return 1.0
    return max((abs(one[key] - other[key]) for key in one), default=0.0)


def _read_golden(folder: Path) -> Golden:
    path = folder / FILENAME
    try:
        return Golden.model_validate_json(path.read_bytes())
    except OSError as why:
        raise SetupError(
            f"model {folder.name}: cannot read {path}: {why.strerror}; record it with the model"
        ) from why
    except ValidationError as why:
        raise SetupError(
            f"{path}: {'; '.join(complaints(why, known=Golden.model_fields, noun='key'))}"
        ) from why

"""Golden scores: the scores of generated pictures, recorded when a model is released and compared
whenever it is checked.

The pictures are generated from a seed, so that no media is stored. Scores are compared with a
tolerance.
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
from scanner.scoring.scorer import Scorer, frame_specs, is_burst_scorer
from scanner.scoring.test_card import draw_card
from scanner.types import FrameSpec, Scores
from scanner.validation import describe_errors

__all__ = [
    "GoldenScores",
    "check_model",
    "generate_pictures",
    "largest_difference",
    "record_golden",
    "write_golden",
]

FILENAME: Final = "golden.json"
COUNT: Final = 8
"""The default number of pictures: the test card, then noise of each coarseness."""
COUNT_WITH_TEXT: Final = 12
"""The number of pictures with text of four sizes added, for networks that may detect text."""
GLYPH: Final = (14, 6)
"""Rows and columns of strokes of one generated letter, including the gaps below and beside it."""
MOST_DRIFT: Final = 16
"""The speed, in pixels a frame, that the pictures of a burst stay below."""
TOLERANCE: Final = 0.005
"""The default tolerance of a probability. Rounding on another processor moves it by about 1e-5,
TF32 on a GPU by about 1e-3."""
FP16_TOLERANCE: Final = 0.02
"""The lowest tolerance for an fp16 file."""
INT8_TOLERANCE: Final = 0.15
"""The lowest tolerance for an int8 file: the pictures are noise, on which all probabilities are
uncertain. It finds the file of another network, and processors that compute something else."""
_TOLERANCES: Final[Mapping[Precision, float]] = {"fp16": FP16_TOLERANCE, "int8": INT8_TOLERANCE}


class GoldenScores(BaseModel):
    """The expected scores of one version of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: str
    """The model as ``name@version``."""
    seed: int = Field(ge=0, lt=1 << 32)
    tolerance: float = Field(gt=0.0, le=0.1)
    """The largest accepted difference of any probability."""
    scores: tuple[Mapping[str, float], ...] = Field(min_length=1)
    """The probabilities of all labels and media, for each picture."""


def record_golden(
    scorer: Scorer, *, seed: int = 0, count: int = COUNT, tolerance: float = TOLERANCE
) -> GoldenScores:
    """Record the scores of ``count`` generated pictures."""
    scores = scorer.score(_samples(scorer, seed, count))
    return GoldenScores(
        model=str(scorer.model),
        seed=seed,
        tolerance=tolerance,
        scores=tuple(_flatten(result) for result in scores),
    )


def write_golden(folder: Path, golden: GoldenScores) -> None:
    """Write golden scores to the folder of their model."""
    (folder / FILENAME).write_text(golden.model_dump_json(indent=2) + "\n", "utf-8")


def check_model(folder: Path, *, provider: Provider = "cpu") -> float:
    """Load the model in a folder in each precision that it has, and compare its golden scores.

    Returns:
        The largest difference of any probability, that of an int8 file apart.

    Raises:
        SetupError: the model cannot be loaded, has no golden scores, or exceeds their tolerance.
    """
    manifest, golden = read_manifest(folder), _read_golden(folder)
    if golden.model != str(manifest.ref):
        raise SetupError(
            f"model {manifest.name}: {FILENAME} is of {golden.model}, wanted {manifest.ref} "
            "as in the manifest: record it again"
        )
    if manifest.int8 is not None and provider == "cpu":
        _check_precision(folder, manifest, golden, provider, "int8")
    precisions: tuple[Precision, ...] = ("fp32",) if manifest.fp16 is None else ("fp32", "fp16")
    return max(
        _check_precision(folder, manifest, golden, provider, precision) for precision in precisions
    )


def _check_precision(
    folder: Path, manifest: Manifest, golden: GoldenScores, provider: Provider, precision: Precision
) -> float:
    scorer = load_onnx(folder, manifest, provider=provider, precision=precision)
    difference = largest_difference(scorer, golden)
    tolerance = max(golden.tolerance, _TOLERANCES.get(precision, 0.0))
    if not difference <= tolerance:
        raise SetupError(
            f"model {manifest.name}: golden scores differ by {difference:.4f} in {precision}, "
            f"tolerance is {tolerance}"
        )
    return difference


def largest_difference(scorer: Scorer, golden: GoldenScores) -> float:
    """Return the largest difference of any probability from the golden scores; 1 if the labels or
    media differ."""
    scores = scorer.score(_samples(scorer, golden.seed, len(golden.scores)))
    return max(
        _difference(_flatten(result), expected)
        for result, expected in zip(scores, golden.scores, strict=True)
    )


def generate_pictures(spec: FrameSpec, *, seed: int, count: int) -> list[Rgb]:
    """Generate pictures: the test card, then coloured noise from coarse to fine, then text.

    They are the same on every machine. For a burst each picture moves, the later ones faster.
    """
    # The sequence of RandomState is frozen; that of newer generators may change (NEP 19).
    random = np.random.RandomState(seed)
    height, width, _ = spec.frame.shape
    drawn = [draw_card(width, height)]
    for index in range(1, min(count, COUNT)):
        cells = 1 << (1 + index % 6)
        levels = random.randint(0, 256, size=(cells, cells, 3)).astype(np.uint8)
        drawn.append(
            np.ascontiguousarray(
                levels[
                    np.arange(height)[:, None] * cells // height, np.arange(width) * cells // width
                ]
            )
        )
    drawn.extend(
        _draw_text(random, width, height, stroke=index - COUNT + 1) for index in range(COUNT, count)
    )
    if spec.burst is None:
        return drawn[:count]
    return [
        drift(picture, spec.burst.frames, step=index * MOST_DRIFT // count)
        for index, picture in enumerate(drawn[:count])
    ]


def drift(picture: Rgb, frames: int, *, step: int) -> Rgb:
    """Return frames in which a picture moves to the right by ``step`` pixels a frame and wraps
    around: T x H x W x 3."""
    return np.stack([np.roll(picture, number * step, axis=1) for number in range(frames)])


def _draw_text(random: np.random.RandomState, width: int, height: int, *, stroke: int) -> Rgb:
    """Draw lines of random letters in two colours, with strokes of ``stroke`` pixels."""
    ground, ink = random.randint(0, 256, size=(2, 3)).astype(np.uint8)
    tall, wide = GLYPH
    lines, letters = -(-height // (tall * stroke)), -(-width // (wide * stroke))
    strokes = random.randint(0, 2, size=(lines, letters, tall, wide)).astype(bool)
    strokes[:, :, tall // 2 :], strokes[:, :, :, wide - 1] = False, False
    page = strokes.transpose(0, 2, 1, 3).reshape(lines * tall, letters * wide)
    page = page.repeat(stroke, axis=0).repeat(stroke, axis=1)[:height, :width]
    return np.ascontiguousarray(np.where(page[:, :, None], ink, ground))


def _samples(scorer: Scorer, seed: int, count: int) -> list[Sample]:
    wanted = frame_specs([scorer])
    drawn = {spec: generate_pictures(spec, seed=seed, count=count) for spec in wanted}
    start = Fraction(0) if is_burst_scorer(scorer) else None
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


def _flatten(scores: Scores) -> dict[str, float]:
    labels = {str(label): value for label, value in scores.values.items()}
    return labels | {f"medium.{medium}": value for medium, value in scores.medium.items()}


def _difference(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    if one.keys() != other.keys():
        return 1.0
    return max((abs(one[key] - other[key]) for key in one), default=0.0)


def _read_golden(folder: Path) -> GoldenScores:
    path = folder / FILENAME
    try:
        return GoldenScores.model_validate_json(path.read_bytes())
    except OSError as error:
        raise SetupError(
            f"model {folder.name}: cannot read {path}: {error.strerror}; record golden scores first"
        ) from error
    except ValidationError as error:
        messages = describe_errors(error, known=GoldenScores.model_fields, noun="key")
        raise SetupError(f"{path}: {'; '.join(messages)}") from error

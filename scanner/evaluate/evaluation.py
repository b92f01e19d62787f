"""The measurements of one evaluation, and their form in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from scanner.evaluate.comparisons import ScoredRow, find_unmeasured
from scanner.evaluate.curves import RocCurve, build_curves
from scanner.evaluate.measures import ROUNDS
from scanner.evaluate.properties import MediaProperties
from scanner.evaluate.reliability import Reliability, measure_reliability
from scanner.evaluate.results import (
    ComparisonResult,
    Threshold,
    find_thresholds,
    measure_comparisons,
)
from scanner.evaluate.robustness import Robustness, measure_robustness
from scanner.evaluate.slices import Slice, measure_slices

__all__ = ["Evaluation", "Subject", "evaluate", "to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The models and rows that were measured."""

    models: tuple[str, ...]
    manifest: str
    rows: int
    failed: int
    held_out: bool
    """Whether each row was scored by models that were not trained on its group."""
    sampled: int | None = None
    """Maximum number of perturbed rows for each task and label; None if there was no limit, or no
    perturbation."""
    seed: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of rows of each unknown task, which are not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The measurements of one evaluation."""

    subject: Subject
    results: tuple[ComparisonResult, ...]
    curves: tuple[RocCurve, ...]
    thresholds: tuple[Threshold, ...]
    reliability: tuple[Reliability, ...]
    robustness: tuple[Robustness, ...]
    """Empty if no input was perturbed."""
    slices: tuple[Slice, ...]
    """Empty if the files' properties were not read."""
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    """Tasks with scored rows and without a comparison, each with the reason."""


def evaluate(
    subject: Subject,
    scored: Sequence[ScoredRow],
    versions: Sequence[ScoredRow] = (),
    properties: Mapping[str, MediaProperties] | None = None,
    *,
    rounds: int = ROUNDS,
) -> Evaluation:
    """Measure everything that the scored rows allow; ``versions`` are unperturbed and perturbed
    rows to compare.

    ``rounds`` is the number of bootstrap rounds; robustness and slices, which have many figures,
    use half as many.
    """
    return Evaluation(
        subject=subject,
        results=tuple(measure_comparisons(scored, rounds=rounds)),
        unmeasured=find_unmeasured(scored),
        curves=tuple(build_curves(scored)),
        thresholds=tuple(find_thresholds(scored)),
        reliability=tuple(measure_reliability(scored, rounds=rounds)),
        robustness=tuple(measure_robustness(versions, rounds=rounds // 2)),
        slices=()
        if properties is None
        else tuple(measure_slices(scored, properties, rounds=rounds // 2)),
    )


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Return one JSON object, ``type`` first; curves are left out, and a figure that could not be
    measured is null."""
    document = asdict(evaluation)
    subject = document["subject"]
    return {
        "type": "evaluation",
        **{
            key: subject[key]
            for key in ("models", "rows", "failed", "left_out", "held_out", "sampled", "seed")
        },
        **{
            key: _finite(document[key])
            for key in (
                "results",
                "unmeasured",
                "thresholds",
                "reliability",
                "robustness",
                "slices",
            )
        },
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value

"""All that was measured, as one noun; and as what JSON takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from scanner.evaluate.curves import Curve, curves
from scanner.evaluate.footage import Footage
from scanner.evaluate.measures import ROUNDS
from scanner.evaluate.reliability import Reliability, reliabilities
from scanner.evaluate.results import Result, Threshold, results, thresholds
from scanner.evaluate.robustness import Robustness, robustness
from scanner.evaluate.slices import Slice, slices
from scanner.evaluate.tables import Judged

__all__ = ["Evaluation", "Subject", "evaluate", "to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What was measured, on what."""

    models: tuple[str, ...]
    manifest: str
    rows: int
    failed: int
    held_out: bool
    """Each row was judged by models that never saw it."""
    sampled: int | None = None
    """Rows of each task and label that were changed, at most; None: all of them, or none were
    changed."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The figures."""

    subject: Subject
    results: tuple[Result, ...]
    curves: tuple[Curve, ...]
    thresholds: tuple[Threshold, ...]
    reliability: tuple[Reliability, ...]
    robustness: tuple[Robustness, ...]
    """None where no input was changed."""
    slices: tuple[Slice, ...]
    """None where nobody looked at what the footage is like."""


def evaluate(
    subject: Subject,
    judged: Sequence[Judged],
    versions: Sequence[Judged] = (),
    footage: Mapping[str, Footage] | None = None,
    *,
    rounds: int = ROUNDS,
) -> Evaluation:
    """Everything that can be told of what the models said; ``versions`` are rows unchanged and
    changed, to be compared.

    ``rounds`` of the bootstrap; of the many figures of changes and slices, half as many.
    """
    return Evaluation(
        subject=subject,
        results=tuple(results(judged, rounds=rounds)),
        curves=tuple(curves(judged)),
        thresholds=tuple(thresholds(judged)),
        reliability=tuple(reliabilities(judged, rounds=rounds)),
        robustness=tuple(robustness(versions, rounds=rounds // 2)),
        slices=() if footage is None else tuple(slices(judged, footage, rounds=rounds // 2)),
    )


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """One object, ``type`` first; curves are left out, and what could not be measured is null."""
    said = asdict(evaluation)
    subject = said["subject"]
    return {
        "type": "evaluation",
        **{
            key: subject[key] for key in ("models", "rows", "failed", "held_out", "sampled", "seed")
        },
        **{
            key: _finite(said[key])
            for key in ("results", "thresholds", "reliability", "robustness", "slices")
        },
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value

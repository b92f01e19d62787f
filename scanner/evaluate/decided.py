"""Precision of flags, from decided items: of each label under each policy and with the same models,
and with higher thresholds.

A lower threshold cannot be judged from these rows: what did not open was not decided. The level of
an incident does not depend on the threshold, so a higher one would have opened exactly those whose
risk reached it; an incident with several labels counts for its leading one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scanner.evaluate.measures import Interval

__all__ = [
    "DecidedPolicy",
    "ThresholdTrial",
    "exact_interval",
    "latest_rows",
    "measure_decided",
]

GROUPED: Final = ("kind", "label", "policy", "models")
"""Columns whose values rows that are measured together share."""
KEPT: Final = (0.75, 0.5, 0.25)
"""Shares of the items that the thresholds that are tried keep."""
TAIL: Final = 0.025
"""Probability beyond each end of a two-sided interval of 95 %."""
STEPS: Final = 50
"""Halvings of [0, 1] to find an end of an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdTrial:
    """What a threshold would have given."""

    threshold: float
    """Risk; of pictures, score."""
    flagged: int
    violations: int
    lost: int
    """Violations that it would not have flagged."""
    precision: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedPolicy:
    """The decided items of one label under one policy and with the same models."""

    kind: str
    """``incident`` or ``image``."""
    label: str
    policy: str
    """Hash of the policy's values; empty where it was not recorded."""
    models: str
    """Names and versions of the models in use."""
    threshold: float | None
    """The risk at which it opens; of pictures, the score."""
    decided: int
    violations: int
    precision: Interval
    trials: tuple[ThresholdTrial, ...]
    """Higher thresholds, in rising order."""


def measure_decided(rows: Sequence[Mapping[str, Any]]) -> list[DecidedPolicy]:
    """Measure labelled rows, as ``streamwarden records export`` writes them; most rows first."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] or "" for name in GROUPED)].append(row)
    measured = [_measure(found) for found in groups.values()]
    return sorted(measured, key=lambda one: (-one.decided, one.label, one.policy, one.models))


def latest_rows(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return one row of each item, the one that was decided last: each export has all items."""
    latest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["decided_at"] or 0):
        latest[row["stream_id"], row["item_id"]] = row
    return list(latest.values())


def _measure(rows: Sequence[Mapping[str, Any]]) -> DecidedPolicy:
    kind, label, policy, models = (rows[0][name] or "" for name in GROUPED)
    violations = _count_violations(rows)
    risks = sorted((float(row["risk"]) for row in rows), reverse=True)
    tried = {risks[max(round(share * len(risks)), 1) - 1] for share in KEPT} - {risks[-1]}
    return DecidedPolicy(
        kind=kind,
        label=label,
        policy=policy,
        models=models,
        threshold=rows[0]["threshold"],
        decided=len(rows),
        violations=violations,
        precision=exact_interval(violations, len(rows)),
        trials=tuple(_try_threshold(rows, threshold, violations) for threshold in sorted(tried)),
    )


def _try_threshold(
    rows: Sequence[Mapping[str, Any]], threshold: float, violations: int
) -> ThresholdTrial:
    kept = [row for row in rows if row["risk"] >= threshold]
    found = _count_violations(kept)
    return ThresholdTrial(
        threshold=threshold,
        flagged=len(kept),
        violations=found,
        lost=violations - found,
        precision=exact_interval(found, len(kept)),
    )


def _count_violations(rows: Sequence[Mapping[str, Any]]) -> int:
    return sum(row["verdict"] == "violation" for row in rows)


def exact_interval(successes: int, trials: int) -> Interval:
    """Return a share with its exact interval of 95 % by Clopper and Pearson.

    >>> found = exact_interval(8, 10)
    >>> round(found.low, 4), round(found.high, 4)
    (0.4439, 0.9748)
    """
    low = 0.0 if successes == 0 else _solve(successes, trials)
    high = 1.0 if successes == trials else 1.0 - _solve(trials - successes, trials)
    return Interval(value=successes / trials, low=low, high=high)


def _solve(successes: int, trials: int) -> float:
    """Return the share with which at least so many successes have the probability ``TAIL``."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    counts = np.arange(successes, trials + 1)
    ways = logs[trials] - logs[counts] - logs[trials - counts]
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        share = (low + high) / 2
        terms = ways + counts * np.log(share) + (trials - counts) * np.log1p(-share)
        below = float(np.exp(terms).sum()) < TAIL
        low, high = (share, high) if below else (low, share)
    return (low + high) / 2

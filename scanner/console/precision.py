"""Precision of labels and policies, in total and over time, with intervals of 95 %.

An interval is Wilson's: that of a share of few decisions is wide, and never empty. Only what was
decided counts; what nobody looked at says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Any, Final

__all__ = [
    "PrecisionPoint",
    "PrecisionRow",
    "PrecisionSeries",
    "precision_over_time",
    "precision_rows",
    "wilson",
]

Z: Final = 1.96
"""Of a two-sided interval of 95 %."""
Verdicts = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRow:
    """How often what was flagged for a label was a violation, under the same policy and models."""

    label: str
    generations: tuple[int, ...]
    """Generations of the configuration with this policy; none for pictures."""
    violations: int
    decided: int

    @property
    def share(self) -> float:
        """Violations among what was decided."""
        return self.violations / self.decided

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of 95 % of the share."""
        return wilson(self.violations, self.decided)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionPoint(PrecisionRow):
    """The same of the decisions of one part of the time, under whatever policy."""

    since: float
    """Wall-clock time, in seconds since the epoch."""
    at: float
    """Middle of the part, as a share of the time in [0, 1]."""

    @property
    def name(self) -> str:
        """The beginning of the part, UTC."""
        return datetime.fromtimestamp(self.since, UTC).strftime("%Y-%m-%d %H:%M")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionSeries:
    """The precision of one label over time."""

    label: str
    points: tuple[PrecisionPoint, ...]
    """Parts of the time in which something was decided."""


def precision_rows(verdicts: Verdicts) -> tuple[PrecisionRow, ...]:
    """Return the precision of each label and policy, those with the most decisions first.

    Verdicts are as ``LeadQueries`` returns them: ``policy`` is the same for all generations in
    which the policy of the label and the models were the same.
    """
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in verdicts:
        groups.setdefault((one["label"], one["policy"]), []).append(one)
    rows = (PrecisionRow(**_counted(found)) for found in groups.values())
    return tuple(sorted(rows, key=lambda row: (-row.decided, row.label, row.generations)))


def precision_over_time(
    verdicts: Verdicts, *, since: float, until: float, step: float
) -> tuple[PrecisionSeries, ...]:
    """Return the precision of each label in parts of a time of ``step`` seconds each, which begin
    at multiples of it; those with the most decisions first."""
    by_label: dict[str, list[Mapping[str, Any]]] = {}
    for one in verdicts:
        by_label.setdefault(one["label"], []).append(one)
    order = sorted(by_label, key=lambda label: (-len(by_label[label]), label))
    return tuple(
        PrecisionSeries(
            label=label, points=tuple(_points(by_label[label], since=since, until=until, step=step))
        )
        for label in order
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's interval of 95 % of a share.

    >>> [round(one, 3) for one in wilson(8, 10)]
    [0.49, 0.943]
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    middle = share + Z * Z / (2 * trials)
    spread = Z * sqrt(share * (1 - share) / trials + Z * Z / (4 * trials * trials))
    base = 1 + Z * Z / trials
    return max(0.0, (middle - spread) / base), min(1.0, (middle + spread) / base)


def _points(
    verdicts: Verdicts, *, since: float, until: float, step: float
) -> Iterator[PrecisionPoint]:
    parts: dict[int, list[Mapping[str, Any]]] = {}
    for one in verdicts:
        parts.setdefault(int(one["at"] // step), []).append(one)
    for number, found in sorted(parts.items()):
        begin, end = max(number * step, since), min((number + 1) * step, until)
        middle = ((begin + end) / 2 - since) / (until - since)
        at = min(max(middle, 0.0), 1.0)
        yield PrecisionPoint(**_counted(found), since=number * step, at=at)


def _counted(verdicts: Verdicts) -> dict[str, Any]:
    generations = {one["policies"] for one in verdicts if one["policies"] is not None}
    return {
        "label": verdicts[0]["label"],
        "generations": tuple(sorted(generations)),
        "violations": sum(one["verdict"] == "violation" for one in verdicts),
        "decided": len(verdicts),
    }

"""The figures of a lead's page: pure functions of what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from statistics import median, quantiles
from typing import Any, Final

__all__ = ["DayFigures", "LeadFigures", "PrecisionRow", "lead_figures", "wilson"]

Z: Final = 1.96
"""Of a two-sided interval of 95 %."""
WANTED_SECONDS: Final = 300.0
"""Time from flag to decision that is wanted at most."""
WANTED_CLEARED: Final = 0.3
"""Share of flags without a violation that is wanted at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecisionRow:
    """How often a label under one generation of policies was a violation."""

    label: str
    policies: int | None
    """Generation of the configuration; None for pictures."""
    violations: int
    decided: int
    low: float
    high: float
    """The interval of 95 %."""

    @property
    def share(self) -> float:
        """Violations among what was decided."""
        return self.violations / self.decided


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """The decisions of one day, UTC."""

    day: str
    decided: int
    cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFigures:
    """What was decided within a time."""

    decided: int
    by_people: int
    cleared: int
    median_seconds: float | None
    slow_seconds: float | None
    """Nine of ten decisions were made sooner."""
    in_time: float | None
    """Share of decisions within ``WANTED_SECONDS``."""
    hours: float
    """Hours of streams that were scored."""
    coverage: float
    precision: tuple[PrecisionRow, ...]
    days: tuple[DayFigures, ...]
    persons: tuple[tuple[str, int], ...]
    """Id and decisions of each person."""

    @property
    def cleared_share(self) -> float | None:
        """Share of decided items that were no violation."""
        return self.cleared / self.decided if self.decided else None

    @property
    def false_per_hour(self) -> float | None:
        """Items that were no violation, for each hour of a stream."""
        return self.cleared / self.hours if self.hours > 0 else None


def lead_figures(verdicts: Sequence[Mapping[str, Any]], seen: Mapping[str, float]) -> LeadFigures:
    """Return the figures of final verdicts, given as ``LeadQueries`` returns them."""
    seconds = [one["seconds"] for one in verdicts]
    humans = [one for one in verdicts if one["by"] == "human"]
    cleared = [one for one in verdicts if one["verdict"] == "no_violation"]
    in_time = sum(one <= WANTED_SECONDS for one in seconds)
    return LeadFigures(
        decided=len(verdicts),
        by_people=len(humans),
        cleared=len(cleared),
        median_seconds=median(seconds) if seconds else None,
        slow_seconds=quantiles(seconds, n=10)[-1] if len(seconds) > 1 else None,
        in_time=in_time / len(seconds) if seconds else None,
        hours=seen["hours"],
        coverage=seen["coverage"],
        precision=_precision(verdicts),
        days=_days(verdicts),
        persons=tuple(Counter(str(one["person"]) for one in humans).most_common(50)),
    )


def _precision(verdicts: Sequence[Mapping[str, Any]]) -> tuple[PrecisionRow, ...]:
    decided = Counter((one["label"], one["policies"]) for one in verdicts)
    violations = Counter(
        (one["label"], one["policies"]) for one in verdicts if one["verdict"] == "violation"
    )
    rows = []
    for (label, policies), count in decided.items():
        low, high = wilson(violations[label, policies], count)
        rows.append(
            PrecisionRow(
                label=label,
                policies=policies,
                violations=violations[label, policies],
                decided=count,
                low=low,
                high=high,
            )
        )
    return tuple(sorted(rows, key=lambda row: (-row.decided, row.label, row.policies or 0)))


def _days(verdicts: Sequence[Mapping[str, Any]]) -> tuple[DayFigures, ...]:
    decided: Counter[str] = Counter()
    cleared: Counter[str] = Counter()
    for one in verdicts:
        day = datetime.fromtimestamp(one["at"], UTC).strftime("%Y-%m-%d")
        decided[day] += 1
        cleared[day] += one["verdict"] == "no_violation"
    return tuple(
        DayFigures(day=day, decided=decided[day], cleared=cleared[day]) for day in sorted(decided)
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

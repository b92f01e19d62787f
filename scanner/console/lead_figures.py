"""The figures of a lead's page: pure functions of what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median, quantiles
from typing import Any, Final

from scanner.console.precision import (
    PrecisionRow,
    PrecisionSeries,
    precision_over_time,
    precision_rows,
)

__all__ = ["DayFigures", "LeadFigures", "lead_figures"]

WANTED_SECONDS: Final = 300.0
"""Time from flag to decision that is wanted at most."""
WANTED_CLEARED: Final = 0.3
"""Share of flags without a violation that is wanted at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """The items that were decided on one day, UTC."""

    day: str
    decided: int
    cleared: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFigures:
    """What was decided within a time."""

    decided: int
    by_people: int
    items: int
    """Items that were decided; some more than once, as they grew."""
    cleared: int
    """Items whose latest decision is no violation."""
    median_seconds: float | None
    slow_seconds: float | None
    """Nine of ten decisions were made sooner."""
    in_time: float | None
    """Share of decisions within ``WANTED_SECONDS``."""
    hours: float
    """Hours of streams that were scored."""
    coverage: float
    false_incidents: int
    """Incidents that were no violation."""
    precision: tuple[PrecisionRow, ...]
    over_time: tuple[PrecisionSeries, ...]
    days: tuple[DayFigures, ...]
    persons: tuple[tuple[str, int], ...]
    """Id and decisions of each person."""

    @property
    def cleared_share(self) -> float | None:
        """Share of decided items that were no violation."""
        return self.cleared / self.items if self.items else None

    @property
    def false_per_hour(self) -> float | None:
        """Incidents that were no violation, for each hour of a stream."""
        return self.false_incidents / self.hours if self.hours > 0 else None


def lead_figures(
    verdicts: Sequence[Mapping[str, Any]],
    seen: Mapping[str, float],
    *,
    since: float,
    until: float,
    step: float,
) -> LeadFigures:
    """Return the figures of final verdicts, given as ``LeadQueries`` returns them, that were made
    between two wall-clock times; over time in parts of ``step`` seconds. What was right is a matter
    of the latest verdict of each item."""
    latest = [one for one in verdicts if one["in_force"]]
    seconds = [one["seconds"] for one in verdicts]
    humans = [one for one in verdicts if one["by"] == "human"]
    cleared = [one for one in latest if one["verdict"] == "no_violation"]
    in_time = sum(one <= WANTED_SECONDS for one in seconds)
    return LeadFigures(
        decided=len(verdicts),
        by_people=len(humans),
        items=len(latest),
        cleared=len(cleared),
        median_seconds=median(seconds) if seconds else None,
        slow_seconds=quantiles(seconds, n=10)[-1] if len(seconds) > 1 else None,
        in_time=in_time / len(seconds) if seconds else None,
        hours=seen["hours"],
        coverage=seen["coverage"],
        false_incidents=sum(one["kind"] == "incident" for one in cleared),
        precision=precision_rows(latest),
        over_time=precision_over_time(latest, since=since, until=until, step=step),
        days=_days(latest),
        persons=tuple(Counter(str(one["person"]) for one in humans).most_common(50)),
    )


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

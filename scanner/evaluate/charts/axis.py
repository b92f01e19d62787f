"""One axis of a chart: its range, the position of each value, and the ticks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

from scanner.report.text import percent

__all__ = ["Axis", "percents", "plain_number"]

MOST_TICKS = 7
FEW_DECADES = 3
"""Up to this number of decades, 2 and 5 are ticks as well as the powers of ten."""


def plain_number(value: float) -> str:
    """Format a value for an axis.

    >>> plain_number(0.1), plain_number(20.0)
    ('0.1', '20')
    """
    return f"{value:.4g}"


def percents(value: float) -> str:
    """Format a share for an axis."""
    return percent(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """From ``low`` to ``high``.

    Values beyond an end are drawn at that end, and so is zero on a logarithmic axis.
    """

    title: str
    """With its unit."""
    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()
    """Chosen automatically if empty."""
    write: Callable[[float], str] = plain_number

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            raise ValueError(f"axis {self.title!r} must rise, got {self.low} to {self.high}")
        if self.log and not self.low > 0:
            raise ValueError(
                f"a logarithmic axis must begin above 0, {self.title!r} begins at {self.low}"
            )

    def place(self, value: float) -> float:
        """Return the position of the value: 0 at ``low``, 1 at ``high``.

        >>> Axis(title="", low=0.01, high=100, log=True).place(1.0)
        0.5
        """
        clamped = min(max(value, self.low), self.high)
        if self.log:
            return log10(clamped / self.low) / log10(self.high / self.low)
        return (clamped - self.low) / (self.high - self.low)

    def marks(self) -> tuple[float, ...]:
        """Return the values of the ticks, rising."""
        if self.ticks:
            return tuple(tick for tick in sorted(self.ticks) if self.low <= tick <= self.high)
        return tuple(self._decades() if self.log else self._steps())

    def _decades(self) -> Iterator[float]:
        first, last = floor(log10(self.low)), ceil(log10(self.high))
        within = (1.0, 2.0, 5.0) if last - first <= FEW_DECADES else (1.0,)
        for power in range(first, last + 1):
            yield from (
                tick
                for factor in within
                if self.low <= (tick := float(f"{factor}e{power}")) <= self.high
            )

    def _steps(self) -> Iterator[float]:
        rough = (self.high - self.low) / MOST_TICKS
        power = 10.0 ** floor(log10(rough))
        step = next(
            factor * power
            for factor in (1.0, 2.0, 2.5, 5.0, 10.0)
            if factor * power >= rough * (1 - 1e-9)
        )
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return (round(index * step, 10) for index in range(first, last + 1))

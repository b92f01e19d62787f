"""What the recursive methods remember beside their number: how much was seen, and since when looks
speak for the label."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.risk.method import Look, Support

__all__ = ["NEW", "Run", "dump_run", "followed", "load_run"]


class Run(NamedTuple):
    """Looks so far, and those in a row that speak for the label."""

    at: Fraction | None
    """The last look that counted at all."""
    looks: int
    """That counted, at most 2: nobody asks for more."""
    seen: Fraction
    """Weighted seconds, at most the evidence floor."""
    first: Fraction | None
    last: Fraction | None

    @property
    def support(self) -> Support | None:
        """First and last look that speak for the label."""
        return None if self.first is None or self.last is None else Support(self.first, self.last)


NEW = Run(None, 0, Fraction(0), None, None)


def followed(run: Run, look: Look, level: float, dwell: Fraction) -> Run:
    """The run after a look that counts and left the level at ``level``. A look against the label
    ends it once the level is down to 0."""
    first, last = (run.first or look.at, look.at) if look.llr > 0.0 else (run.first, run.last)
    if look.llr <= 0.0 and level <= 0.0:
        first, last = None, None
    return Run(look.at, min(run.looks + 1, 2), min(run.seen + look.seconds, dwell), first, last)


def dump_run(run: Run) -> Any:
    """The run as ``json.dumps`` takes it."""
    at, looks, seen, first, last = run
    times = (dump_optional(time) for time in (at, first, last))
    return [*times, looks, dump_fraction(seen)]


def load_run(data: Any) -> Run:
    """The run that ``dump_run`` gave."""
    *times, looks, seen = data
    at, first, last = (load_optional(time) for time in times)
    return Run(at, looks, load_fraction(seen), first, last)

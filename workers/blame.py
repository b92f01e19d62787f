"""Blame for workers' deaths: one job, or whatever they work on. Pure.

Workers die for reasons of their own: the system is out of memory, a machine is preempted. A job
that is in hand then must not be blamed. The question is a permutation test: if deaths strike
whatever is in hand, how likely is it that all of one job's attempts end in a death, while so few of
the others' do?
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, lgamma
from typing import Final

__all__ = ["PARTS_BETWEEN", "DeathRecord", "Outcomes", "chance", "is_to_blame"]

FEWEST_DEATHS: Final = 2
CHANCE: Final = 1e-8
"""A job is to blame if chance explains its deaths less often than this; a run has some ten thousand
attempts of suspects."""
LONE_DEATHS: Final = 5
"""Deaths that blame a job with which no other job can be compared."""
FEW_OUTCOMES: Final = 50
"""Outcomes of other jobs that are too few to compare with."""
MOST_DEATHS: Final = 20
"""Deaths in a row that blame a job, whatever happens to others."""
PARTS_BETWEEN: Final = 8
"""Parts of other work that are finished before a job that ended a worker is tried again, as long as
there is other work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """Counts of workers' results during a time."""

    survived: int = 0
    """Parts of jobs that workers finished."""
    died: int = 0
    """Workers that died."""


@dataclass(slots=True)
class DeathRecord:
    """The deaths of workers that had one job in hand, all at the same part of it."""

    position: tuple[int, int] | None = None
    """The last state that those workers reported."""
    alone: int = 0
    """Workers of which the job was all their work."""
    shared: int = 0
    """Workers that had other work too; these do not count against it."""
    _first: Outcomes = Outcomes()
    """Results of other jobs before the first of ``alone``."""
    _survived: int = 0
    """Parts that had been finished in the run at the last of ``alone``."""

    def add(self, position: tuple[int, int], run: Outcomes, *, alone: bool) -> None:
        """Add a death; ``run`` is what has happened in the whole run, this death included."""
        if self.position != position:
            self.position, self.alone, self.shared = position, 0, 0
        if not alone:
            self.shared += 1
            return
        self.alone += 1
        self._survived = run.survived
        if self.alone == 1:
            self._first = self._others(run)

    def is_recent(self, position: tuple[int, int], run: Outcomes) -> bool:
        """Return whether other work goes first, if there is any."""
        return (
            self.position == position
            and self.alone > 0
            and run.survived - self._survived < PARTS_BETWEEN
        )

    def is_to_blame(self, run: Outcomes, *, is_lone: bool) -> bool:
        """Return whether the job ends its workers, as ``is_to_blame`` judges it."""
        before = self._others(run)
        meanwhile = Outcomes(
            survived=before.survived - self._first.survived,
            died=max(0, before.died - self._first.died),
        )
        return is_to_blame(self.alone, meanwhile, before, is_lone=is_lone)

    def _others(self, run: Outcomes) -> Outcomes:
        return replace(run, died=max(0, run.died - self.alone - self.shared))


def is_to_blame(deaths: int, meanwhile: Outcomes, before: Outcomes, *, is_lone: bool) -> bool:
    """Return whether a job ends its workers.

    Args:
        deaths: workers that died while one part of the job was all their work, and that it never
            survived.
        meanwhile: the outcomes of other jobs since the first of these deaths.
        before: those of the whole run.
        is_lone: no other job can be run to compare with.
    """
    if deaths < FEWEST_DEATHS:
        return False
    if deaths >= MOST_DEATHS:
        return True
    if is_lone:
        compared = before.survived + before.died >= FEW_OUTCOMES
        return deaths >= LONE_DEATHS and (not compared or chance(deaths, before) <= CHANCE)
    # While others live, the whole run tells how often workers die; while they die too, only that
    # time does, since something may have happened to the machine
    outcomes = before if meanwhile.survived and not meanwhile.died else meanwhile
    return chance(deaths, outcomes) <= CHANCE


def chance(deaths: int, others: Outcomes) -> float:
    """Return the probability that chance gives one job all of its attempts' ``deaths``.

    >>> round(1 / chance(2, Outcomes(survived=100, died=0)))
    5151
    """
    died, total = others.died, others.survived + others.died
    return exp(_log_choose(total, died) - _log_choose(total + deaths, died + deaths))


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

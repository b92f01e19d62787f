"""Alternating measurements of several ways to do the same work, and their ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from scanner.bench.machine import read_machine
from scanner.bench.process_tree import cpu_seconds

__all__ = ["Costs", "Goal", "measure_in_turns", "print_machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on the ratio of the cost of ``name`` to the cost of ``over``."""

    name: str
    over: str
    bound: float
    at_least: bool = False
    """Whether ``bound`` is a minimum and not a maximum."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of processor time of each piece of work, by round."""

    rounds: Mapping[str, Sequence[float]]

    def ratios(self, name: str, over: str) -> list[float]:
        """Return the ratio of each round."""
        return [
            mine / theirs for mine, theirs in zip(self.rounds[name], self.rounds[over], strict=True)
        ]

    def print_costs(self, unit: str, units: int, media_seconds: float) -> None:
        """Print one line for each piece of work; a round did ``units`` of ``unit``, which are
        ``media_seconds`` of video."""
        for name, costs in self.rounds.items():
            cost = median(costs)
            print(
                f"  {name:<28} {1000 * cost / units:8.1f} CPU ms per {unit}"
                f" {media_seconds / cost:8.1f} streams per core"
            )

    def check_goals(self, goals: Iterable[Goal]) -> bool:
        """Print whether each goal is met, and return whether all are."""
        return min([self._is_met(goal) for goal in goals])

    def _is_met(self, goal: Goal) -> bool:
        ratio = median(self.ratios(goal.name, goal.over))
        met = ratio >= goal.bound if goal.at_least else ratio <= goal.bound
        sign, word = ">=" if goal.at_least else "<=", "met" if met else "MISSED"
        print(f"{self.format_ratio(goal.name, goal.over)}, goal {sign} {goal.bound}: {word}")
        return met

    def format_ratio(self, name: str, over: str) -> str:
        """Return the median ratio, and the middle half of its rounds."""
        low, ratio, high = quantiles(self.ratios(name, over), n=4, method="inclusive")
        return f"{name} / {over}: {ratio:.3f} ({low:.3f} to {high:.3f})"


def measure_in_turns(works: Mapping[str, Callable[[], object]], rounds: int) -> Costs:
    """Do each piece of work once to warm up, then all of them alternately."""
    for work in works.values():
        work()
    costs: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begun = cpu_seconds()
            work()
            costs[name].append(cpu_seconds() - begun)
    return Costs(costs)


def print_machine() -> None:
    """Print the machine and versions that the figures were measured on."""
    machine = read_machine()
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    print(f"{machine.cpu}, {machine.cores} cores; Python {machine.python}, {versions}")

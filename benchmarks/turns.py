"""Several ways to do the same work, measured in turns, and their ratios."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from scanner.bench.family import cpu_seconds
from scanner.bench.machine import read_machine

__all__ = ["Costs", "Goal", "in_turns", "tell_machine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A bound on how often the cost of ``over`` the cost of ``name`` may be."""

    name: str
    over: str
    bound: float
    at_least: bool = False
    """``bound`` is the least ratio, and not the greatest."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of processor time of each work, round by round."""

    rounds: Mapping[str, Sequence[float]]

    def ratios(self, name: str, over: str) -> list[float]:
        """Of each round."""
        return [
            mine / theirs for mine, theirs in zip(self.rounds[name], self.rounds[over], strict=True)
        ]

    def tell(self, unit: str, units: int, media_seconds: float) -> None:
        """One line for each work; a round did ``units`` of ``unit``, which are ``media_seconds`` of
        video."""
        for name, costs in self.rounds.items():
            cost = median(costs)
            print(
                f"  {name:<28} {1000 * cost / units:8.1f} CPU ms a {unit} {media_seconds / cost:8.1f} streams a core"
            )

    def judge(self, goals: Iterable[Goal]) -> bool:
        """Say for each goal whether it is kept; gives whether all are."""
        return min([self._is_kept(goal) for goal in goals])

    def _is_kept(self, goal: Goal) -> bool:
        ratio = median(self.ratios(goal.name, goal.over))
        kept = ratio >= goal.bound if goal.at_least else ratio <= goal.bound
        sign, word = ">=" if goal.at_least else "<=", "kept" if kept else "MISSED"
        print(f"{self.shown(goal.name, goal.over)}, goal {sign} {goal.bound}: {word}")
        return kept

    def shown(self, name: str, over: str) -> str:
        """The ratio, and the middle half of its rounds."""
        low, ratio, high = quantiles(self.ratios(name, over), n=4, method="inclusive")
        return f"{name} / {over}: {ratio:.3f} ({low:.3f} to {high:.3f})"


def in_turns(works: Mapping[str, Callable[[], object]], rounds: int) -> Costs:
    """Do each work once to warm up, then all of them in turns."""
    for work in works.values():
        work()
    costs: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begun = cpu_seconds()
            work()
            costs[name].append(cpu_seconds() - begun)
    return Costs(costs)


def tell_machine() -> None:
    """What the figures were measured on."""
    machine = read_machine()
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    print(f"{machine.cpu}, {machine.cores} cores; Python {machine.python}, {versions}")

"""Cut-aware: the two-state filter, with the evidence for each scene capped.

What a classifier sees in a scene it sees in every picture of it, so one scene may speak only so
much, however long it lasts. The cap (4 to 8) misses events that begin with a cut and stay in one
scene. It needs to be told of cuts (``Sampled.cut``); without them the whole stream is one scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from scanner.risk.method import Look, Support
from scanner.risk.methods.run import NEW, Run, dump_run, followed, load_run
from scanner.risk.methods.two_state import above_rest, evidence_rate, evolved, resting

__all__ = ["CutAware"]


class State(NamedTuple):
    """Odds, what this scene has said so far, and the run of looks."""

    odds: float
    said: float
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAware:
    """The two-state filter with a cap for each scene. ``window`` is not used."""

    window: Fraction
    dwell: Fraction
    cap: float = 6.0
    """Log-odds that one scene may add."""
    rate_in: float = 1 / 3600
    rate_out: float = 1 / 10
    tau: float = 4.0

    def __post_init__(self) -> None:
        for name in ("cap", "rate_in", "rate_out", "tau"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def empty(self) -> State:
        """The resting odds."""
        return State(resting(self.rate_in, self.rate_out), 0.0, NEW)

    def see(self, state: State, look: Look) -> State:
        """Let the time before the look pass, then take in what its scene may still say; nothing of
        the rest."""
        if not look.weight:
            return state
        unseen = 0.0 if state.run.at is None else float(look.start - state.run.at)
        covered = float(look.at - look.start)
        said = 0.0 if look.cut else state.said
        rho = evidence_rate(look, self.tau)
        h = (
            min(covered, self.tau)
            if rho <= 0.0
            else min(covered, self.tau, (self.cap - said) / rho)
        )
        odds = evolved(state.odds, max(unseen, 0.0), 0.0, self.rate_in, self.rate_out)
        odds = evolved(odds, h, rho, self.rate_in, self.rate_out)
        odds = evolved(odds, covered - h, 0.0, self.rate_in, self.rate_out)
        return State(
            odds,
            min(said + rho * h, self.cap),
            followed(state.run, look, self._level(odds), self.dwell),
        )

    def level(self, state: State) -> float | None:
        """Log-odds above the resting ones."""
        return self._level(state.odds) if state.run.looks and state.run.seen >= self.dwell else None

    def short_level(self, state: State) -> float | None:
        """The same of two looks."""
        return self._level(state.odds) if state.run.looks >= 2 else None

    def support(self, state: State) -> Support | None:
        """The looks in a row that speak for the label."""
        return state.run.support

    def _level(self, odds: float) -> float:
        return above_rest(odds, self.rate_in, self.rate_out)

    @staticmethod
    def dump(state: State) -> Any:
        """``[odds, said, run]``."""
        return [state.odds, state.said, dump_run(state.run)]

    @staticmethod
    def load(data: Any) -> State:
        """See ``dump``."""
        return State(data[0], data[1], load_run(data[2]))

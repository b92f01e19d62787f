"""Exponential decay: the mean probability of what was seen, recent seconds counting more.

    level = logit(mean of sigmoid(llr)), a second that lies s seen seconds back weighing exp(-s /
    tau)

Unseen time does not fade anything; a hole as long as the window begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp, expm1, log
from typing import Any, Final, NamedTuple

from scanner.risk.method import Look, Support
from scanner.risk.methods.run import NEW, Run, dump_run, followed, load_run

__all__ = ["Decay"]

CLIP: Final = 40.0
"""An llr beyond it changes no mean of doubles."""


class State(NamedTuple):
    """Sums for and against, both fading, and the run of looks."""

    yes: float
    no: float
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay:
    """The fading mean."""

    window: Fraction
    dwell: Fraction
    tau: float = 4.0
    """Seconds in which a look's weight falls to 1/e."""

    def __post_init__(self) -> None:
        if not self.tau > 0.0:
            raise ValueError(f"tau must be above 0, got {self.tau}")

    @property
    def empty(self) -> State:
        """Nothing seen."""
        return State(0.0, 0.0, NEW)

    def see(self, state: State, look: Look) -> State:
        """Fade what was, add what is."""
        seconds = float(look.seconds)
        if seconds <= 0.0:
            return state
        if state.run.at is not None and look.start - state.run.at >= self.window:
            state = self.empty
        fade, share = exp(-seconds / self.tau), -expm1(-seconds / self.tau)
        llr = min(max(look.llr, -CLIP), CLIP)
        yes = state.yes * fade + share / (1.0 + exp(-llr))
        no = state.no * fade + share / (1.0 + exp(llr))
        return State(yes, no, followed(state.run, look, log(yes / no), self.dwell))

    def level(self, state: State) -> float | None:
        """Log-odds of the mean."""
        return (
            log(state.yes / state.no) if state.run.looks and state.run.seen >= self.dwell else None
        )

    def short_level(self, state: State) -> float | None:
        """The same of two looks."""
        return log(state.yes / state.no) if state.run.looks >= 2 else None

    def support(self, state: State) -> Support | None:
        """The looks in a row that speak for the label."""
        return state.run.support

    @staticmethod
    def dump(state: State) -> Any:
        """``[yes, no, run]``."""
        return [state.yes, state.no, dump_run(state.run)]

    @staticmethod
    def load(data: Any) -> State:
        """See ``dump``."""
        return State(data[0], data[1], load_run(data[2]))

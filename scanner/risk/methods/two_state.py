"""A tempered two-state filter: the label comes and goes at known rates, and looks are evidence for
either.

A look is worth ``rho = llr / tau`` a second (llr clipped to [-1, 6]) over ``h = min(covered, tau)``
seconds and nothing over the rest, because looks at one scene are not independent. With ``m = (rho -
out + in) / 2``, ``D = hypot(m, sqrt(in out))`` and ``t = tanh(D h) / D`` the odds become

    odds' = (odds (1 + m t) + in t) / (odds out t + 1 - m t)

exactly, so a look that is cut in two gives the same. The level is ``ln(odds out / in)``: evidence
above the resting state.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp, hypot, log, sqrt, tanh
from typing import Any, Final, NamedTuple

from scanner.risk.method import FULL, Look, Support
from scanner.risk.methods.run import NEW, Run, dump_run, followed, load_run

__all__ = ["TwoState", "above_rest", "evidence_rate", "evolved", "resting"]

LEAST: Final = -1.0
MOST: Final = 6.0
"""A single look's llr is clipped to these."""


class State(NamedTuple):
    """Odds of the label, and the run of looks."""

    odds: float
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoState:
    """The filter. ``window`` is not used: old evidence fades at the rates."""

    window: Fraction
    dwell: Fraction
    rate_in: float = 1 / 3600
    """How often a second the label begins."""
    rate_out: float = 1 / 10
    """How often a second it ends."""
    tau: float = 4.0
    """One look's whole evidence is spread over so many seconds."""

    def __post_init__(self) -> None:
        for name in ("rate_in", "rate_out", "tau"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")

    @property
    def empty(self) -> State:
        """The resting odds."""
        return State(resting(self.rate_in, self.rate_out), NEW)

    def see(self, state: State, look: Look) -> State:
        """Let the time before the look pass, then take its evidence in."""
        if not look.weight:
            return state
        unseen = 0.0 if state.run.at is None else float(look.start - state.run.at)
        covered = float(look.at - look.start)
        h = min(covered, self.tau)
        rho = evidence_rate(look, self.tau)
        odds = evolved(state.odds, max(unseen, 0.0) + covered - h, 0.0, self.rate_in, self.rate_out)
        odds = evolved(odds, h, rho, self.rate_in, self.rate_out)
        return State(odds, followed(state.run, look, self._level(odds), self.dwell))

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
        """``[odds, run]``."""
        return [state.odds, dump_run(state.run)]

    @staticmethod
    def load(data: Any) -> State:
        """See ``dump``."""
        return State(data[0], load_run(data[1]))


def resting(rate_in: float, rate_out: float) -> float:
    """The odds to which the filter returns when nobody looks."""
    return rate_in / rate_out


def above_rest(odds: float, rate_in: float, rate_out: float) -> float:
    """The level: log-odds above those that the filter returns to."""
    return log(odds / resting(rate_in, rate_out))


def evidence_rate(look: Look, tau: float) -> float:
    """What a look is worth a second, weighted, where its whole evidence is spread over ``tau``
    seconds."""
    return min(max(look.llr, LEAST), MOST) / tau * (look.weight / FULL)


def evolved(odds: float, seconds: float, rho: float, rate_in: float, rate_out: float) -> float:
    """Odds after ``seconds`` of evidence at ``rho`` a second; written so that nothing cancels.

    >>> round(evolved(1.0, 1e6, 0.0, 1 / 3600, 1 / 10) * 360, 9)
    1.0
    """
    if seconds <= 0.0:
        return odds
    m = (rho - rate_out + rate_in) / 2
    d = hypot(m, sqrt(rate_in * rate_out))
    t = tanh(d * seconds) / d
    fading = exp(-2 * d * seconds)
    small = (rate_in * rate_out / (d + abs(m)) + (d + abs(m)) * fading) / (d * (1 + fading))
    large = 1 + abs(m) * t
    gain, loss = (large, small) if m >= 0.0 else (small, large)
    return (odds * gain + rate_in * t) / (odds * rate_out * t + loss)

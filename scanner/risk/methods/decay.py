"""Exponential decay: the mean probability of what was seen, recent seconds counting more.

    level = logit(mean of sigmoid(llr)), where a second that lies s seen seconds back has the weight
    exp(-s / tau)

Time that was not seen does not decay anything; after a hole as long as the window the mean starts
anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import exp, expm1, log
from typing import Any, Final, NamedTuple

from scanner.risk.method import LabelSample, Support
from scanner.risk.methods.evidence import NO_EVIDENCE, EvidenceRun

__all__ = ["Decay"]

CLIP: Final = 40.0
"""An llr beyond this changes no mean of doubles."""


class DecayState(NamedTuple):
    """Decaying sums for and against the label, and the run of samples."""

    yes: float
    no: float
    run: EvidenceRun

    @property
    def level(self) -> float:
        """Log-odds of the mean."""
        return log(self.yes / self.no)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay:
    """The decaying mean of the scores' evidence."""

    window: Fraction
    dwell: Fraction
    tau: float = 4.0
    """Seconds in which the weight of a sample falls to 1/e."""

    def __post_init__(self) -> None:
        if not self.tau > 0.0:
            raise ValueError(f"tau must be above 0, got {self.tau}")

    @property
    def empty(self) -> DecayState:
        """The state without samples."""
        return DecayState(0.0, 0.0, NO_EVIDENCE)

    def update(self, state: DecayState, sample: LabelSample) -> DecayState:
        """Let the sums decay over the seconds that the sample covers, and add its share."""
        seconds = float(sample.seconds)
        if seconds <= 0.0:
            return state
        if state.run.at is not None and sample.start - state.run.at >= self.window:
            state = self.empty
        fade, share = exp(-seconds / self.tau), -expm1(-seconds / self.tau)
        llr = min(max(sample.llr, -CLIP), CLIP)
        yes = state.yes * fade + share / (1.0 + exp(-llr))
        no = state.no * fade + share / (1.0 + exp(llr))
        return DecayState(yes, no, state.run.add(sample, log(yes / no), self.dwell))

    def level(self, state: DecayState) -> float | None:
        """Return the log-odds of the mean."""
        return state.level if state.run.has_level(self.dwell) else None

    def short_level(self, state: DecayState) -> float | None:
        """Return the log-odds of the mean of at least two samples."""
        return state.level if state.run.has_short_level else None

    def support(self, state: DecayState) -> Support | None:
        """Return the run of samples that are evidence for the label."""
        return state.run.support

    @staticmethod
    def dump(state: DecayState) -> Any:
        """Return ``[yes, no, run]``."""
        return [state.yes, state.no, state.run.dump()]

    @staticmethod
    def load(data: Any) -> DecayState:
        """Return the state that ``dump`` wrote."""
        return DecayState(data[0], data[1], EvidenceRun.load(data[2]))

"""Observations, the input of the fold: what happens to a stream, each at its time on the stream's
clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import isfinite, log
from typing import Any

from scanner.rational import dump_fraction, load_fraction
from scanner.types import GapReason, Label, Medium, Span

__all__ = ["Ended", "Gap", "Observation", "Sampled", "Signal", "Stalled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """One sample: its score of each label, and the medium of its picture."""

    at: Fraction
    values: Mapping[Label, float]
    """Calibrated probabilities in [0, 1]."""
    medium: Mapping[Medium, float] = field(default_factory=dict)
    """Probability of each medium, which sum to 1; empty where no model reports the medium."""
    cut: bool = False
    """A new scene is known to begin with this sample; only the cut-aware method uses it."""
    is_burst: bool = False
    """True for a burst, which ends here.

    It has scores of some labels only; coverage and medium come from the frames around it.
    """

    def __post_init__(self) -> None:
        for name, value in (*self.values.items(), *self.medium.items()):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"score of {name} at {self.at} s must lie in [0, 1], got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A span that could not be seen, with the reason. It is folded when the span is over."""

    span: Span
    reason: GapReason

    @property
    def at(self) -> Fraction:
        """End of the span: everything before it is accounted for."""
        return self.span.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Evidence for or against labels that is not in the picture: a viewer's report, the chat, a
    fact about the account."""

    at: Fraction
    name: str
    """Identifies the signal; a later one of the same name replaces it."""
    ratio: float
    """Likelihood ratio: how many times more likely the signal is where the label is true.

    Above 1 it is evidence for the label.
    """
    until: Fraction
    """The signal is in force from ``at`` until here."""
    labels: frozenset[Label] | None = None
    """The labels that it concerns; None for all."""

    def __post_init__(self) -> None:
        if not (self.ratio > 0.0 and isfinite(self.ratio)):
            raise ValueError(
                f"signal {self.name}: likelihood ratio must be above 0 and finite, got {self.ratio}"
            )
        if not self.until > self.at:
            raise ValueError(
                f"signal {self.name}: must end after it begins at {self.at} s, got {self.until} s"
            )

    @property
    def boost(self) -> float:
        """Log-odds that the signal adds to a level."""
        return log(self.ratio)

    def to_json(self) -> dict[str, Any]:
        """Return the signal as ``json.dumps`` takes it."""
        labels = None if self.labels is None else sorted(self.labels)
        return {
            "at": dump_fraction(self.at),
            "name": self.name,
            "ratio": self.ratio,
            "until": dump_fraction(self.until),
            "labels": labels,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Signal:
        """Return the signal that ``to_json`` wrote."""
        labels = None if data["labels"] is None else frozenset(data["labels"])
        return cls(
            at=load_fraction(data["at"]),
            name=data["name"],
            ratio=data["ratio"],
            until=load_fraction(data["until"]),
            labels=labels,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled:
    """Nothing usable has arrived for a long time; ``at`` is how far stream time has come.

    Open incidents end as unseen. Stream time does not move: a stall is measured on the wall clock.
    """

    at: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The stream is over; ``at`` is its duration. No observation follows."""

    at: Fraction


Observation = Sampled | Gap | Signal | Stalled | Ended

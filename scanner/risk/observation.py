"""What the fold takes: everything that happens to a stream, each at its time on the stream's clock."""

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
    """One instant was looked at: all labels, and of which medium the picture is."""

    at: Fraction
    values: Mapping[Label, float]
    """Calibrated probabilities in [0, 1]."""
    medium: Mapping[Medium, float] = field(default_factory=dict)
    """Probabilities that sum to 1; empty where no model tells the medium."""
    cut: bool = False
    """A new scene is known to begin with this picture; only the cut-aware method asks."""
    moving: bool = False
    """A burst ends here.

    Only its labels were looked at; the frames beside it tell what was covered, and of which medium
    it is.
    """

    def __post_init__(self) -> None:
        for name, value in (*self.values.items(), *self.medium.items()):
            if not 0.0 <= value <= 1.0:
                raise ValueError(f"score of {name} at {self.at} s must lie in [0, 1], got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Nobody could look at a span, and why. It is folded when the span is over."""

    span: Span
    reason: GapReason

    @property
    def at(self) -> Fraction:
        """The span's end: what lies before it is accounted for."""
        return self.span.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something other than the picture speaks for or against labels: a viewer's report, the chat, a
    fact about the account."""

    at: Fraction
    name: str
    """Which signal it is; a later one of the same name takes its place."""
    ratio: float
    """Likelihood ratio: how many times likelier the signal is where the label is true.

    Above 1 speaks for it.
    """
    until: Fraction
    """In force from ``at`` until here."""
    labels: frozenset[Label] | None = None
    """None: all labels."""

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
        """What it adds to a level."""
        return log(self.ratio)

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
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
        """The signal that ``to_json`` wrote."""
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
    """Nothing usable has arrived for long; ``at`` is how far stream time has come.

    Open incidents end as unseen. Stream time does not move: a stall is measured on the wall clock.
    """

    at: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The stream is over; ``at`` is its duration. Nothing follows."""

    at: Fraction


Observation = Sampled | Gap | Signal | Stalled | Ended

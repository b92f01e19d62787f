"""The operator's thresholds: from when on a label is an incident, and when it is over.

Defaults come from a simulation; streams of labelled footage confirm the method, and are too few
hours for the rate (``docs/risk.md``, ``docs/evaluation.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from math import exp, log
from typing import Any, Final

from scanner.risk.method import Method
from scanner.risk.methods import METHODS
from scanner.taxonomy import MAX_SEVERITY
from scanner.types import Label, Medium

__all__ = ["Policies", "Policy", "logit", "sigmoid"]

CLIP: Final = 1e-7
"""Probabilities are held this far from 0 and 1 before their logit is taken."""


def logit(p: float) -> float:
    """Log-odds of a probability, clipped away from 0 and 1.

    >>> logit(0.5)
    0.0
    """
    p = min(max(p, CLIP), 1.0 - CLIP)
    return log(p / (1.0 - p))


def sigmoid(x: float) -> float:
    """The probability with these log-odds; never overflows.

    >>> sigmoid(0.0), sigmoid(-1e9)
    (0.5, 0.0)
    """
    if x >= 0.0:
        return 1.0 / (1.0 + exp(-x))
    odds = exp(x)
    return odds / (1.0 + odds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an operator wants of one label."""

    category: str
    """Where the taxonomy files the label."""
    severity: int = 1
    """0 to 3."""
    open: float = 3.2
    """The level (log-odds of evidence) at which an incident opens."""
    close_margin: float = 1.0
    """It closes when the level stays this far below ``open`` ..."""
    close_after: Fraction = Fraction(10)
    """... for so many seconds that were seen."""
    unseen_end: Fraction = Fraction(30)
    """It ends, for another reason, when nobody looked for so long."""
    window: Fraction = Fraction(12)
    """Nothing older counts (seconds; W)."""
    dwell: Fraction = Fraction(5, 2)
    """The evidence floor: no level is known before so many seconds were seen (D).

    Above ``hold`` it asks for two looks.
    """
    hold: Fraction = Fraction(2)
    """A look covers at most so many seconds before it; the sampler's ``max_gap``."""
    method: str = "dwell"
    tuning: Mapping[str, float] = field(default_factory=dict)
    """Further parameters of the method."""
    live_prior: float = 1 / 360
    """How much of the time the label is true on live streams."""
    training_prior: float = 0.5
    """The prior that the scores' calibration assumes; from the model's manifest."""
    a: float = 1.0
    b: float = 0.0
    """``risk = sigmoid(logit(live_prior) + a level + b)``, fitted on windows of labelled streams.
    As long as they are 1 and 0, risk is an order and not a probability."""
    when: frozenset[Medium] | None = None
    """The media that count; None: all. A weapon in a rendered game is not a weapon on camera."""
    may_open_on_signal: bool = False
    """Whether a signal may open an incident while no level is known."""
    still: float = 0.9
    """A still picture is flagged at this probability."""
    pre_roll: Fraction = Fraction(5)
    post_roll: Fraction = Fraction(5)
    """Seconds that a clip shows before and after the incident."""
    shadow: bool = False
    """Scored, recorded and evaluated, never delivered."""

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if self.severity not in range(MAX_SEVERITY + 1):
            raise ValueError(f"severity must be 0 to {MAX_SEVERITY}, got {self.severity}")
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        for name in ("window", "hold", "unseen_end", "a"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("live_prior", "training_prior"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if not 0.0 <= self.still <= 1.0:
            raise ValueError(f"still must lie in [0, 1], got {self.still}")
        if not self.dwell <= self.window:
            raise ValueError(
                f"dwell must fit into the window of {self.window} s, got {self.dwell} s"
            )
        if self.when is not None and not self.when:
            raise ValueError("when must name a medium, or be None for all of them")

    @property
    def fitted(self) -> bool:
        """Whether ``risk`` is a probability; before, it only orders."""
        return (self.a, self.b) != (1.0, 0.0)

    @property
    def close(self) -> float:
        """Below this level an incident grows quiet."""
        return self.open - self.close_margin

    def llr(self, value: float) -> float:
        """The log-likelihood ratio that a score stands for."""
        return logit(value) - logit(self.training_prior)

    @property
    def unknown(self) -> float:
        """The level that signals add to while none is known: that of the live prior."""
        return logit(self.live_prior) - logit(self.training_prior)

    def risk(self, level: float | None, boost: float = 0.0) -> float:
        """The probability that the label is true now, given its level and the log-ratio of the
        signals in force.

        An unknown level is the prior and never lowers it.
        """
        prior = logit(self.live_prior)
        if level is None:
            return sigmoid(prior + max(boost, 0.0))
        return sigmoid(prior + self.a * (level + boost) + self.b)

    @property
    def basis(self) -> str:
        """Name of the method and everything that weighs its evidence, equal for equal values."""
        tuning = sorted(self.tuning.items())
        weighed = (self.window, self.dwell, self.hold, self.training_prior, tuning)
        return f"{self.method}:{sha256(repr(weighed).encode()).hexdigest()[:12]}"

    def build(self) -> Method[Any]:
        """The method with this policy's parameters.

        Raises:
            ValueError: ``tuning`` names what the method does not have, or a value that it refuses.
        """
        make: Callable[..., Method[Any]] = METHODS[self.method]
        try:
            return make(window=self.window, dwell=self.dwell, **self.tuning)
        except TypeError as why:
            raise ValueError(f"tuning of method {self.method!r}: {why}") from why


_LEAST: Final[Mapping[str, float]] = {
    "dwell": 0,
    "close_margin": 0,
    "close_after": 0,
    "pre_roll": 0,
    "post_roll": 0,
    "open": float("-inf"),
    "b": float("-inf"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policy of every label that has one, and what a stream has only one of.

    A label without a policy is ignored.
    """

    labels: Mapping[Label, Policy]
    max_gap: Fraction = Fraction(2)
    """A sample covers at most so many seconds before it (coverage)."""
    retell: Fraction = Fraction(30)
    """A running incident that grew longer or higher is told again after so many seconds."""
    _methods: Mapping[Label, Method[Any]] = field(init=False, repr=False, compare=False)
    _bases: Mapping[Label, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("max_gap", "retell"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        object.__setattr__(
            self, "_methods", {label: policy.build() for label, policy in self.labels.items()}
        )
        object.__setattr__(
            self, "_bases", {label: policy.basis for label, policy in self.labels.items()}
        )

    def basis(self, label: Label) -> str:
        """Name what the label's state depends on: a state made under another basis starts anew."""
        return self._bases[label]

    def method(self, label: Label) -> Method[Any]:
        """The label's method, built once."""
        return self._methods[label]

    def by_severity(self) -> Iterator[Label]:
        """Labels, the most severe first, then by name."""
        return iter(sorted(self.labels, key=lambda label: (-self.labels[label].severity, label)))

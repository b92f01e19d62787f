"""The operator's thresholds: when an incident of a label opens, and when it closes.

Defaults come from a simulation. Streams of labelled footage confirm the method, and are too short
to confirm the rate of false incidents (``docs/risk.md``, ``docs/evaluation.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from hashlib import sha256
from inspect import signature
from math import exp, log
from typing import Any, Final

from scanner.risk.method import Method
from scanner.risk.methods import METHODS
from scanner.taxonomy import MAX_SEVERITY
from scanner.types import Label, Medium

__all__ = ["Policies", "Policy", "logit", "matches_channel", "sigmoid"]

MOST_RECURRENCES: Final = 32
"""Highest ``recurrence``: a stream keeps as many earlier incidents."""
CLIP: Final = 1e-7
"""Least distance of a probability from 0 and 1 before its logit is taken."""


def logit(p: float) -> float:
    """Return the log-odds of a probability, clipped away from 0 and 1.

    >>> logit(0.5)
    0.0
    """
    p = min(max(p, CLIP), 1.0 - CLIP)
    return log(p / (1.0 - p))


def sigmoid(x: float) -> float:
    """Return the probability with these log-odds, without overflow.

    >>> sigmoid(0.0), sigmoid(-1e9)
    (0.5, 0.0)
    """
    if x >= 0.0:
        return 1.0 / (1.0 + exp(-x))
    odds = exp(x)
    return odds / (1.0 + odds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Thresholds and parameters of one label."""

    category: str
    """Category of the label in the taxonomy."""
    severity: int = 1
    """Severity, 0 to 3."""
    open: float = 3.2
    """Level (log-odds of evidence) at which an incident opens."""
    close_margin: float = 1.0
    """An incident closes when the level stays this far below ``open`` ..."""
    close_after: Fraction = Fraction(10)
    """... for this many seconds that were seen."""
    unseen_end: Fraction = Fraction(30)
    """An incident ends, as ``unseen``, after this many seconds that were not seen."""
    window: Fraction = Fraction(12)
    """Seconds before the latest sample that count (W)."""
    dwell: Fraction = Fraction(5, 2)
    """The evidence floor: no level is known before this many seconds were seen (D).

    A value above ``hold`` needs two samples.
    """
    hold: Fraction = Fraction(2)
    """Most seconds that a sample covers before it; the sampler's ``max_gap``."""
    method: str = "dwell"
    """Name of the method that turns samples into a level."""
    tuning: Mapping[str, float] = field(default_factory=dict)
    """Further parameters of the method."""
    live_prior: float = 1 / 360
    """Share of the time in which the label is true on live streams."""
    training_prior: float = 0.5
    """Prior that the scores' calibration assumes; from the model's manifest."""
    a: float = 1.0
    b: float = 0.0
    """``risk = sigmoid(logit(live_prior) + a level + b)``, fitted on windows of labelled streams.
    While they are 1 and 0, risk is an order and not a probability."""
    when: frozenset[Medium] | None = None
    """The media that count, None for all: a weapon in a rendered game is not a weapon on camera."""
    may_open_on_signal: bool = False
    """True if a signal may open an incident while no level is known."""
    still: float = 0.9
    """Probability at which a still picture is flagged."""
    pre_roll: Fraction = Fraction(5)
    """Seconds that a clip shows before the incident."""
    post_roll: Fraction = Fraction(5)
    """Seconds that a clip shows after the incident."""
    escalate_after: Fraction = Fraction(600)
    """Seconds after which the severity of an incident that lasts rises by one, and again after as
    many more; 0 for never."""
    recurrence: int = 3
    """Number of the incident, among those of the label on the channel, whose severity is one
    higher; 0 for never. Without a channel, those of the stream count."""
    recurrence_window: Fraction = Fraction(86400)
    """Seconds before an incident in which others count as its recurrence."""
    cool_down: Fraction = Fraction(21600)
    """Seconds without a new incident after which earlier ones no longer count."""
    escalate_steps: int = 1
    """Steps by which the severity rises at most, 0 to 3; severity 0 is never raised."""
    reviewers: int = 1
    """People who have to come to the same verdict about an incident: 1 or 2."""
    shadow: bool = False
    """True if incidents of the label are recorded and evaluated, and never delivered."""
    still_shadow: bool | None = None
    """The same for still pictures; None: as ``shadow``."""

    def __post_init__(self) -> None:
        self._check_escalation()
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if self.severity not in range(MAX_SEVERITY + 1):
            raise ValueError(f"severity must be 0 to {MAX_SEVERITY}, got {self.severity}")
        for name, least in _LEAST.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if self.reviewers not in (1, 2):
            raise ValueError(f"reviewers must be 1 or 2, got {self.reviewers}")
        for name in ("window", "hold", "unseen_end", "a", "recurrence_window", "cool_down"):
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

    def _check_escalation(self) -> None:
        if self.recurrence not in (0, *range(2, MOST_RECURRENCES + 1)):
            raise ValueError(
                f"recurrence must be 0 or 2 to {MOST_RECURRENCES}, got {self.recurrence}"
            )
        if self.escalate_steps not in range(MAX_SEVERITY + 1):
            raise ValueError(
                f"escalate_steps must be 0 to {MAX_SEVERITY}, got {self.escalate_steps}"
            )

    @property
    def counts_recurrence(self) -> bool:
        """True if earlier incidents may raise the severity of one of the label."""
        return bool(self.recurrence and self.escalate_steps and self.severity)

    @property
    def fitted(self) -> bool:
        """True if ``risk`` is a probability; before the fit it is only an order."""
        return (self.a, self.b) != (1.0, 0.0)

    @property
    def is_still_shadow(self) -> bool:
        """True if still pictures of the label are never flagged."""
        return self.shadow if self.still_shadow is None else self.still_shadow

    @property
    def close(self) -> float:
        """Level below which the time until an incident closes is counted."""
        return self.open - self.close_margin

    def llr(self, value: float) -> float:
        """Return the log-likelihood ratio of a score."""
        return logit(value) - logit(self.training_prior)

    def score(self, level: float) -> float:
        """Return the score whose log-likelihood ratio is this level; the inverse of ``llr``."""
        return sigmoid(level + logit(self.training_prior))

    @property
    def unknown(self) -> float:
        """Level to which signals add while none is known: that of the live prior."""
        return logit(self.live_prior) - logit(self.training_prior)

    def risk(self, level: float | None, boost: float = 0.0) -> float:
        """Return the probability that the label is true now, given its level and the log-ratio of
        the signals in force.

        The risk of an unknown level is the prior, or higher where a signal raises it.
        """
        prior = logit(self.live_prior)
        if level is None:
            return sigmoid(prior + max(boost, 0.0))
        return sigmoid(prior + self.a * (level + boost) + self.b)

    @property
    def basis(self) -> str:
        """Name of the method with a hash of all parameters that weigh its evidence."""
        tuning = sorted(self.tuning.items())
        parameters = (self.window, self.dwell, self.hold, self.training_prior, tuning)
        return f"{self.method}:{sha256(repr(parameters).encode()).hexdigest()[:12]}"

    def build(self) -> Method[Any]:
        """Return the method with this policy's parameters.

        Raises:
            ValueError: ``tuning`` has a name that the method does not know, or a value that it does
                not accept.
        """
        make: Callable[..., Method[Any]] = METHODS[self.method]
        known = signature(make).parameters.keys() - {"window", "dwell"}
        if unknown := sorted(self.tuning.keys() - known):
            names = ", ".join(sorted(known)) or "none"
            raise ValueError(f"method {self.method} has no tuning {unknown[0]}; it has {names}")
        try:
            return make(window=self.window, dwell=self.dwell, **self.tuning)
        except TypeError as error:
            raise ValueError(f"a tuning of method {self.method} is not a number") from error


_LEAST: Final[Mapping[str, float]] = {
    "dwell": 0,
    "close_margin": 0,
    "close_after": 0,
    "escalate_after": 0,
    "pre_roll": 0,
    "post_roll": 0,
    "open": float("-inf"),
    "b": float("-inf"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The policies of all labels, and the parameters of a whole stream.

    A label without a policy is ignored.
    """

    labels: Mapping[Label, Policy]
    max_gap: Fraction = Fraction(2)
    """Most seconds that a sample covers before it, for coverage."""
    retell: Fraction = Fraction(30)
    """Seconds after which an open incident that grew longer or higher is reported again."""
    channels: tuple[tuple[str, Policies], ...] = ()
    """Policies of channels, by name or pattern; the first that matches is used."""
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

    def of_channel(self, channel: str | None) -> Policies:
        """Return the policies in force on a channel; these ones for a stream without a channel."""
        for pattern, policies in self.channels:
            if channel is not None and matches_channel(channel, pattern):
                return policies
        return self

    @property
    def all_channels(self) -> tuple[Policies, ...]:
        """These policies and those of all channels."""
        return (self, *(policies for _, policies in self.channels))

    @property
    def live_labels(self) -> frozenset[Label]:
        """The labels that are not in shadow on every channel."""
        return frozenset(
            label
            for policies in self.all_channels
            for label, policy in policies.labels.items()
            if not policy.shadow
        )

    def basis(self, label: Label) -> str:
        """Return the basis of the label's evidence; a state of another basis starts anew."""
        return self._bases[label]

    def method(self, label: Label) -> Method[Any]:
        """Return the label's method, which is built once."""
        return self._methods[label]

    @property
    def longest_recurrence(self) -> Fraction:
        """The longest ``recurrence_window`` in seconds of a policy that counts recurrence; 0 if
        none does."""
        windows = (
            one.recurrence_window
            for policies in self.all_channels
            for one in policies.labels.values()
            if one.counts_recurrence
        )
        return max(windows, default=Fraction(0))

    def by_severity(self) -> Iterator[Label]:
        """Return the labels, the most severe first, and by name within a severity."""
        return iter(sorted(self.labels, key=lambda label: (-self.labels[label].severity, label)))


def matches_channel(channel: str, pattern: str) -> bool:
    """Return whether a channel has this name or fits this pattern of ``*``, ``?`` and ``[...]``.

    >>> matches_channel("kids-1", "kids-*"), matches_channel("a[1]", "a[1]")
    (True, True)
    """
    return channel == pattern or fnmatchcase(channel, pattern)

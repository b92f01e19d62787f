"""The contract of a method: how samples of one label become its level.

A new method is one file in ``scanner.risk.methods`` and one line in its table. Its state is frozen;
``dump`` returns it as ``json.dumps`` takes it, and ``load`` returns an equal state. A method does
not know thresholds, incidents or other labels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, NamedTuple, Protocol, TypeVar

__all__ = ["FULL", "LabelSample", "Method", "Support", "weigh_seconds"]

FULL: Final = 1024
"""The weight of a sample that counts in full.

Weights are whole numbers, so that weighted seconds stay exact and cheap.
"""


class LabelSample(NamedTuple):
    """One sample of a stream, for one label (a tuple, because the fold makes many of them)."""

    start: Fraction
    """The sample covers ``(start, at]``: back to the sample before, a gap's end, or ``hold``,
    whichever is nearest."""
    at: Fraction
    llr: float
    """Log-likelihood ratio: the score's logit minus that of the training prior."""
    weight: int
    """Weight of the sample, 0 to ``FULL``: the probability that the picture is of a medium
    that the policy names."""
    cut: bool
    """A scene is known to begin with this sample."""

    @property
    def seconds(self) -> Fraction:
        """The covered seconds, weighted."""
        return weigh_seconds(self.at - self.start, self.weight)


class Support(NamedTuple):
    """The samples on which a level rests."""

    first: Fraction
    """Time of the first of them."""
    last: Fraction
    """Time of the last of them."""


S = TypeVar("S")


class Method(Protocol[S]):
    """Turns samples into a level.

    A frozen dataclass that holds parameters only: the policy's ``window`` and ``dwell`` (seconds)
    and the parameters of its own that ``tuning`` may name. It raises ``ValueError`` for values that
    it cannot work with.
    """

    @property
    def empty(self) -> S:
        """The state of a label without samples."""
        ...

    def update(self, state: S, sample: LabelSample) -> S:
        """Return the state after one more sample.

        Samples come in order of time, and no two have the same ``at``.
        """
        ...

    def level(self, state: S) -> float | None:
        """Return the log-odds of evidence as of the latest sample, or None while fewer than
        ``dwell`` seconds were seen."""
        ...

    def short_level(self, state: S) -> float | None:
        """Return the level of a stream that ended before ``dwell`` seconds of it were seen; None
        with fewer than two samples."""
        ...

    def support(self, state: S) -> Support | None:
        """Return the first and last sample on which the level rests, or None without samples."""
        ...

    @staticmethod
    def dump(state: S) -> Any:
        """Return the state as ``json.dumps`` takes it."""
        ...

    @staticmethod
    def load(data: Any) -> S:
        """Return the state that ``dump`` wrote, equal to the bit."""
        ...


def weigh_seconds(seconds: Fraction, weight: int) -> Fraction:
    """Return seconds multiplied by a weight of at most ``FULL``.

    >>> weigh_seconds(Fraction(2), FULL // 4)
    Fraction(1, 2)
    """
    return seconds if weight == FULL else seconds * Fraction(weight, FULL)

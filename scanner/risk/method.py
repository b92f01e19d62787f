"""The contract of a method: how looks at one label become its level.

A new method is one file in ``scanner.risk.methods`` and one line in its table. Its state is frozen;
``dump`` gives what ``json.dumps`` takes and ``load`` makes an equal state of it. A method knows
nothing of thresholds, incidents or other labels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final, NamedTuple, Protocol, TypeVar

__all__ = ["FULL", "Look", "Method", "Support", "weighted"]

FULL: Final = 1024
"""The weight of a look that counts whole.

Weights are whole numbers, so that weighted seconds stay exact and cheap.
"""


class Look(NamedTuple):
    """One look at one label (a tuple, because the fold makes many of them)."""

    start: Fraction
    """It covers ``(start, at]``: back to the look before, a gap's end, or ``hold``, whichever is
    nearest."""
    at: Fraction
    llr: float
    """Log-likelihood ratio: the score's logit less the training prior's."""
    weight: int
    """How much it counts, 0 to ``FULL``: the probability that the picture is of a medium that
    counts."""
    cut: bool
    """A scene begins with it, as far as anybody knows."""

    @property
    def seconds(self) -> Fraction:
        """Covered seconds, weighted."""
        return weighted(self.at - self.start, self.weight)


class Support(NamedTuple):
    """The looks that carry a level."""

    first: Fraction
    last: Fraction


S = TypeVar("S")


class Method(Protocol[S]):
    """Turns looks into a level.

    A frozen dataclass that holds parameters only: the policy's ``window`` and ``dwell`` (seconds)
    and the numbers of its own that ``tuning`` may name; it refuses values that it cannot work with
    (``ValueError``).
    """

    @property
    def empty(self) -> S:
        """The state of a label that nobody has looked at."""
        ...

    def see(self, state: S, look: Look) -> S:
        """The state after one more look.

        Looks come in order of time, and two never have the same ``at``.
        """
        ...

    def level(self, state: S) -> float | None:
        """Log-odds of evidence as of the last look, or None while fewer than ``dwell`` seconds were
        seen."""
        ...

    def short_level(self, state: S) -> float | None:
        """The level of a stream that ended before ``dwell`` seconds of it could be seen: of two
        looks at least, else None."""
        ...

    def support(self, state: S) -> Support | None:
        """First and last of the looks that carry the level; None where there are none."""
        ...

    @staticmethod
    def dump(state: S) -> Any:
        """The state as ``json.dumps`` takes it."""
        ...

    @staticmethod
    def load(data: Any) -> S:
        """The state that ``dump`` gave, equal to the bit."""
        ...


def weighted(seconds: Fraction, weight: int) -> Fraction:
    """Seconds that count with a weight.

    >>> weighted(Fraction(2), FULL // 4)
    Fraction(1, 2)
    """
    return seconds if weight == FULL else seconds * Fraction(weight, FULL)

"""k-of-n and the median: an order statistic of the last n looks.

Both count looks and not seconds, so they depend on how densely a stream is sampled: n looks are 2 s
of one stream and 20 s of another. A look counts whole or, where its medium most likely does not
count, not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from scanner.rational import dump_fraction, load_fraction
from scanner.risk.medium import COUNTS
from scanner.risk.method import Look, Support

__all__ = ["KOfN", "Median"]


class Seen(NamedTuple):
    """One look that counted."""

    at: Fraction
    llr: float
    floor: Fraction
    """Seconds seen without a hole of a window's length, up to and with it; at most the evidence
    floor."""


State = tuple[Seen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KOfN:
    """The level that ``k`` of the last ``n`` looks reached: the k-th highest llr."""

    window: Fraction
    dwell: Fraction
    k: float = 3
    n: float = 5

    def __post_init__(self) -> None:
        if not (1 <= self.k <= self.n and self.k == int(self.k) and self.n == int(self.n)):
            raise ValueError(f"k and n must be whole with 1 <= k <= n, got {self.k} of {self.n}")

    @property
    def empty(self) -> State:
        """Nothing seen."""
        return ()

    def see(self, state: State, look: Look) -> State:
        """Add the look; keep n of them, none older than the window."""
        kept = tuple(seen for seen in state if seen.at > look.at - self.window)
        if look.weight < COUNTS:
            return kept
        floor = kept[-1].floor if kept else Fraction(0)
        return (*kept, Seen(look.at, look.llr, min(floor + look.seconds, self.dwell)))[
            -int(self.n) :
        ]

    def level(self, state: State) -> float | None:
        """The k-th highest."""
        if len(state) < self.k or state[-1].floor < self.dwell:
            return None
        return self._kth(state)

    def short_level(self, state: State) -> float | None:
        """The k-th highest of two looks at least; of fewer than k, the lowest."""
        return self._kth(state) if len(state) >= 2 else None

    def support(self, state: State) -> Support | None:
        """First and last of those that reach it."""
        if not state:
            return None
        carrying = [seen.at for seen in state if seen.llr >= self._kth(state)]
        return Support(carrying[0], carrying[-1])

    def _kth(self, state: State) -> float:
        return sorted((seen.llr for seen in state), reverse=True)[: int(self.k)][-1]

    @staticmethod
    def dump(state: State) -> Any:
        """``[[at, llr, floor], ...]``."""
        return [[dump_fraction(seen.at), seen.llr, dump_fraction(seen.floor)] for seen in state]

    @staticmethod
    def load(data: Any) -> State:
        """See ``dump``."""
        return tuple(Seen(load_fraction(at), llr, load_fraction(floor)) for at, llr, floor in data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """The (lower) median of the last ``n`` looks: the level that more than half of them reached."""

    window: Fraction
    dwell: Fraction
    n: float = 3
    _majority: KOfN = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self,
            "_majority",
            KOfN(window=self.window, dwell=self.dwell, k=self.n // 2 + 1, n=self.n),
        )

    @property
    def empty(self) -> State:
        """Nothing seen."""
        return ()

    def see(self, state: State, look: Look) -> State:
        """Add the look."""
        return self._majority.see(state, look)

    def level(self, state: State) -> float | None:
        """The median."""
        return self._majority.level(state)

    def short_level(self, state: State) -> float | None:
        """The same of two looks at least."""
        return self._majority.short_level(state)

    def support(self, state: State) -> Support | None:
        """First and last of those that reach it."""
        return self._majority.support(state)

    @staticmethod
    def dump(state: State) -> Any:
        """As ``KOfN`` does."""
        return KOfN.dump(state)

    @staticmethod
    def load(data: Any) -> State:
        """See ``dump``."""
        return KOfN.load(data)

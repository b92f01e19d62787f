"""Dwell, the default: a time-weighted k-of-n.

    level(t) = max { x : looks with llr >= x cover at least D seconds of (t - W, t] }

The level is the score that the picture kept up for D seconds of the window, in whatever pieces.
Repeating a look inside its own interval changes nothing, so the level depends little on how densely
a stream is sampled, and a static picture cannot talk the filter into certainty.

Times are exact. A window is held as plateaus, stretches of equal looks (about 25 at the default
sampling), the oldest one cut where the window begins; sums compare as integers over a common
denominator, which costs a fifth of adding fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from operator import attrgetter
from typing import Any, NamedTuple

from scanner.rational import dump_fraction, load_fraction
from scanner.risk.method import Look, Support, weighted

__all__ = ["Dwell"]


class Plateau(NamedTuple):
    """Looks side by side with equal llr and weight; they cover ``(start, end]``."""

    start: Fraction
    first: Fraction
    """When the first of them was."""
    end: Fraction
    """When the last of them was."""
    llr: float
    weight: int
    looks: int
    seconds: Fraction = Fraction(0)
    """Weighted, derived from the others; kept because it is asked for at every look."""


State = tuple[Plateau, ...]
_by_llr = attrgetter("llr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """The level that was kept up for ``dwell`` of the last ``window`` seconds."""

    window: Fraction
    dwell: Fraction

    @property
    def empty(self) -> State:
        """Nothing seen."""
        return ()

    def see(self, state: State, look: Look) -> State:
        """Add the look and forget what has left the window."""
        kept = _since(state, look.at - self.window)
        if not look.weight:
            return kept
        before = kept[-1] if kept else None
        if before is not None and (before.end, before.llr, before.weight) == (
            look.start,
            look.llr,
            look.weight,
        ):
            return (*kept[:-1], _measured(before._replace(end=look.at, looks=before.looks + 1)))
        return (
            *kept,
            Plateau(look.start, look.at, look.at, look.llr, look.weight, 1, look.seconds),
        )

    def level(self, state: State) -> float | None:
        """The highest llr that covers ``dwell`` seconds."""
        return _kept_up(state, self.dwell)

    def short_level(self, state: State) -> float | None:
        """The llr that covers all that was seen."""
        if sum(s.looks for s in state) < 2:
            return None
        return min(s.llr for s in state)

    def support(self, state: State) -> Support | None:
        """First and last look of the covering set; of all looks while the level is unknown."""
        level = self.level(state)
        covering = [s for s in state if level is None or s.llr >= level]
        if not covering:
            return None
        return Support(max(covering[0].first, covering[0].start), covering[-1].end)

    @staticmethod
    def dump(state: State) -> Any:
        """``[[start, first, end, llr, weight, looks], ...]``."""
        return [[*(dump_fraction(time) for time in s[:3]), s.llr, s.weight, s.looks] for s in state]

    @staticmethod
    def load(data: Any) -> State:
        """See ``dump``."""
        rows = (
            (load_fraction(start), load_fraction(first), load_fraction(end), *rest)
            for start, first, end, *rest in data
        )
        return tuple(_measured(Plateau(*row)) for row in rows)


def _measured(stretch: Plateau) -> Plateau:
    return stretch._replace(seconds=weighted(stretch.end - stretch.start, stretch.weight))


def _since(state: State, since: Fraction) -> State:
    """What lies after ``since``, the stretch across it cut."""
    gone = 0
    while gone < len(state) and state[gone].end <= since:
        gone += 1
    kept = state[gone:]
    if kept and kept[0].start < since:
        return (_measured(kept[0]._replace(start=since)), *kept[1:])
    return kept


def _kept_up(state: Iterable[Plateau], need: Fraction) -> float | None:
    """The llr at which the highest stretches together reach ``need`` seconds."""
    ranked = sorted(state, key=_by_llr, reverse=True)
    for stretch, enough in zip(ranked, _reached(ranked, need), strict=True):
        if enough:
            return stretch.llr
    return None


def _reached(ranked: Iterable[Plateau], need: Fraction) -> Iterator[bool]:
    """Whether the stretches so far reach ``need`` seconds; exact, in whole numbers over a common
    denominator."""
    wanted, per = need.numerator, need.denominator
    ticks, rate = 0, 1
    for stretch in ranked:
        n, d = stretch.seconds.numerator, stretch.seconds.denominator
        if rate % d:
            finer = lcm(rate, d)
            ticks, rate = ticks * (finer // rate), finer
        ticks += n * (rate // d)
        yield ticks * per >= wanted * rate

"""Dwell, the default: a time-weighted k-of-n.

    level(t) = max { x : samples with llr >= x cover at least D seconds of (t - W, t] }

The level is the highest score that holds for D seconds of the window, contiguous or not. Repeating
a sample inside its own interval changes nothing, so the level depends little on how densely a
stream is sampled, and the level of a static picture does not rise with its length.

Times are exact. A window is stored as plateaus, runs of equal samples (about 25 at the default
sampling); the oldest one is cut where the window begins. Sums are compared as integers over a
common denominator, at a fifth of the cost of adding fractions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from operator import attrgetter
from typing import Any, NamedTuple

from scanner.rational import dump_fraction, load_fraction
from scanner.risk.method import LabelSample, Support, weigh_seconds

__all__ = ["Dwell"]


class Plateau(NamedTuple):
    """Adjacent samples with equal llr and weight; they cover ``(start, end]``."""

    start: Fraction
    first: Fraction
    """Time of the first sample."""
    end: Fraction
    """Time of the last sample."""
    llr: float
    weight: int
    samples: int
    seconds: Fraction = Fraction(0)
    """Covered seconds, weighted; derived from the others, and stored for speed."""


Plateaus = tuple[Plateau, ...]
_by_llr = attrgetter("llr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """The highest level that covers ``dwell`` of the last ``window`` seconds."""

    window: Fraction
    dwell: Fraction

    @property
    def empty(self) -> Plateaus:
        """The state without samples."""
        return ()

    def update(self, state: Plateaus, sample: LabelSample) -> Plateaus:
        """Add the sample, and drop what is older than the window."""
        kept = _drop_before(state, sample.at - self.window)
        start, at, llr, weight, _ = sample
        if not weight:
            return kept
        last = kept[-1] if kept else None
        if last is not None and (last.end, last.llr, last.weight) == (start, llr, weight):
            longer = last._replace(end=at, samples=last.samples + 1)
            return (*kept[:-1], _with_seconds(longer))
        return (*kept, Plateau(start, at, at, llr, weight, 1, sample.seconds))

    def level(self, state: Plateaus) -> float | None:
        """Return the highest llr that covers ``dwell`` seconds."""
        return _covering_llr(state, self.dwell)

    def short_level(self, state: Plateaus) -> float | None:
        """Return the llr that covers everything that was seen."""
        if sum(s.samples for s in state) < 2:
            return None
        return min(s.llr for s in state)

    def support(self, state: Plateaus) -> Support | None:
        """Return the first and last sample of the covering set; of all samples while the level is
        not known."""
        level = self.level(state)
        covering = [s for s in state if level is None or s.llr >= level]
        if not covering:
            return None
        return Support(max(covering[0].first, covering[0].start), covering[-1].end)

    @staticmethod
    def dump(state: Plateaus) -> Any:
        """Return ``[[start, first, end, llr, weight, samples], ...]``."""
        return [
            [*(dump_fraction(time) for time in s[:3]), s.llr, s.weight, s.samples] for s in state
        ]

    @staticmethod
    def load(data: Any) -> Plateaus:
        """Return the state that ``dump`` wrote."""
        rows = (
            (load_fraction(start), load_fraction(first), load_fraction(end), *rest)
            for start, first, end, *rest in data
        )
        return tuple(_with_seconds(Plateau(*row)) for row in rows)


def _with_seconds(plateau: Plateau) -> Plateau:
    return plateau._replace(seconds=weigh_seconds(plateau.end - plateau.start, plateau.weight))


def _drop_before(state: Plateaus, start: Fraction) -> Plateaus:
    """Return what lies after ``start``; the plateau across it is cut there."""
    dropped = 0
    while dropped < len(state) and state[dropped].end <= start:
        dropped += 1
    kept = state[dropped:]
    if kept and kept[0].start < start:
        return (_with_seconds(kept[0]._replace(start=start)), *kept[1:])
    return kept


def _covering_llr(state: Iterable[Plateau], need: Fraction) -> float | None:
    """Return the llr at which the highest plateaus together cover ``need`` seconds."""
    ranked = sorted(state, key=_by_llr, reverse=True)
    for plateau, is_enough in zip(ranked, _cumulative_reach(ranked, need), strict=True):
        if is_enough:
            return plateau.llr
    return None


def _cumulative_reach(ranked: Iterable[Plateau], need: Fraction) -> Iterator[bool]:
    """Yield for each plateau whether it and those before it cover ``need`` seconds.

    The sum is exact: ``ticks / rate`` seconds, where ``rate`` is a common denominator.
    """
    wanted, per = need.numerator, need.denominator
    ticks, rate = 0, 1
    for plateau in ranked:
        n, d = plateau.seconds.numerator, plateau.seconds.denominator
        if rate % d:
            finer = lcm(rate, d)
            ticks, rate = ticks * (finer // rate), finer
        ticks += n * (rate // d)
        yield ticks * per >= wanted * rate

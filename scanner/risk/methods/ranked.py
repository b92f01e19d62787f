"""k-of-n and the median: an order statistic of the last n samples.

Both count samples and not seconds, so they depend on how densely a stream is sampled: n samples are
2 s of one stream and 20 s of another. A sample counts in full or, where its medium most likely does
not count, not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from scanner.rational import dump_fraction, load_fraction
from scanner.risk.medium import COUNTS
from scanner.risk.method import LabelSample, Support

__all__ = ["KOfN", "Median"]


class CountedSample(NamedTuple):
    """One sample that counted."""

    at: Fraction
    llr: float
    floor: Fraction
    """Seconds seen up to this sample without a hole as long as the window; at most the evidence
    floor."""


CountedSamples = tuple[CountedSample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KOfN:
    """The level that ``k`` of the last ``n`` samples reach: the k-th highest llr."""

    window: Fraction
    dwell: Fraction
    k: float = 3
    n: float = 5

    def __post_init__(self) -> None:
        if not (1 <= self.k <= self.n and self.k == int(self.k) and self.n == int(self.n)):
            raise ValueError(f"k and n must be whole with 1 <= k <= n, got {self.k} of {self.n}")

    @property
    def empty(self) -> CountedSamples:
        """The state without samples."""
        return ()

    def update(self, state: CountedSamples, sample: LabelSample) -> CountedSamples:
        """Add the sample; keep n of them, none older than the window."""
        kept = tuple(one for one in state if one.at > sample.at - self.window)
        if sample.weight < COUNTS:
            return kept
        floor = kept[-1].floor if kept else Fraction(0)
        new = CountedSample(sample.at, sample.llr, min(floor + sample.seconds, self.dwell))
        return (*kept, new)[-int(self.n) :]

    def level(self, state: CountedSamples) -> float | None:
        """Return the k-th highest llr."""
        if len(state) < self.k or state[-1].floor < self.dwell:
            return None
        return self._kth(state)

    def short_level(self, state: CountedSamples) -> float | None:
        """Return the k-th highest llr of at least two samples; of fewer than k, the lowest."""
        return self._kth(state) if len(state) >= 2 else None

    def support(self, state: CountedSamples) -> Support | None:
        """Return the first and last sample that reach the level."""
        if not state:
            return None
        times = [one.at for one in state if one.llr >= self._kth(state)]
        return Support(times[0], times[-1])

    def _kth(self, state: CountedSamples) -> float:
        return sorted((one.llr for one in state), reverse=True)[: int(self.k)][-1]

    @staticmethod
    def dump(state: CountedSamples) -> Any:
        """Return ``[[at, llr, floor], ...]``."""
        return [[dump_fraction(one.at), one.llr, dump_fraction(one.floor)] for one in state]

    @staticmethod
    def load(data: Any) -> CountedSamples:
        """Return the state that ``dump`` wrote."""
        return tuple(
            CountedSample(load_fraction(at), llr, load_fraction(floor)) for at, llr, floor in data
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Median:
    """The (lower) median of the last ``n`` samples: the level that more than half of them reach."""

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
    def empty(self) -> CountedSamples:
        """The state without samples."""
        return ()

    def update(self, state: CountedSamples, sample: LabelSample) -> CountedSamples:
        """Add the sample to the latest ones."""
        return self._majority.update(state, sample)

    def level(self, state: CountedSamples) -> float | None:
        """Return the median llr."""
        return self._majority.level(state)

    def short_level(self, state: CountedSamples) -> float | None:
        """Return the median llr of at least two samples."""
        return self._majority.short_level(state)

    def support(self, state: CountedSamples) -> Support | None:
        """Return the first and last sample that reach the level."""
        return self._majority.support(state)

    @staticmethod
    def dump(state: CountedSamples) -> Any:
        """Return the state as ``KOfN`` does."""
        return KOfN.dump(state)

    @staticmethod
    def load(data: Any) -> CountedSamples:
        """Return the state that ``dump`` wrote."""
        return KOfN.load(data)

"""A tempered two-state filter: the label comes and goes at known rates, and samples are evidence
for one state or the other. Cut-aware is the same filter with the evidence of each scene capped.

A sample is evidence of ``rho = llr / tau`` a second (llr clipped to [-1, 6]) over ``h =
min(covered, tau)`` seconds and none over the rest, because samples of one scene are not
independent. With ``m = (rho - out + in) / 2``, ``D = hypot(m, sqrt(in out))`` and ``t = tanh(D h) /
D`` the odds become

    odds' = (odds (1 + m t) + in t) / (odds out t + 1 - m t)

exactly, so a sample that is cut in two gives the same. The level is ``ln(odds out / in)``: evidence
above the resting state.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import exp, hypot, log, sqrt, tanh
from typing import Any, Final, NamedTuple

from scanner.risk.method import FULL, LabelSample, Support
from scanner.risk.methods.evidence import NO_EVIDENCE, EvidenceRun

__all__ = ["CutAware", "OddsFilter", "TwoState"]

LEAST: Final = -1.0
"""The llr of a single sample is clipped to this from below ..."""
MOST: Final = 6.0
"""... and to this from above."""


class FilterState(NamedTuple):
    """State of both filters."""

    odds: float
    """Odds that the label is true."""
    scene_evidence: float
    """Log-odds that the current scene has added; 0 where scenes are not capped."""
    run: EvidenceRun


@dataclass(frozen=True, slots=True, kw_only=True)
class OddsFilter:
    """The equations of the filter, with its parameters."""

    dwell: Fraction
    rate_in: float
    rate_out: float
    tau: float

    def __post_init__(self) -> None:
        for name in ("rate_in", "rate_out", "tau"):
            _require_positive(name, getattr(self, name))

    @property
    def empty(self) -> FilterState:
        """The state without samples: the odds to which the filter returns without evidence."""
        return FilterState(self.rate_in / self.rate_out, 0.0, NO_EVIDENCE)

    def level_of(self, odds: float) -> float:
        """Return the log-odds above those at rest."""
        return log(odds / (self.rate_in / self.rate_out))

    def level(self, state: FilterState) -> float | None:
        """Return the level, or None below the evidence floor."""
        return self.level_of(state.odds) if state.run.has_level(self.dwell) else None

    def short_level(self, state: FilterState) -> float | None:
        """Return the level of at least two samples."""
        return self.level_of(state.odds) if state.run.has_short_level else None

    def evidence_rate(self, sample: LabelSample) -> float:
        """Return the weighted evidence of a sample a second, spread over ``tau`` seconds."""
        return min(max(sample.llr, LEAST), MOST) / self.tau * (sample.weight / FULL)

    def after(
        self, state: FilterState, sample: LabelSample, odds: float, scene_evidence: float
    ) -> FilterState:
        """Return the state after a sample that left these odds."""
        run = state.run.add(sample, self.level_of(odds), self.dwell)
        return FilterState(odds, scene_evidence, run)

    def evolve(self, odds: float, seconds: float, rho: float) -> float:
        """Return the odds after ``seconds`` with evidence of ``rho`` a second.

        The terms are arranged so that no difference of nearly equal numbers is taken.

        >>> rest = OddsFilter(dwell=Fraction(0), rate_in=1 / 3600, rate_out=1 / 10, tau=4.0)
        >>> round(rest.evolve(1.0, 1e6, 0.0) * 360, 9)
        1.0
        """
        if seconds <= 0.0:
            return odds
        rate_in, rate_out = self.rate_in, self.rate_out
        m = (rho - rate_out + rate_in) / 2
        d = hypot(m, sqrt(rate_in * rate_out))
        t = tanh(d * seconds) / d
        fading = exp(-2 * d * seconds)
        small = (rate_in * rate_out / (d + abs(m)) + (d + abs(m)) * fading) / (d * (1 + fading))
        large = 1 + abs(m) * t
        gain, loss = (large, small) if m >= 0.0 else (small, large)
        return (odds * gain + rate_in * t) / (odds * rate_out * t + loss)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoState:
    """The filter. ``window`` is not used: old evidence fades at the rates."""

    window: Fraction
    dwell: Fraction
    rate_in: float = 1 / 3600
    """Rate, a second, at which the label begins."""
    rate_out: float = 1 / 10
    """Rate, a second, at which it ends."""
    tau: float = 4.0
    """Seconds over which the evidence of one sample is spread."""
    _filter: OddsFilter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_filter", _build_filter(self))

    @property
    def empty(self) -> FilterState:
        """The state without samples."""
        return self._filter.empty

    def update(self, state: FilterState, sample: LabelSample) -> FilterState:
        """Let the time before the sample pass, then add its evidence."""
        if not sample.weight:
            return state
        odds_filter = self._filter
        covered = float(sample.at - sample.start)
        h = min(covered, self.tau)
        idle = _unseen_before(state, sample) + covered - h
        odds = odds_filter.evolve(state.odds, idle, 0.0)
        odds = odds_filter.evolve(odds, h, odds_filter.evidence_rate(sample))
        return odds_filter.after(state, sample, odds, 0.0)

    def level(self, state: FilterState) -> float | None:
        """Return the log-odds above those at rest."""
        return self._filter.level(state)

    def short_level(self, state: FilterState) -> float | None:
        """Return the same of at least two samples."""
        return self._filter.short_level(state)

    def support(self, state: FilterState) -> Support | None:
        """Return the run of samples that are evidence for the label."""
        return state.run.support

    @staticmethod
    def dump(state: FilterState) -> Any:
        """Return ``[odds, scene_evidence, run]``."""
        return _dump(state)

    @staticmethod
    def load(data: Any) -> FilterState:
        """Return the state that ``dump`` wrote."""
        return _load(data)


@dataclass(frozen=True, slots=True, kw_only=True)
class CutAware:
    """The filter with a cap on the evidence of each scene. ``window`` is not used.

    What a classifier sees in a scene it sees in every picture of it, so a scene adds a limited
    amount of evidence, however long it lasts. The cap (4 to 8) misses events that begin with a cut
    and stay in one scene. The method needs to know cuts (``Sampled.cut``); without them the whole
    stream is one scene.
    """

    window: Fraction
    dwell: Fraction
    cap: float = 6.0
    """Log-odds that one scene may add."""
    rate_in: float = 1 / 3600
    """Rate, a second, at which the label begins."""
    rate_out: float = 1 / 10
    """Rate, a second, at which it ends."""
    tau: float = 4.0
    """Seconds over which the evidence of one sample is spread."""
    _filter: OddsFilter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _require_positive("cap", self.cap)
        object.__setattr__(self, "_filter", _build_filter(self))

    @property
    def empty(self) -> FilterState:
        """The state without samples."""
        return self._filter.empty

    def update(self, state: FilterState, sample: LabelSample) -> FilterState:
        """Let the time before the sample pass, then add as much of its evidence as the cap of its
        scene allows."""
        if not sample.weight:
            return state
        odds_filter = self._filter
        covered = float(sample.at - sample.start)
        added = 0.0 if sample.cut else state.scene_evidence
        rho = odds_filter.evidence_rate(sample)
        h = min(covered, self.tau)
        if rho > 0.0:
            h = min(h, (self.cap - added) / rho)
        odds = odds_filter.evolve(state.odds, _unseen_before(state, sample), 0.0)
        odds = odds_filter.evolve(odds, h, rho)
        odds = odds_filter.evolve(odds, covered - h, 0.0)
        return odds_filter.after(state, sample, odds, min(added + rho * h, self.cap))

    def level(self, state: FilterState) -> float | None:
        """Return the log-odds above those at rest."""
        return self._filter.level(state)

    def short_level(self, state: FilterState) -> float | None:
        """Return the same of at least two samples."""
        return self._filter.short_level(state)

    def support(self, state: FilterState) -> Support | None:
        """Return the run of samples that are evidence for the label."""
        return state.run.support

    @staticmethod
    def dump(state: FilterState) -> Any:
        """Return ``[odds, scene_evidence, run]``."""
        return _dump(state)

    @staticmethod
    def load(data: Any) -> FilterState:
        """Return the state that ``dump`` wrote."""
        return _load(data)


def _build_filter(method: TwoState | CutAware) -> OddsFilter:
    return OddsFilter(
        dwell=method.dwell, rate_in=method.rate_in, rate_out=method.rate_out, tau=method.tau
    )


def _require_positive(name: str, value: float) -> None:
    if not value > 0.0:
        raise ValueError(f"{name} must be above 0, got {value}")


def _unseen_before(state: FilterState, sample: LabelSample) -> float:
    """Return the seconds between the latest sample and what this one covers."""
    return 0.0 if state.run.at is None else max(float(sample.start - state.run.at), 0.0)


def _dump(state: FilterState) -> Any:
    return [state.odds, state.scene_evidence, state.run.dump()]


def _load(data: Any) -> FilterState:
    odds, scene_evidence, run = data
    return FilterState(odds, scene_evidence, EvidenceRun.load(run))

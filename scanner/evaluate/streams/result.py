"""The complete evaluation on streams: policies in force, every method by nested cross-validation,
curves over thresholds, and risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scanner.evaluate.measures import Interval
from scanner.evaluate.streams.assemble import FOLDS, AssembledStream, assemble
from scanner.evaluate.streams.fit import (
    FalseIncidentLimits,
    OperatingPoint,
    ThresholdCurve,
    choose_point,
    cross_validate,
    threshold_curve,
)
from scanner.evaluate.streams.folding import (
    FoldedStream,
    fold_stream,
    incident_rates,
    label_outcomes,
)
from scanner.evaluate.streams.odds import Odds, fit_odds
from scanner.evaluate.streams.outcome import (
    HOUR,
    LabelOutcomes,
    OutcomeSummary,
    more_missed,
    summarize,
)
from scanner.evaluate.streams.pieces import FootageKind, FootagePool
from scanner.evaluate.streams.rate import Rate
from scanner.evaluate.streams.safe_level import (
    EventsFound,
    HalfResult,
    SafeLevel,
    SourceLevels,
    count_found,
    event_levels,
    fit_on_halves,
    fit_safe_level,
    source_levels,
)
from scanner.evaluate.streams.sweep import (
    REFERENCES,
    Candidate,
    LabelMaterial,
    ThresholdSweep,
    candidate_families,
    gather_material,
    sweep_thresholds,
)
from scanner.evaluate.streams.tail import Tail, fit_tail
from scanner.risk.policy import Policies, Policy
from scanner.types import Label

__all__ = [
    "BEST_OF_ALL",
    "LabelResult",
    "MethodResult",
    "PolicyResult",
    "SafeFootage",
    "SourceResult",
    "StreamsResult",
    "evaluate_streams",
]

BASELINE: Final = "dwell"
"""The default method, with which all others are compared."""
BEST_OF_ALL: Final = "chosen"
"""The row in which inner folds select among all methods."""
ProgressCallback = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeFootage:
    """Distinct safe footage of one kind."""

    kind: FootageKind
    pieces: int
    groups: int
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """The policy in force, from the settings and the models' manifests, through the product's own
    fold."""

    method: str
    threshold: float
    shadow: bool
    summary: OutcomeSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodResult:
    """One method: its outcomes on groups that had no part in its fit, and a fit on all groups."""

    name: str
    reference: bool
    """Whether it is listed for comparison only, and never selected."""
    summary: OutcomeSummary
    more_missed: Interval
    """Share of events that it misses, minus the share that ``BASELINE`` misses."""
    fitted: OperatingPoint
    by_fold: Mapping[int, OperatingPoint]
    """The operating point selected without each outer fold."""
    tail: Tail
    """Extrapolation for the fitted candidate, whose curve is ``curve``."""
    curve: ThresholdCurve | None
    """None in the row that selects among all methods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceResult:
    """The policy in force on the safe footage of one source and kind."""

    origin: str
    kind: FootageKind
    rate: Rate
    peak: float
    """The highest level; NaN if no level is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelResult:
    """The evaluation of one label on streams."""

    label: Label
    in_force: PolicyResult
    safe_level: SafeLevel | None
    """The level that the rule for shipped models gives; None if there is too little footage."""
    found: EventsFound | None
    """The events that reach the safe level; None without one."""
    halves: tuple[HalfResult, ...]
    """That rule on one half of the sources, reported on the other half."""
    sources: tuple[SourceResult, ...]
    """The source with the highest level first."""
    compared: tuple[MethodResult, ...]
    odds: Odds
    """Odds of the method that was selected on all groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsResult:
    """The complete evaluation on streams."""

    limits: FalseIncidentLimits
    seed: int
    safe: tuple[SafeFootage, ...]
    staged: int
    """Number of streams with an event."""
    incidents: Mapping[str, Rate]
    """False incidents over all delivered labels under the policies in force, by kind of footage."""
    labels: tuple[LabelResult, ...]


def evaluate_streams(
    pool: FootagePool,
    policies: Policies,
    limits: FalseIncidentLimits,
    *,
    seed: int = 0,
    rounds: int = 1000,
    on_progress: ProgressCallback | None = None,
) -> StreamsResult:
    """Assemble streams from the pool and measure them; ``on_progress`` receives a description of
    each step."""
    report = on_progress or (lambda _: None)
    streams = assemble(pool, seed)
    report(f"{len(streams)} streams under the policies in force")
    folded = [fold_stream(stream, policies) for stream in streams]
    labels = sorted(
        {stream.event.label for stream in streams if stream.event is not None}
        & set(policies.labels)
    )
    return StreamsResult(
        limits=limits,
        seed=seed,
        safe=tuple(_safe_footage(pool)),
        staged=sum(stream.event is not None for stream in streams),
        incidents=incident_rates(folded),
        labels=tuple(
            _evaluate_label(label, pool, streams, folded, policies, limits, rounds, report)
            for label in labels
        ),
    )


def _safe_footage(pool: FootagePool) -> list[SafeFootage]:
    by_kind = {kind: [piece for piece in pool.safe if piece.kind is kind] for kind in FootageKind}
    return [
        SafeFootage(
            kind=kind,
            pieces=len(of),
            groups=len({piece.group for piece in of}),
            hours=float(sum(piece.length for piece in of)) / HOUR,
        )
        for kind, of in by_kind.items()
        if of
    ]


def _evaluate_label(
    label: Label,
    pool: FootagePool,
    streams: Sequence[AssembledStream],
    folded: Sequence[FoldedStream],
    policies: Policies,
    limits: FalseIncidentLimits,
    rounds: int,
    report: ProgressCallback,
) -> LabelResult:
    policy = policies.labels[label]
    summary = summarize(label_outcomes(folded, label), rounds=rounds)
    material = gather_material(streams, label, policy, policies.max_gap)
    sweeps: dict[str, list[ThresholdSweep]] = {}
    for name, candidates in candidate_families(policy).items():
        report(f"{label}: {name}")
        sweeps[name] = [sweep_thresholds(material, one) for one in candidates]
    eligible = [found for name, of in sweeps.items() if name not in REFERENCES for found in of]
    baseline = cross_validate(material, sweeps[BASELINE], limits)[0]
    compared = [
        _evaluate_method(name, material, of, limits, baseline, rounds)
        for name, of in {**sweeps, BEST_OF_ALL: eligible}.items()
    ]
    levels = source_levels(pool, label, policy)
    events = event_levels(pool.event_clips, label, policy)
    safe = _safe_level(levels)
    return LabelResult(
        label=label,
        in_force=_policy_result(policy, summary),
        safe_level=safe,
        found=None if safe is None else count_found(events, safe.level),
        halves=fit_on_halves(levels, events),
        sources=_source_results(levels, policy.open),
        compared=tuple(compared),
        odds=fit_odds(material, compared[-1].fitted.candidate),
    )


def _policy_result(policy: Policy, summary: OutcomeSummary) -> PolicyResult:
    candidate = Candidate(
        method=policy.method, window=policy.window, dwell=policy.dwell, tuning=policy.tuning
    )
    return PolicyResult(
        method=str(candidate), threshold=policy.open, shadow=policy.shadow, summary=summary
    )


def _safe_level(levels: Sequence[SourceLevels]) -> SafeLevel | None:
    try:
        return fit_safe_level(levels)
    except ValueError:
        return None


def _source_results(levels: Sequence[SourceLevels], level: float) -> tuple[SourceResult, ...]:
    """Return the incidents of each source at a level; those of photographs are counted apart."""
    return tuple(
        SourceResult(
            origin=one.origin,
            kind=one.kind,
            rate=Rate(count=one.incidents(level), hours=one.hours),
            peak=one.peak,
        )
        for one in sorted(levels, key=lambda one: -one.peak)
        if one.kind is not FootageKind.PHOTOGRAPHS
    )


def _evaluate_method(
    name: str,
    material: LabelMaterial,
    sweeps: Sequence[ThresholdSweep],
    limits: FalseIncidentLimits,
    baseline: LabelOutcomes,
    rounds: int,
) -> MethodResult:
    found, by_fold = cross_validate(material, sweeps, limits)
    fitted = choose_point(material, sweeps, limits, range(FOLDS))
    best = next(one for one in sweeps if one.candidate == fitted.candidate)
    return MethodResult(
        name=name,
        reference=name in REFERENCES,
        summary=summarize(found, rounds=rounds),
        more_missed=more_missed(found, baseline, rounds=rounds),
        fitted=fitted,
        by_fold=by_fold,
        tail=fit_tail(material, best),
        curve=None if name == BEST_OF_ALL else threshold_curve(material, best),
    )

"""The whole evaluation of streams: policies in force, every method in nested cross-validation,
curves over thresholds, risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scanner.evaluate.measures import Interval
from scanner.evaluate.streams.assemble import FOLDS, Stream, assemble
from scanner.evaluate.streams.fit import Choice, Curve, Limits, choose, curve, nested
from scanner.evaluate.streams.footage import Footage, Kind
from scanner.evaluate.streams.live import Folded, fold_stream, incident_rates, outcomes
from scanner.evaluate.streams.odds import Odds, fit_odds
from scanner.evaluate.streams.outcome import HOUR, Outcomes, Summary, more_missed, summarised
from scanner.evaluate.streams.rate import Rate
from scanner.evaluate.streams.sweep import (
    REFERENCES,
    Candidate,
    Material,
    Sweep,
    families,
    gather,
    sweep,
)
from scanner.evaluate.streams.tail import Tail, fit_tail
from scanner.risk.policy import Policies
from scanner.types import Label

__all__ = [
    "CHOSEN",
    "Compared",
    "InForce",
    "LabelResult",
    "Seen",
    "StreamsResult",
    "evaluate_streams",
]

BASELINE: Final = "dwell"
"""The default, with which all are compared."""
CHOSEN: Final = "chosen"
"""The row in which inner folds choose among all methods."""
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Distinct safe footage of one kind."""

    kind: Kind
    pieces: int
    groups: int
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """The policy that the settings and the models' manifests make, through the product's own fold."""

    method: str
    threshold: float
    shadow: bool
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One method: what it comes to on groups that had no part in its fit, and what a fit on all
    groups gives."""

    name: str
    reference: bool
    """Told for comparison; never chosen."""
    summary: Summary
    more_missed: Interval
    """Share of the events that it misses and ``BASELINE`` does not, less what it finds and that
    misses."""
    fitted: Choice
    by_fold: Mapping[int, Choice]
    """What was chosen without each outer fold."""
    tail: Tail
    """Of the fitted candidate, and so is the curve."""
    curve: Curve | None
    """None in the row of all methods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelResult:
    """All that streams say of one label."""

    label: Label
    in_force: InForce
    compared: tuple[Compared, ...]
    odds: Odds
    """Of the method that was chosen on all groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamsResult:
    """All that streams say."""

    limits: Limits
    seed: int
    safe: tuple[Seen, ...]
    staged: int
    """Streams with an event."""
    incidents: Mapping[str, Rate]
    """Of all delivered labels together under the policies in force, by kind of footage."""
    labels: tuple[LabelResult, ...]


def evaluate_streams(
    footage: Footage,
    policies: Policies,
    limits: Limits,
    *,
    seed: int = 0,
    rounds: int = 1000,
    told: Told | None = None,
) -> StreamsResult:
    """Put streams together from the footage and measure them; ``told`` hears what is being done."""
    say = told or (lambda _: None)
    streams = assemble(footage, seed)
    say(f"{len(streams)} streams under the policies in force")
    folded = [fold_stream(stream, policies) for stream in streams]
    labels = sorted(
        {stream.event.label for stream in streams if stream.event is not None}
        & set(policies.labels)
    )
    return StreamsResult(
        limits=limits,
        seed=seed,
        safe=tuple(_seen(footage)),
        staged=sum(stream.event is not None for stream in streams),
        incidents=incident_rates(folded),
        labels=tuple(
            _label(label, streams, folded, policies, limits, rounds, say) for label in labels
        ),
    )


def _seen(footage: Footage) -> list[Seen]:
    by_kind = {kind: [piece for piece in footage.safe if piece.kind is kind] for kind in Kind}
    return [
        Seen(
            kind=kind,
            pieces=len(of),
            groups=len({piece.group for piece in of}),
            hours=float(sum(piece.length for piece in of)) / HOUR,
        )
        for kind, of in by_kind.items()
        if of
    ]


def _label(
    label: Label,
    streams: Sequence[Stream],
    folded: Sequence[Folded],
    policies: Policies,
    limits: Limits,
    rounds: int,
    say: Told,
) -> LabelResult:
    policy = policies.labels[label]
    candidate = Candidate(
        method=policy.method, window=policy.window, dwell=policy.dwell, tuning=policy.tuning
    )
    summary = summarised(outcomes(folded, label), rounds=rounds)
    material = gather(streams, label, policy, policies.max_gap)
    sweeps: dict[str, list[Sweep]] = {}
    for name, candidates in families(policy).items():
        say(f"{label}: {name}")
        sweeps[name] = [sweep(material, one) for one in candidates]
    eligible = [found for name, of in sweeps.items() if name not in REFERENCES for found in of]
    baseline = nested(material, sweeps[BASELINE], limits)[0]
    compared = [
        _compared(name, material, of, limits, baseline, rounds)
        for name, of in {**sweeps, CHOSEN: eligible}.items()
    ]
    return LabelResult(
        label=label,
        in_force=InForce(
            method=str(candidate), threshold=policy.open, shadow=policy.shadow, summary=summary
        ),
        compared=tuple(compared),
        odds=fit_odds(material, compared[-1].fitted.candidate),
    )


def _compared(
    name: str,
    material: Material,
    sweeps: Sequence[Sweep],
    limits: Limits,
    baseline: Outcomes,
    rounds: int,
) -> Compared:
    found, by_fold = nested(material, sweeps, limits)
    fitted = choose(material, sweeps, limits, range(FOLDS))
    best = next(one for one in sweeps if one.candidate == fitted.candidate)
    return Compared(
        name=name,
        reference=name in REFERENCES,
        summary=summarised(found, rounds=rounds),
        more_missed=more_missed(found, baseline, rounds=rounds),
        fitted=fitted,
        by_fold=by_fold,
        tail=fit_tail(material, best),
        curve=None if name == CHOSEN else curve(material, best),
    )

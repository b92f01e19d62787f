"""The fold: one observation in, the stream's new risk and what changed out.

Pure, so any incident can be replayed and explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final

from scanner.risk.excursion import at_end, fresh, looked, signalled, unseen
from scanner.risk.incident import Reason, RiskEvent
from scanner.risk.medium import LOOKS, weight
from scanner.risk.merging import merged
from scanner.risk.method import FULL, Look
from scanner.risk.observation import Ended, Gap, Observation, Sampled, Signal, Stalled
from scanner.risk.policy import Policies, Policy
from scanner.risk.stream import LabelRisk, StreamRisk

__all__ = ["fold_observation"]

SIGNALS: Final = 32
"""Names of signals in force at once; when another comes, the oldest is dropped."""

Step = Callable[[StreamRisk, Policies], StreamRisk]


def fold_observation(
    risk: StreamRisk, observation: Observation, policies: Policies
) -> tuple[StreamRisk, tuple[RiskEvent, ...]]:
    """Fold one observation into the stream's risk and say what changed.

    Time is ``observation.at``. The same observations in the same order give the same events, on any
    machine and from any checkpoint. A second look at an instant that was looked at has no effect. A
    look inside a gap (the next segment may begin a little before the end that the last one claimed)
    counts, and covers nothing.

    Raises:
        ValueError: the observation is older than the risk (reorder segments first), or the stream
            has ended.
    """
    if observation.at < risk.settled:
        raise ValueError(
            f"stream {risk.stream_id}: observation at {observation.at} s is older than its risk at {risk.settled} s"
        )
    if risk.ended:
        raise ValueError(
            f"stream {risk.stream_id}: ended at {risk.at} s, got an observation at {observation.at} s"
        )
    settled = _settled(risk, observation)
    now = replace(risk, at=max(risk.at, observation.at), settled=settled)
    events: tuple[RiskEvent, ...] = ()
    for reason, step in _steps(observation):
        now, told = merged(now, step(now, policies), policies, reason)
        events += told
    return now, events


def _settled(risk: StreamRisk, observation: Observation) -> Fraction:
    """Return the time before which nothing may be folded any more.

    The frames after a gap may begin a little before its end; a stall says nothing of stream time.
    """
    match observation:
        case Gap(span=span):
            return max(risk.settled, span.start)
        case Stalled():
            return risk.settled
    return observation.at


def _steps(observation: Observation) -> Iterator[tuple[Reason, Step]]:
    """What an observation does, in order; the reason is that of the excursions that end in the
    step."""
    yield Reason.WITHDRAWN, _kept
    yield Reason.UNSEEN, partial(_waited, observation=observation)
    match observation:
        case Sampled():
            yield Reason.QUIET, partial(_sampled, sampled=observation)
        case Gap():
            yield Reason.UNSEEN, partial(_blinded, gap=observation)
        case Signal():
            yield Reason.QUIET, partial(_signalled, signal=observation)
        case Stalled():
            yield Reason.UNSEEN, _stalled
        case Ended():
            yield Reason.ENDED, _completed
            yield Reason.ENDED, _ended


def _kept(risk: StreamRisk, policies: Policies) -> StreamRisk:
    """Keep the labels that have a policy, and the signals that are in force.

    A label whose evidence is weighed differently now (another method, window, dwell, prior)
    starts anew; its open excursion and its peaks stay.
    """
    signals = tuple(s for s in risk.signals if risk.at < s.until) if risk.signals else ()
    if all(
        label in policies.labels and state.basis == policies.basis(label)
        for label, state in risk.labels.items()
    ):
        return replace(risk, signals=signals) if signals != risk.signals else risk
    known = {label: state for label, state in risk.labels.items() if label in policies.labels}
    anew = {
        label: state
        if state.basis == policies.basis(label)
        else replace(
            fresh(label, policies),
            excursion=state.excursion,
            peak_level=state.peak_level,
            peak_risk=state.peak_risk,
        )
        for label, state in known.items()
    }
    return replace(risk, labels=anew, signals=signals)


def _waited(risk: StreamRisk, policies: Policies, observation: Observation) -> StreamRisk:
    """After the unseen time that lies before the observation. A look covers ``max_gap`` backwards,
    so less is unseen then; and it renews its labels' levels, so that only running incidents need to
    be asked."""
    if not isinstance(observation, Sampled):
        return replace(
            risk,
            labels={
                label: unseen(state, risk.at, label, policies)
                for label, state in risk.labels.items()
            },
        )
    if not risk.running:
        return risk
    until = observation.at - policies.max_gap
    waited = {
        label: unseen(state, until, label, policies)
        for label, state in risk.labels.items()
        if state.excursion is not None
    }
    return replace(risk, labels={**risk.labels, **waited})


def _sampled(risk: StreamRisk, policies: Policies, sampled: Sampled) -> StreamRisk:
    again = sampled.moving or risk.sampled == sampled.at
    media = risk.media if again or not sampled.medium else (*risk.media, sampled.medium)[-LOOKS:]
    labels = dict(risk.labels)
    for label, value in sampled.values.items():
        policy = policies.labels.get(label)
        if policy is None:
            continue
        before = labels.get(label) or fresh(label, policies)
        if before.at == sampled.at:
            continue
        look = Look(
            start=_covered_from(before, sampled.at, risk.coverage.blind_until, policy),
            at=sampled.at,
            llr=policy.llr(value),
            weight=weight(media or (sampled.medium,), policy.when) if sampled.medium else FULL,
            cut=sampled.cut,
        )
        labels[label] = looked(before, look, risk.boost(label), label, policies)
    if sampled.moving:
        return replace(risk, labels=labels)
    coverage = risk.coverage.sample(sampled.at, sampled.medium, policies.max_gap)
    return replace(risk, labels=labels, media=media, sampled=sampled.at, coverage=coverage)


def _covered_from(
    before: LabelRisk, at: Fraction, blind_until: Fraction | None, policy: Policy
) -> Fraction:
    """Back to the look before, a gap's end, or ``hold``.

    The first look of a stream covers ``hold`` too.
    """
    start = at - policy.hold
    if before.at is not None and before.at > start:
        start = before.at
    return min(blind_until, at) if blind_until is not None and blind_until > start else start


def _blinded(risk: StreamRisk, policies: Policies, gap: Gap) -> StreamRisk:
    return replace(risk, coverage=risk.coverage.gap(gap.span, gap.reason, policies.max_gap))


def _signalled(risk: StreamRisk, policies: Policies, signal: Signal) -> StreamRisk:
    others = tuple(s for s in risk.signals if s.name != signal.name)
    heard = replace(risk, signals=(*others, signal)[-SIGNALS:])
    spoken = {
        label: signalled(
            heard.labels.get(label) or fresh(label, policies),
            risk.at,
            heard.boost(label),
            label,
            policies,
        )
        for label in policies.labels
        if signal.labels is None or label in signal.labels
    }
    return replace(heard, labels={**heard.labels, **spoken})


def _stalled(risk: StreamRisk, policies: Policies) -> StreamRisk:
    """Every excursion ends, and every level has to be shown anew when the stream resumes."""
    forgotten = {
        label: replace(state, state=policies.method(label).empty, level=None, excursion=None)
        for label, state in risk.labels.items()
    }
    return replace(risk, labels=forgotten)


def _completed(risk: StreamRisk, policies: Policies) -> StreamRisk:
    short = {
        label: at_end(state, risk.at, risk.boost(label), label, policies)
        for label, state in risk.labels.items()
    }
    return replace(risk, labels=short)


def _ended(risk: StreamRisk, policies: Policies) -> StreamRisk:
    over = {label: replace(state, excursion=None) for label, state in risk.labels.items()}
    return replace(
        risk, labels=over, coverage=risk.coverage.end(risk.at, policies.max_gap), ended=True
    )

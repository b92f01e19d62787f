"""The fold: one observation in, the stream's new risk and the events that it causes out.

An observation is folded in steps, and the excursions that end in a step end for its reason:

    every one   drop labels without a policy, signals that are over     withdrawn
                let the unseen time before the observation pass         unseen
    Sampled     fold each score into its label                          quiet
    Gap         add it to the coverage                                  unseen
    Signal      add it to the levels                                    quiet
    Stalled     end every excursion, reset every level                  unseen
    Ended       complete labels of a short stream, then end it          ended

Pure, so any incident can be replayed and explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Final

from scanner.risk.excursion import (
    complete_short_stream,
    fold_label_sample,
    fold_label_signal,
    new_label_risk,
    pass_unseen_time,
)
from scanner.risk.incident import Reason, RiskEvent
from scanner.risk.medium import MEDIA_KEPT, weight_of
from scanner.risk.merging import merge_excursions
from scanner.risk.method import FULL, LabelSample
from scanner.risk.observation import Ended, Gap, Observation, Sampled, Signal, Stalled
from scanner.risk.policy import Policies, Policy
from scanner.risk.stream import LabelRisk, StreamRisk
from scanner.types import Medium

__all__ = ["fold_observation"]

SIGNALS_IN_FORCE: Final = 32
"""Names of signals in force at once; when another comes, the oldest is dropped."""

Step = Callable[[StreamRisk, Policies], StreamRisk]


def fold_observation(
    risk: StreamRisk, observation: Observation, policies: Policies
) -> tuple[StreamRisk, tuple[RiskEvent, ...]]:
    """Fold one observation into the stream's risk, and return the events that it causes.

    Time is ``observation.at``. The same observations in the same order give the same events, on any
    machine and from any checkpoint. A second sample of the same instant has no effect. A sample
    inside a gap (a segment may begin a little before the end that the last one claimed) counts, and
    covers nothing.

    Raises:
        ValueError: the observation is older than the risk (reorder segments first), or the stream
            has ended.
    """
    if observation.at < risk.settled:
        raise ValueError(
            f"stream {risk.stream_id}: observation at {observation.at} s is older than its risk"
            f" at {risk.settled} s"
        )
    if risk.ended:
        raise ValueError(
            f"stream {risk.stream_id}: ended at {risk.at} s,"
            f" got an observation at {observation.at} s"
        )
    settled = _settled_time(risk, observation)
    now = replace(risk, at=max(risk.at, observation.at), settled=settled)
    events: tuple[RiskEvent, ...] = ()
    for reason, step in _steps(observation):
        now, caused = merge_excursions(now, step(now, policies), policies, reason)
        events += caused
    return now, events


def _settled_time(risk: StreamRisk, observation: Observation) -> Fraction:
    """Return the time before which no later observation may lie.

    The frames after a gap may begin a little before its end. A stall does not change stream time.
    """
    match observation:
        case Gap(span=span):
            return max(risk.settled, span.start)
        case Stalled():
            return risk.settled
    return observation.at


def _steps(observation: Observation) -> Iterator[tuple[Reason, Step]]:
    """Yield the steps of an observation in order, each with the reason of excursions that end in
    it."""
    yield Reason.WITHDRAWN, _drop_expired
    yield Reason.UNSEEN, partial(_pass_time, observation=observation)
    match observation:
        case Sampled():
            yield Reason.QUIET, partial(_fold_sample, sampled=observation)
        case Gap():
            yield Reason.UNSEEN, partial(_fold_gap, gap=observation)
        case Signal():
            yield Reason.QUIET, partial(_fold_signal, signal=observation)
        case Stalled():
            yield Reason.UNSEEN, _fold_stall
        case Ended():
            yield Reason.ENDED, _complete_labels
            yield Reason.ENDED, _end_stream


def _drop_expired(risk: StreamRisk, policies: Policies) -> StreamRisk:
    """Drop labels without a policy, and signals that are no longer in force.

    A label whose policy has another basis now (method, window, dwell, prior) starts with no
    evidence; its open excursion and its peaks stay.
    """
    signals = tuple(s for s in risk.signals if risk.at < s.until) if risk.signals else ()
    if all(
        label in policies.labels and state.basis == policies.basis(label)
        for label, state in risk.labels.items()
    ):
        return replace(risk, signals=signals) if signals != risk.signals else risk
    known = {label: state for label, state in risk.labels.items() if label in policies.labels}
    labels = {
        label: state
        if state.basis == policies.basis(label)
        else replace(
            new_label_risk(label, policies),
            excursion=state.excursion,
            peak_level=state.peak_level,
            peak_risk=state.peak_risk,
        )
        for label, state in known.items()
    }
    return replace(risk, labels=labels, signals=signals)


def _pass_time(risk: StreamRisk, policies: Policies, observation: Observation) -> StreamRisk:
    """Let the unseen time before the observation pass.

    A sample covers ``max_gap`` seconds before it, so they are not unseen. It also renews the levels
    of its labels, so only labels with an excursion have to be checked.
    """
    if not isinstance(observation, Sampled):
        return replace(
            risk,
            labels={
                label: pass_unseen_time(state, risk.at, label, policies)
                for label, state in risk.labels.items()
            },
        )
    if not risk.open_incidents:
        return risk
    until = observation.at - policies.max_gap
    passed = {
        label: pass_unseen_time(state, until, label, policies)
        for label, state in risk.labels.items()
        if state.excursion is not None
    }
    return replace(risk, labels={**risk.labels, **passed})


def _fold_sample(risk: StreamRisk, policies: Policies, sampled: Sampled) -> StreamRisk:
    media = _recent_media(risk, sampled)
    labels = dict(risk.labels)
    for label, value in sampled.values.items():
        policy = policies.labels.get(label)
        if policy is None:
            continue
        before = labels.get(label) or new_label_risk(label, policies)
        if before.at == sampled.at:
            continue
        sample = LabelSample(
            start=_coverage_start(before, sampled.at, risk.coverage.gap_until, policy),
            at=sampled.at,
            llr=policy.llr(value),
            weight=weight_of(media or (sampled.medium,), policy.when) if sampled.medium else FULL,
            cut=sampled.cut,
        )
        labels[label] = fold_label_sample(before, sample, risk.boost(label), label, policies)
    if sampled.is_burst:
        return replace(risk, labels=labels)
    coverage = risk.coverage.add_sample(sampled.at, sampled.medium, policies.max_gap)
    return replace(risk, labels=labels, media=media, sampled=sampled.at, coverage=coverage)


def _recent_media(risk: StreamRisk, sampled: Sampled) -> tuple[Mapping[Medium, float], ...]:
    if sampled.is_burst or risk.sampled == sampled.at or not sampled.medium:
        return risk.media
    return (*risk.media, sampled.medium)[-MEDIA_KEPT:]


def _coverage_start(
    before: LabelRisk, at: Fraction, gap_until: Fraction | None, policy: Policy
) -> Fraction:
    """Return where the seconds that a sample covers begin: at the sample before it, at a gap's end,
    or ``hold`` seconds before it, which is also where those of a stream's first sample begin."""
    start = at - policy.hold
    if before.at is not None and before.at > start:
        start = before.at
    return min(gap_until, at) if gap_until is not None and gap_until > start else start


def _fold_gap(risk: StreamRisk, policies: Policies, gap: Gap) -> StreamRisk:
    return replace(risk, coverage=risk.coverage.add_gap(gap.span, gap.reason, policies.max_gap))


def _fold_signal(risk: StreamRisk, policies: Policies, signal: Signal) -> StreamRisk:
    others = tuple(s for s in risk.signals if s.name != signal.name)
    received = replace(risk, signals=(*others, signal)[-SIGNALS_IN_FORCE:])
    changed = {
        label: fold_label_signal(
            received.labels.get(label) or new_label_risk(label, policies),
            risk.at,
            received.boost(label),
            label,
            policies,
        )
        for label in policies.labels
        if signal.labels is None or label in signal.labels
    }
    return replace(received, labels={**received.labels, **changed})


def _fold_stall(risk: StreamRisk, policies: Policies) -> StreamRisk:
    """End every excursion and reset every level."""
    reset = {
        label: replace(state, state=policies.method(label).empty, level=None, excursion=None)
        for label, state in risk.labels.items()
    }
    return replace(risk, labels=reset)


def _complete_labels(risk: StreamRisk, policies: Policies) -> StreamRisk:
    completed = {
        label: complete_short_stream(state, risk.at, risk.boost(label), label, policies)
        for label, state in risk.labels.items()
    }
    return replace(risk, labels=completed)


def _end_stream(risk: StreamRisk, policies: Policies) -> StreamRisk:
    ended = {label: replace(state, excursion=None) for label, state in risk.labels.items()}
    return replace(
        risk, labels=ended, coverage=risk.coverage.end(risk.at, policies.max_gap), ended=True
    )

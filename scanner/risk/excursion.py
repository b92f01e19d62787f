"""One label of one stream: samples move its level, and the level opens and closes its excursion.

    no excursion --level >= open-------------------------------------------> open
    open         --level >= close (= open - close_margin)------------------> open, low time is 0
    open         --level < close-------------------------------------------> low time grows
    low time     --``close_after`` seconds of it---------------------------> no excursion (quiet)
    open         --``unseen_end`` seconds without a sample that counts-----> no excursion (unseen)

Low time is time that was seen, multiplied by the weight of its samples. A level that is not known
closes nothing. Time that was not seen neither closes an excursion nor lowers a level, until
``unseen_end`` seconds of it end the excursion and reset the level.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from scanner.risk.medium import COUNTS
from scanner.risk.method import LabelSample
from scanner.risk.policy import Policies, Policy
from scanner.risk.stream import Excursion, LabelRisk
from scanner.types import Label

__all__ = [
    "complete_short_stream",
    "fold_label_sample",
    "fold_label_signal",
    "new_label_risk",
    "pass_unseen_time",
]


def new_label_risk(label: Label, policies: Policies) -> LabelRisk:
    """Return the risk of a label without samples."""
    return LabelRisk(
        method=policies.labels[label].method,
        basis=policies.basis(label),
        state=policies.method(label).empty,
    )


def fold_label_sample(
    before: LabelRisk, sample: LabelSample, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """Return the label's risk after one sample; ``boost`` is what the signals in force add."""
    policy, method = policies.labels[label], policies.method(label)
    state = method.update(before.state, sample)
    level = method.level(state)
    updated = LabelRisk(
        method=before.method,
        basis=before.basis,
        state=state,
        at=sample.at,
        counted_at=sample.at if sample.weight >= COUNTS else before.counted_at,
        level=level,
        excursion=before.excursion,
        peak_level=before.peak_level,
        peak_risk=before.peak_risk,
    )
    if level is None:
        return updated
    peaked = _raise_peaks(updated, level, policy.risk(level, boost))
    if level + boost >= policy.open or (
        before.excursion is not None and level + boost >= policy.close
    ):
        return _open_or_extend(peaked, sample.at, boost, label, policies)
    return _add_low_time(peaked, sample.seconds, policy)


def fold_label_signal(
    before: LabelRisk, at: Fraction, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """Return the label's risk after a signal arrived.

    Where no level is known, the policy decides whether a signal alone may open an incident; it may
    do so when it arrives, and not later while it is in force.
    """
    policy = policies.labels[label]
    if before.level is None and not policy.may_open_on_signal:
        return before
    level = policy.unknown if before.level is None else before.level
    if level + boost < policy.open:
        return before
    return _open_or_extend(before, at, boost, label, policies)


def pass_unseen_time(
    before: LabelRisk, until: Fraction, label: Label, policies: Policies
) -> LabelRisk:
    """Return the label's risk if no sample counted from its latest one that did to ``until``.

    After ``unseen_end`` seconds its excursion is over and its level is reset. Before that, a level
    whose risk is below the prior is reset as soon as its window is empty.
    """
    policy = policies.labels[label]
    since = before.excursion.opened if before.excursion is not None else Fraction(0)
    unseen = until - (since if before.counted_at is None else max(before.counted_at, since))
    if unseen >= policy.unseen_end:
        return replace(before, state=policies.method(label).empty, level=None, excursion=None)
    if (
        before.level is not None
        and unseen >= policy.window
        and policy.risk(before.level) < policy.risk(None)
    ):
        return replace(before, level=None)
    return before


def complete_short_stream(
    before: LabelRisk, at: Fraction, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """Return the label's risk when the stream ends at ``at``: in a stream shorter than the evidence
    floor, the samples that there are suffice for a level."""
    policy, method = policies.labels[label], policies.method(label)
    if before.at is None or before.peak_level is not None or at >= policy.dwell:
        return before
    level = method.short_level(before.state)
    if level is None:
        return before
    known = _raise_peaks(replace(before, level=level), level, policy.risk(level, boost))
    return (
        _open_or_extend(known, before.at, boost, label, policies)
        if level + boost >= policy.open
        else known
    )


def _raise_peaks(label_risk: LabelRisk, level: float, risk: float) -> LabelRisk:
    if (
        label_risk.peak_level is not None
        and level <= label_risk.peak_level
        and risk <= label_risk.peak_risk
    ):
        return label_risk
    highest = level if label_risk.peak_level is None else max(level, label_risk.peak_level)
    return replace(label_risk, peak_level=highest, peak_risk=max(risk, label_risk.peak_risk))


def _open_or_extend(
    before: LabelRisk, at: Fraction, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """Open an excursion at ``at``, or extend the open one to the last sample that supports it."""
    policy = policies.labels[label]
    risk = policy.risk(before.level, boost)
    support = policies.method(label).support(before.state)
    old = before.excursion
    if old is not None:
        last = old.last if support is None else max(old.last, support.last)
        return replace(
            before,
            excursion=replace(old, last=last, low_seconds=Fraction(0), peak=max(old.peak, risk)),
        )
    start = at if support is None else min(at, support.first)
    last = at if support is None else max(start, support.last)
    return replace(
        before,
        excursion=Excursion(start=start, opened=at, last=last, peak=risk, shadow=policy.shadow),
    )


def _add_low_time(before: LabelRisk, seconds: Fraction, policy: Policy) -> LabelRisk:
    """Add seconds of a low level to the excursion, and close it when they are enough."""
    if before.excursion is None:
        return before
    low_seconds = before.excursion.low_seconds + seconds
    if low_seconds >= policy.close_after:
        return replace(before, excursion=None)
    return replace(before, excursion=replace(before.excursion, low_seconds=low_seconds))

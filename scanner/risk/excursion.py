"""One label of one stream: looks move its level, its level opens and closes its excursion.

An excursion opens at ``policy.open``. It closes when the level stays ``close_margin`` below that
for ``close_after`` seconds that were *seen* and counted (their weight with them). A level that is
not known closes nothing; unseen time closes nothing either and lowers nothing, until ``unseen_end``
seconds of it end the excursion for that reason and forget the level.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from scanner.risk.medium import COUNTS
from scanner.risk.method import Look
from scanner.risk.policy import Policies, Policy
from scanner.risk.stream import Excursion, LabelRisk
from scanner.types import Label

__all__ = ["at_end", "fresh", "looked", "signalled", "unseen"]


def fresh(label: Label, policies: Policies) -> LabelRisk:
    """A label that nobody has looked at."""
    return LabelRisk(
        method=policies.labels[label].method,
        basis=policies.basis(label),
        state=policies.method(label).empty,
    )


def looked(
    before: LabelRisk, look: Look, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """The label after one look; ``boost`` is what the signals in force add."""
    policy, method = policies.labels[label], policies.method(label)
    state = method.see(before.state, look)
    level = method.level(state)
    seen = LabelRisk(
        method=before.method,
        basis=before.basis,
        state=state,
        at=look.at,
        counted=look.at if look.weight >= COUNTS else before.counted,
        level=level,
        excursion=before.excursion,
        peak_level=before.peak_level,
        peak_risk=before.peak_risk,
    )
    if level is None:
        return seen
    peaked = _peaked(seen, level, policy.risk(level, boost))
    if level + boost >= policy.open or (
        before.excursion is not None and level + boost >= policy.close
    ):
        return _carried(peaked, look.at, boost, label, policies)
    return _quieted(peaked, look.seconds, policy) if before.excursion is not None else peaked


def signalled(
    before: LabelRisk, at: Fraction, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """The label when a signal has just come. Where no level is known, the policy says whether a
    signal alone may open; it may do so only when it comes, not for as long as it is in force."""
    policy = policies.labels[label]
    if before.level is None and not policy.may_open_on_signal:
        return before
    level = policy.unknown if before.level is None else before.level
    if level + boost < policy.open:
        return before
    return _carried(before, at, boost, label, policies)


def unseen(before: LabelRisk, until: Fraction, label: Label, policies: Policies) -> LabelRisk:
    """The label when nobody has looked since its last look that counted, up to ``until``.

    After ``unseen_end`` seconds its excursion is over and its level forgotten. Before that, a level
    that would read as less than the prior is forgotten as soon as its window is empty.
    """
    policy = policies.labels[label]
    since = before.excursion.opened if before.excursion is not None else Fraction(0)
    blind = until - (since if before.counted is None else max(before.counted, since))
    if blind >= policy.unseen_end:
        return replace(before, state=policies.method(label).empty, level=None, excursion=None)
    if (
        before.level is not None
        and blind >= policy.window
        and policy.risk(before.level) < policy.risk(None)
    ):
        return replace(before, level=None)
    return before


def at_end(
    before: LabelRisk, at: Fraction, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """The label when the stream ends at ``at``: in a stream shorter than the evidence floor, what
    was seen is the floor."""
    policy, method = policies.labels[label], policies.method(label)
    if before.at is None or before.peak_level is not None or at >= policy.dwell:
        return before
    level = method.short_level(before.state)
    if level is None:
        return before
    known = _peaked(replace(before, level=level), level, policy.risk(level, boost))
    return (
        _carried(known, before.at, boost, label, policies)
        if level + boost >= policy.open
        else known
    )


def _peaked(label_risk: LabelRisk, level: float, risk: float) -> LabelRisk:
    if (
        label_risk.peak_level is not None
        and level <= label_risk.peak_level
        and risk <= label_risk.peak_risk
    ):
        return label_risk
    highest = level if label_risk.peak_level is None else max(level, label_risk.peak_level)
    return replace(label_risk, peak_level=highest, peak_risk=max(risk, label_risk.peak_risk))


def _carried(
    before: LabelRisk, at: Fraction, boost: float, label: Label, policies: Policies
) -> LabelRisk:
    """The excursion opened at ``at``, or carried on by the looks that carry the level."""
    policy = policies.labels[label]
    risk = policy.risk(before.level, boost)
    support = policies.method(label).support(before.state)
    old = before.excursion
    if old is not None:
        last = old.last if support is None else max(old.last, support.last)
        return replace(
            before, excursion=replace(old, last=last, quiet=Fraction(0), peak=max(old.peak, risk))
        )
    start = at if support is None else min(at, support.first)
    last = at if support is None else max(start, support.last)
    return replace(
        before,
        excursion=Excursion(start=start, opened=at, last=last, peak=risk, shadow=policy.shadow),
    )


def _quieted(before: LabelRisk, seconds: Fraction, policy: Policy) -> LabelRisk:
    """The excursion after ``seconds`` more of a low level; None when they are enough."""
    if before.excursion is None:
        return before
    quiet = before.excursion.quiet + seconds
    return replace(
        before,
        excursion=None if quiet >= policy.close_after else replace(before.excursion, quiet=quiet),
    )

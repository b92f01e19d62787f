"""Escalation: the severity of an incident rises while it lasts, or if its label recurs.

    lasted     each ``escalate_after`` seconds from its start to its latest support    one step
    recurred   it is incident number ``recurrence`` of its label                       one step

Incidents count back from this one, within ``recurrence_window`` seconds and up to the first pause
of more than ``cool_down`` seconds between two openings. Steps are those of the leading label's
policy, ``escalate_steps`` at most. A severity of 0 is never raised, and none falls while the
incident is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from scanner.risk.incident import Escalation, Incident, PastIncident
from scanner.risk.policy import MOST_RECURRENCES, Policy
from scanner.taxonomy import MAX_SEVERITY
from scanner.types import Label

__all__ = ["PAST_KEPT", "add_past", "escalate", "in_words", "trim_past"]

PAST_KEPT: Final = MOST_RECURRENCES
"""Earlier incidents that a stream keeps in its state, the latest ones."""
_UNITS: Final = (("hour", 3600), ("minute", 60))


def add_past(
    past: Sequence[PastIncident], more: Iterable[PastIncident]
) -> tuple[PastIncident, ...]:
    """Return the latest incidents of both, each once, in the order of their openings."""
    known = {one.id: one for one in (*past, *more)}
    ordered = sorted(known.values(), key=lambda one: (one.opened, one.id))
    return tuple(ordered[-PAST_KEPT:])


def trim_past(past: Sequence[PastIncident], *, of_label: int) -> tuple[PastIncident, ...]:
    """Return the incidents without those that no later one can need: of each label the latest
    ``of_label`` are kept."""
    counts: dict[tuple[Label, bool], int] = {}
    kept: list[PastIncident] = []
    for one in reversed(past):
        labels = [(label, one.shadow) for label in one.labels]
        if any(counts.get(label, 0) < of_label for label in labels):
            kept.append(one)
        for label in labels:
            counts[label] = counts.get(label, 0) + 1
    return tuple(reversed(kept))


def escalate(
    incident: Incident,
    *,
    last: Fraction,
    at: Fraction,
    past: Sequence[PastIncident],
    policy: Policy | None,
) -> Incident:
    """Return the incident with the severity that it has at ``at``.

    Args:
        incident: the incident, open.
        last: the latest sample that supports it.
        at: stream seconds now.
        past: earlier incidents, also of other streams of the channel.
        policy: that of its leading label; None if it was removed.
    """
    if policy is None or not _may_rise(incident, policy):
        return incident
    for step in _steps(incident, last, at, past, policy):
        if not _may_rise(incident, policy):
            break
        incident = replace(
            incident,
            severity=incident.severity + 1,
            escalation=(*incident.escalation, step),
        )
    return incident


def _may_rise(incident: Incident, policy: Policy) -> bool:
    steps = len(incident.escalation)
    return incident.base_severity > 0 and (
        incident.severity < MAX_SEVERITY and steps < policy.escalate_steps
    )


def in_words(seconds: Fraction) -> str:
    """Return a duration in words.

    >>> in_words(Fraction(600)), in_words(Fraction(3600)), in_words(Fraction(5, 2))
    ('10 minutes', '1 hour', '2.5 seconds')
    """
    for unit, length in _UNITS:
        if seconds >= length and seconds % length == 0:
            count = int(seconds / length)
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{float(seconds):g} seconds"


def _steps(
    incident: Incident,
    last: Fraction,
    at: Fraction,
    past: Sequence[PastIncident],
    policy: Policy,
) -> Iterator[Escalation]:
    """Yield the steps that are due and not yet part of the incident."""
    made = [step.rule for step in incident.escalation]
    if past and policy.recurrence and "recurred" not in made and _recurs(incident, past, policy):
        words = incident.label.replace("_", " ")
        text = (
            f"{policy.recurrence} or more incidents with {words} on this channel or stream"
            f" within {in_words(policy.recurrence_window)}"
        )
        yield Escalation(at=at, rule="recurred", reason=text)
    if not policy.escalate_after:
        return
    done, lasted = made.count("lasted"), last - incident.start
    for number in range(done + 1, done + 1 + MAX_SEVERITY):
        if lasted < number * policy.escalate_after:
            break
        text = f"it has lasted {in_words(number * policy.escalate_after)}"
        yield Escalation(at=at, rule="lasted", reason=text)


def _recurs(incident: Incident, past: Iterable[PastIncident], policy: Policy) -> bool:
    """Return whether the incidents that count, this one included, are enough."""
    earliest = incident.opened - policy.recurrence_window
    openings = sorted(
        one.opened
        for one in past
        if one.id != incident.id
        and one.shadow is incident.shadow
        and incident.label in one.labels
        and earliest <= one.opened <= incident.opened
    )
    count, later = 1, incident.opened
    for opened in reversed(openings):
        if later - opened > policy.cool_down:
            break
        count, later = count + 1, opened
    return count >= policy.recurrence

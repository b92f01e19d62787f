"""Excursions of labels become incidents of the stream: those that overlap are one incident, and
those in shadow stay separate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from scanner.risk.escalation import add_past, escalate, trim_past
from scanner.risk.incident import (
    Closed,
    Extended,
    Incident,
    Opened,
    PastIncident,
    Reason,
    RiskEvent,
    incident_id,
)
from scanner.risk.policy import Policies
from scanner.risk.stream import Excursion, LabelRisk, OpenIncident, StreamRisk
from scanner.taxonomy import MAX_SEVERITY
from scanner.types import Label

__all__ = ["merge_excursions"]

Excursions = Mapping[Label, Excursion]


def merge_excursions(
    before: StreamRisk, after: StreamRisk, policies: Policies, reason: Reason
) -> tuple[StreamRisk, tuple[RiskEvent, ...]]:
    """Update the incidents of ``after`` to its excursions, and return the events that this causes.

    ``reason`` is the reason of excursions that were open in ``before`` and are over. An excursion
    that opens with the observation that ends the last other one continues the incident.
    """
    if not before.open_incidents and all(
        state.excursion is None for state in after.labels.values()
    ):
        return after, ()
    incidents: list[OpenIncident] = []
    events: list[RiskEvent] = []
    for shadow in (False, True):
        old = next((one for one in before.open_incidents if one.incident.shadow is shadow), None)
        was, now = _excursions(before.labels, shadow), _excursions(after.labels, shadow)
        if old is None:
            new, caused = _open(now, after, policies) if now else (None, ())
        elif now:
            new, caused = _continue(old, {**was, **now}, after, policies)
        else:
            grown = _grow(old, was, policies)
            new, caused = None, _close(grown, before, after.at, policies, reason)
            after = replace(after, past=_past_with(grown.incident, after, policies))
        incidents += () if new is None else (new,)
        events += caused
    return replace(after, open_incidents=tuple(incidents)), tuple(events)


def _excursions(labels: Mapping[Label, LabelRisk], shadow: bool) -> Excursions:
    return {
        label: s.excursion
        for label, s in labels.items()
        if s.excursion is not None and s.excursion.shadow is shadow
    }


def _open(
    now: Excursions, stream: StreamRisk, policies: Policies
) -> tuple[OpenIncident, Sequence[RiskEvent]]:
    labels = tuple(label for label in policies.by_severity() if label in now)
    first = now[labels[0]]
    incident = Incident(
        id=incident_id(stream.stream_id, labels[0], first.opened),
        stream_id=stream.stream_id,
        label=labels[0],
        labels=labels,
        category=policies.labels[labels[0]].category,
        severity=policies.labels[labels[0]].severity,
        start=min(e.start for e in now.values()),
        opened=first.opened,
        peak=max(e.peak for e in now.values()),
        shadow=first.shadow,
    )
    last = max(e.last for e in now.values())
    incident = _escalate(incident, last, stream, policies)
    new = OpenIncident(incident=incident, last=last, reported_at=stream.at)
    return new, (Opened(at=stream.at, incident=incident),)


def _continue(
    old: OpenIncident, excursions: Excursions, stream: StreamRisk, policies: Policies
) -> tuple[OpenIncident, Sequence[RiskEvent]]:
    grown = _grow(old, excursions, policies)
    raised = _escalate(grown.incident, grown.last, stream, policies)
    if raised is not grown.incident:
        grown = replace(grown, incident=raised)
    if not _is_worth_reporting(old, grown, stream.at, policies.retell):
        return grown, ()
    incident = replace(grown.incident, revision=grown.incident.revision + 1)
    new = OpenIncident(incident=incident, last=grown.last, reported_at=stream.at)
    return new, (Extended(at=stream.at, incident=incident),)


def _close(
    grown: OpenIncident, before: StreamRisk, at: Fraction, policies: Policies, reason: Reason
) -> Sequence[RiskEvent]:
    incident = grown.incident
    end = max(_end_of(before, grown.last, at, reason, policies), incident.start)
    return (
        Closed(
            at=at,
            incident=replace(incident, end=end, revision=incident.revision + 1, reason=reason),
        ),
    )


def _grow(old: OpenIncident, excursions: Excursions, policies: Policies) -> OpenIncident:
    """Add labels, start, end and peak of the excursions to the incident."""
    incident = old.incident
    joined = [
        label
        for label in policies.by_severity()
        if label in excursions and label not in incident.labels
    ]
    if joined and policies.labels[joined[0]].severity > incident.base_severity:
        lead = policies.labels[joined[0]]
        incident = replace(
            incident,
            label=joined[0],
            category=lead.category,
            severity=min(MAX_SEVERITY, lead.severity + len(incident.escalation)),
            base_severity=lead.severity,
        )
    incident = replace(
        incident,
        labels=(*incident.labels, *joined),
        start=min((incident.start, *(e.start for e in excursions.values()))),
        peak=max((incident.peak, *(e.peak for e in excursions.values()))),
    )
    return replace(
        old, incident=incident, last=max((old.last, *(e.last for e in excursions.values())))
    )


def _escalate(
    incident: Incident, last: Fraction, stream: StreamRisk, policies: Policies
) -> Incident:
    policy = policies.labels.get(incident.label)
    return escalate(incident, last=last, at=stream.at, past=stream.past, policy=policy)


def _past_with(
    incident: Incident, stream: StreamRisk, policies: Policies
) -> tuple[PastIncident, ...]:
    closed = PastIncident(
        id=incident.id, opened=incident.opened, labels=incident.labels, shadow=incident.shadow
    )
    needed = max((one.recurrence for one in policies.labels.values()), default=0) - 1
    return trim_past(add_past(stream.past, [closed]), of_label=needed)


def _is_worth_reporting(
    old: OpenIncident, grown: OpenIncident, at: Fraction, retell: Fraction
) -> bool:
    was, now = old.incident, grown.incident
    if (now.labels, now.severity) != (was.labels, was.severity):
        return True
    grew = grown.last > old.last or grown.incident.peak > old.incident.peak
    return grew and at - old.reported_at >= retell


def _end_of(
    old: StreamRisk, last: Fraction, at: Fraction, reason: Reason, policies: Policies
) -> Fraction:
    """Return when an incident was last seen.

    One that the last sample of a stream still supports lasts to the stream's end.
    """
    supported = old.coverage.sampled and old.coverage.until == last
    if reason is Reason.ENDED and supported and at - last <= policies.max_gap:
        return at
    return last

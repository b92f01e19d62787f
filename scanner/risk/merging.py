"""Excursions of labels become incidents of the stream: overlapping ones are one, and those in
shadow stay apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from scanner.risk.incident import Closed, Extended, Incident, Opened, Reason, RiskEvent, incident_id
from scanner.risk.policy import Policies
from scanner.risk.stream import Excursion, LabelRisk, Running, StreamRisk
from scanner.types import Label

__all__ = ["merged"]

Excursions = Mapping[Label, Excursion]


def merged(
    before: StreamRisk, after: StreamRisk, policies: Policies, reason: Reason
) -> tuple[StreamRisk, tuple[RiskEvent, ...]]:
    """Bring the incidents of ``after`` in line with its excursions and say what changed since
    ``before``.

    ``reason`` is why the excursions that are gone are over. An excursion that begins in the same
    observation in which the last other one ends carries the incident on.
    """
    if not before.running and all(state.excursion is None for state in after.labels.values()):
        return after, ()
    running: list[Running] = []
    events: list[RiskEvent] = []
    for shadow in (False, True):
        old = next((r for r in before.running if r.incident.shadow is shadow), None)
        was, now = _excursions(before.labels, shadow), _excursions(after.labels, shadow)
        if old is None:
            new, told = _opened(now, after, policies) if now else (None, ())
        elif now:
            new, told = _continued(old, {**was, **now}, after, policies)
        else:
            new, told = (
                None,
                _closed(_grown(old, was, policies), before, after.at, policies, reason),
            )
        running += () if new is None else (new,)
        events += told
    return replace(after, running=tuple(running)), tuple(events)


def _excursions(labels: Mapping[Label, LabelRisk], shadow: bool) -> Excursions:
    return {
        label: s.excursion
        for label, s in labels.items()
        if s.excursion is not None and s.excursion.shadow is shadow
    }


def _opened(
    now: Excursions, stream: StreamRisk, policies: Policies
) -> tuple[Running, Sequence[RiskEvent]]:
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
    running = Running(incident=incident, last=max(e.last for e in now.values()), told_at=stream.at)
    return running, (Opened(at=stream.at, incident=incident),)


def _continued(
    old: Running, excursions: Excursions, stream: StreamRisk, policies: Policies
) -> tuple[Running, Sequence[RiskEvent]]:
    grown = _grown(old, excursions, policies)
    if not _worth_telling(old, grown, stream.at, policies.retell):
        return grown, ()
    incident = replace(grown.incident, revision=grown.incident.revision + 1)
    return Running(incident=incident, last=grown.last, told_at=stream.at), (
        Extended(at=stream.at, incident=incident),
    )


def _closed(
    grown: Running, before: StreamRisk, at: Fraction, policies: Policies, reason: Reason
) -> Sequence[RiskEvent]:
    incident = grown.incident
    end = max(_end(before, grown.last, at, reason, policies), incident.start)
    return (
        Closed(
            at=at,
            incident=replace(incident, end=end, revision=incident.revision + 1, reason=reason),
        ),
    )


def _grown(old: Running, excursions: Excursions, policies: Policies) -> Running:
    incident = old.incident
    joined = [
        label
        for label in policies.by_severity()
        if label in excursions and label not in incident.labels
    ]
    if joined and policies.labels[joined[0]].severity > incident.severity:
        lead = policies.labels[joined[0]]
        incident = replace(
            incident, label=joined[0], category=lead.category, severity=lead.severity
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


def _worth_telling(old: Running, grown: Running, at: Fraction, retell: Fraction) -> bool:
    if grown.incident.labels != old.incident.labels:
        return True
    grew = grown.last > old.last or grown.incident.peak > old.incident.peak
    return grew and at - old.told_at >= retell


def _end(
    old: StreamRisk, last: Fraction, at: Fraction, reason: Reason, policies: Policies
) -> Fraction:
    """When an incident was last seen.

    One that the last sample of a stream still carries lasts to the stream's end.
    """
    carried = old.coverage.sampled and old.coverage.until == last
    if reason is Reason.ENDED and carried and at - last <= policies.max_gap:
        return at
    return last

"""The evidence that is due of an incident: pure, from its revisions and the index of its stream.

    Opened, Extended    while the incident runs: a clip of each ``clip_seconds`` that is complete
    Closed              the rest, in clips that are never longer, and one contact sheet

A clip or a sheet that is due is a record: it has everything but the pictures, and can be stored,
sent elsewhere and done again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from typing import Any, Self, TypeVar

from scanner.evidence.index import SegmentIndex
from scanner.rational import dump_fraction, load_fraction
from scanner.report.text import clock, percent
from scanner.risk.incident import Incident
from scanner.risk.policy import Policies
from scanner.settings.sections import EvidenceSettings
from scanner.stream.events import FrameRisk, StreamSummary
from scanner.types import Label, Span

__all__ = [
    "ClipDue",
    "EvidencePlan",
    "SheetDue",
    "clip_name",
    "end_of",
    "needed_since",
    "picture_due",
    "plan_open",
    "plan_rest",
    "revise",
    "sheet_due",
]

T = TypeVar("T")


def clip_name(incident_id: str, number: int) -> str:
    """Return the name of a clip's files, without a suffix.

    >>> clip_name("5f1e", 1), clip_name("5f1e", 2)
    ('5f1e', '5f1e-2')
    """
    return incident_id if number == 1 else f"{incident_id}-{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipDue:
    """A clip that is due."""

    incident_id: str
    number: int
    """Place among the clips of the incident, from 1."""
    span: Span
    """Stream seconds that the clip must show, as far as there are pictures."""

    @property
    def name(self) -> str:
        """Name of the clip's files, without a suffix."""
        return clip_name(self.incident_id, self.number)

    def to_json(self) -> dict[str, Any]:
        """Return the record as ``json.dumps`` takes it."""
        span = [dump_fraction(self.span.start), dump_fraction(self.span.end)]
        return {"incident_id": self.incident_id, "number": self.number, "span": span}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the record that ``to_json`` wrote."""
        start, end = (load_fraction(edge) for edge in data["span"])
        span = Span(start=start, end=end)
        return cls(incident_id=data["incident_id"], number=data["number"], span=span)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetDue:
    """A contact sheet that is due."""

    name: str
    """Name of the sheet's files, without a suffix: the incident's id, or a still picture's name."""
    times: tuple[Fraction, ...]
    """Stream seconds of its pictures, in order."""
    captions: tuple[str, ...]
    """The text below each picture."""

    def __post_init__(self) -> None:
        if not self.times or len(self.times) != len(self.captions):
            raise ValueError(
                f"sheet {self.name}: {len(self.times)} times and {len(self.captions)} captions"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the record as ``json.dumps`` takes it."""
        times = [dump_fraction(at) for at in self.times]
        return {"name": self.name, "times": times, "captions": list(self.captions)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the record that ``to_json`` wrote."""
        times = tuple(load_fraction(at) for at in data["times"])
        return cls(name=data["name"], times=times, captions=tuple(data["captions"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePlan:
    """The part of a running incident whose clips are planned."""

    incident: Incident
    """The latest revision."""
    cut_from: Fraction
    """Stream seconds; everything before is planned, or lies before the pre-roll."""
    clips: int = 0
    """Number of clips planned so far."""
    capped: bool = False
    """True if a part was left out because the incident has as many clips as it may have."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan as ``json.dumps`` takes it."""
        return {
            "incident": self.incident.to_json(),
            "cut_from": dump_fraction(self.cut_from),
            "clips": self.clips,
            "capped": self.capped,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the plan that ``to_json`` wrote."""
        return cls(
            incident=Incident.from_json(data["incident"]),
            cut_from=load_fraction(data["cut_from"]),
            clips=data["clips"],
            capped=data["capped"],
        )


def revise(plan: EvidencePlan | None, incident: Incident, policies: Policies) -> EvidencePlan:
    """Return the plan for a revision of an incident; ``plan`` is None for its first one.

    A label that joins may have begun earlier, so the first clip's beginning moves until a clip is
    planned.
    """
    policy = policies.labels.get(incident.label)
    start = incident.start if policy is None else incident.start - policy.pre_roll
    start = max(start, Fraction(0))
    if plan is None:
        return EvidencePlan(incident=incident, cut_from=start)
    if plan.clips or plan.capped:
        return replace(plan, incident=incident)
    return replace(plan, incident=incident, cut_from=start)


def plan_open(
    plan: EvidencePlan, end: Fraction, settings: EvidenceSettings
) -> tuple[EvidencePlan, tuple[ClipDue, ...]]:
    """Return the clips that are complete once the stream has reached ``end``."""
    due: list[ClipDue] = []
    while end - plan.cut_from >= settings.clip_seconds:
        plan, clips = _plan_until(plan, plan.cut_from + settings.clip_seconds, settings)
        due += clips
    return plan, tuple(due)


def plan_rest(
    plan: EvidencePlan, end: Fraction, policies: Policies, settings: EvidenceSettings
) -> tuple[EvidencePlan, tuple[ClipDue, ...]]:
    """Return the clips that are left of an incident that closed, up to its post-roll.

    ``end`` is how far the stream has come: nothing beyond it is cut.
    """
    policy = policies.labels.get(plan.incident.label)
    until = end_of(plan.incident)
    if policy is not None:
        until += policy.post_roll
    shown = min(until, end)
    due: list[ClipDue] = []
    while shown - plan.cut_from > settings.clip_seconds:
        plan, clips = _plan_until(plan, plan.cut_from + settings.clip_seconds, settings)
        due += clips
    if shown > plan.cut_from or not (plan.clips or plan.capped):
        plan, clips = _plan_until(plan, until, settings)
        due += clips
    return plan, tuple(due)


def sheet_due(
    incident: Incident, index: SegmentIndex, policies: Policies, settings: EvidenceSettings
) -> SheetDue | None:
    """Return the contact sheet of an incident that closed; None where no sample of it is known."""
    chosen = _spread(index.samples_within(incident.start, end_of(incident)), settings.frames)
    if not chosen:
        return None
    label = incident.label
    captions = (
        _caption(sample.at, label, _known_risk(sample.risk, label, policies)) for sample in chosen
    )
    return SheetDue(
        name=incident.id, times=tuple(sample.at for sample in chosen), captions=tuple(captions)
    )


def picture_due(path: str, summary: StreamSummary) -> SheetDue | None:
    """Return the sheet of a still picture; None where it was not flagged."""
    if not summary.flagged:
        return None
    digest = sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    label, at = summary.flagged[0], Fraction(0)
    caption = f"{label} score {percent(summary.peak_score[label])}"
    return SheetDue(name=f"still-{digest}", times=(at,), captions=(caption,))


def needed_since(plans: Iterable[EvidencePlan], end: Fraction, policies: Policies) -> Fraction:
    """Return the stream second back to which sources and samples may still be needed.

    A running incident needs its beginning for its contact sheet; one that opens next can begin as
    far back as its label's window reaches.
    """
    reach = max(
        (policy.window + policy.hold + policy.pre_roll for policy in policies.labels.values()),
        default=Fraction(0),
    )
    starts = (min(plan.cut_from, plan.incident.start) for plan in plans)
    return min((end - reach, *starts))


def end_of(incident: Incident) -> Fraction:
    """Return when an incident was last seen; while it runs, when it opened."""
    return incident.opened if incident.end is None else incident.end


def _plan_until(
    plan: EvidencePlan, until: Fraction, settings: EvidenceSettings
) -> tuple[EvidencePlan, tuple[ClipDue, ...]]:
    """Return the clip up to ``until``; none where the incident has as many as it may have."""
    until = max(until, plan.cut_from)
    if plan.clips >= settings.clips:
        return replace(plan, cut_from=until, capped=True), ()
    due = ClipDue(
        incident_id=plan.incident.id,
        number=plan.clips + 1,
        span=Span(start=plan.cut_from, end=until),
    )
    return replace(plan, cut_from=until, clips=plan.clips + 1), (due,)


def _spread(items: Sequence[T], most: int) -> tuple[T, ...]:
    """Return at most ``most`` of the items, evenly spread, with the first and the last."""
    if len(items) <= most:
        return tuple(items)
    if most == 1:
        return (items[0],)
    steps = (round(index * (len(items) - 1) / (most - 1)) for index in range(most))
    return tuple(items[step] for step in steps)


def _known_risk(risk: FrameRisk, label: Label, policies: Policies) -> float | None:
    """Return the label's risk; None where its level is not known, and the risk only the prior."""
    return None if risk.levels.get(label) is None else risk.risks(policies).get(label)


def _caption(at: Fraction, label: str, risk: float | None) -> str:
    text = f"{clock(float(at))}  {label}"
    return text if risk is None else f"{text} risk {percent(risk)}"

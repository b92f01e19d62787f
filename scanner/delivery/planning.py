"""Which pieces of evidence become due as turns of a stream are folded: pure and resumable.

A plan sees the recorded turns of its stream one by one, from the one in which its incident opened,
so that it depends on nothing but the journal: stopped and started at any turn, it makes the same
pieces due.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Self

from scanner.evidence.plan import (
    ClipDue,
    EvidencePlan,
    end_of,
    plan_open,
    plan_rest,
    revise,
)
from scanner.rational import dump_fraction, load_fraction
from scanner.risk.incident import Closed, Extended, Incident, Opened
from scanner.risk.policy import Policies
from scanner.settings.sections import EvidenceSettings
from scanner.stream.events import SegmentScored, StreamEvent

__all__ = ["JournalPlan", "PieceDue", "plan_turn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPlan:
    """The part of one incident's evidence that is planned."""

    incident_id: str
    plan: EvidencePlan | None = None
    """None before the incident opened."""
    end: Fraction = Fraction(0)
    """Stream seconds up to which the stream was folded, as far as this plan has seen it."""
    complete: bool = False
    """True once nothing more becomes due: the incident closed, or has as many clips as it may
    have. An incident that lasts for days keeps no media of its stream after that."""

    @property
    def is_capped(self) -> bool:
        """Whether a part has no clip because the incident has as many as it may have."""
        return self.plan is not None and self.plan.capped

    def to_json(self) -> dict[str, Any]:
        """Return the plan as ``json.dumps`` takes it."""
        return {
            "plan": None if self.plan is None else self.plan.to_json(),
            "end": dump_fraction(self.end),
            "complete": self.complete,
        }

    @classmethod
    def from_json(cls, incident_id: str, data: Mapping[str, Any] | None) -> Self:
        """Return the plan that ``to_json`` wrote; a new one for None."""
        if data is None:
            return cls(incident_id=incident_id)
        return cls(
            incident_id=incident_id,
            plan=None if data["plan"] is None else EvidencePlan.from_json(data["plan"]),
            end=load_fraction(data["end"]),
            complete=data["complete"],
        )


PieceDue = tuple[str, Mapping[str, Any]]
"""The name of a piece, such as ``clip-1`` or ``sheet``, and what is to be made, as JSON."""


def plan_turn(
    plan: JournalPlan,
    events: Iterable[StreamEvent],
    policies: Policies,
    settings: EvidenceSettings,
) -> tuple[JournalPlan, tuple[PieceDue, ...]]:
    """Show one recorded turn to a plan; return the plan after it and the pieces that became due."""
    due: list[PieceDue] = []
    for event in events:
        if plan.complete:
            break
        match event:
            case SegmentScored(span=span):
                plan, pieces = _plan_running(plan, settings)
                plan = replace(plan, end=max(plan.end, span.end))
                due += pieces
            case Opened(incident=incident) | Extended(incident=incident):
                if incident.id == plan.incident_id:
                    plan = replace(plan, plan=revise(plan.plan, incident, policies))
            case Closed(incident=incident):
                if incident.id == plan.incident_id:
                    revised = revise(plan.plan, incident, policies)
                    rest, clips = plan_rest(revised, plan.end, policies, settings)
                    plan = replace(plan, plan=rest, complete=True)
                    due += [*map(_clip_piece, clips), _sheet_piece(incident, end_of(incident))]
    return plan, tuple(due)


def _plan_running(
    plan: JournalPlan, settings: EvidenceSettings
) -> tuple[JournalPlan, tuple[PieceDue, ...]]:
    """Return the clips that are complete; with the last one that an incident may have, its
    sheet."""
    if plan.plan is None:
        return plan, ()
    grown, clips = plan_open(plan.plan, plan.end, settings)
    pieces = [_clip_piece(clip) for clip in clips]
    if grown.capped:
        pieces.append(_sheet_piece(grown.incident, grown.cut_from))
    return replace(plan, plan=grown, complete=grown.capped), tuple(pieces)


def _clip_piece(clip: ClipDue) -> PieceDue:
    return f"clip-{clip.number}", clip.to_json()


def _sheet_piece(incident: Incident, until: Fraction) -> PieceDue:
    return "sheet", {"incident": incident.to_json(), "until": dump_fraction(until)}

"""Incidents: lasting excursions of a stream's risk, and the events that report them.

A label's *excursion* lasts from its opening to its closing. Excursions that overlap are one
incident with several labels: it keeps the identity of the first and closes with the last.
Excursions in shadow make incidents of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import Any, Final, Literal

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.types import Label, StreamId

__all__ = [
    "Closed",
    "Escalation",
    "Extended",
    "Incident",
    "Opened",
    "PastIncident",
    "Reason",
    "RiskEvent",
    "incident_id",
]

ID_LENGTH: Final = 16
"""Hexadecimal digits of an incident's id: 64 bits, so that a collision is to be expected only among
four thousand million incidents."""


class Reason(StrEnum):
    """Reason for which an incident closed."""

    QUIET = "quiet"
    """The level stayed low for long enough, in time that was seen."""
    UNSEEN = "unseen"
    """Too much time was not seen; how the incident continued is not known."""
    ENDED = "ended"
    """The stream ended."""
    WITHDRAWN = "withdrawn"
    """The label's policy was removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """One step by which the severity of an incident rose."""

    at: Fraction
    """Stream seconds."""
    rule: Literal["lasted", "recurred"]
    reason: str
    """The reason in words."""

    def to_json(self) -> dict[str, Any]:
        """Return the step as ``json.dumps`` takes it."""
        return {"at": dump_fraction(self.at), "rule": self.rule, "reason": self.reason}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Escalation:
        """Return the step that ``to_json`` wrote."""
        return cls(at=load_fraction(data["at"]), rule=data["rule"], reason=data["reason"])


@dataclass(frozen=True, slots=True, kw_only=True)
class PastIncident:
    """An earlier incident of the stream, or of another stream of its channel."""

    id: str
    opened: Fraction
    """Stream seconds; below 0 before the stream began."""
    labels: tuple[Label, ...]
    shadow: bool = False

    def to_json(self) -> list[Any]:
        """Return the incident as ``json.dumps`` takes it, short: a state has several."""
        return [self.id, dump_fraction(self.opened), list(self.labels), self.shadow]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> PastIncident:
        """Return the incident that ``to_json`` wrote."""
        name, opened, labels, shadow = data
        return cls(
            id=name,
            opened=load_fraction(opened),
            labels=tuple(Label(label) for label in labels),
            shadow=shadow,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident as of one revision; deliveries are identified by (id, revision)."""

    id: str
    """Hash of the stream, the first label and the opening; the same on replay."""
    stream_id: StreamId
    label: Label
    """The leading label: the most severe one, and the first of equals."""
    labels: tuple[Label, ...]
    """All labels, in the order in which they joined."""
    category: str
    """Category of the leading label."""
    severity: int
    """Severity of the leading label, raised by ``escalation``; 0 to 3."""
    start: Fraction
    """Time of the first sample that supports it; may lie before ``opened``."""
    opened: Fraction
    """Time of the sample at which it became known."""
    end: Fraction | None = None
    """Time at which it was last seen; None while it is open."""
    peak: float
    """The highest risk of any of its labels so far."""
    revision: int = 1
    reason: Reason | None = None
    """Reason for which it closed; None while it is open."""
    shadow: bool = False
    base_severity: int = -1
    """Severity of the leading label by its policy; -1 stands for ``severity``."""
    escalation: tuple[Escalation, ...] = ()
    """The steps by which the severity was raised, in order."""

    def __post_init__(self) -> None:
        if self.base_severity < 0:
            object.__setattr__(self, "base_severity", self.severity)
        if not self.base_severity <= self.severity:
            raise ValueError(
                f"incident {self.id}: severity {self.severity} is below {self.base_severity},"
                " that of its label"
            )
        if not self.start <= self.opened:
            raise ValueError(
                f"incident {self.id}: starts at {self.start} s, after it opened at {self.opened} s"
            )
        if self.end is not None and not self.start <= self.end:
            raise ValueError(
                f"incident {self.id}: ends at {self.end} s, before it starts at {self.start} s"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the incident as ``json.dumps`` takes it; what raised its severity is left out
        where nothing did."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        steps = [step.to_json() for step in data.pop("escalation")]
        base = data.pop("base_severity")
        raised = {"base_severity": base, "escalation": steps} if steps else {}
        return {
            **data,
            **raised,
            "labels": list(self.labels),
            "start": dump_fraction(self.start),
            "opened": dump_fraction(self.opened),
            "end": dump_optional(self.end),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Incident:
        """Return the incident that ``to_json`` wrote."""
        exact = {
            "labels": tuple(data["labels"]),
            "start": load_fraction(data["start"]),
            "opened": load_fraction(data["opened"]),
            "end": load_optional(data["end"]),
            "reason": None if data["reason"] is None else Reason(data["reason"]),
            "escalation": tuple(map(Escalation.from_json, data.get("escalation", ()))),
        }
        return cls(**{**data, **exact})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new incident opened."""

    at: Fraction
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """An open incident has a further label or a higher severity (reported at once), or grew longer
    or higher (reported every ``Policies.retell`` seconds)."""

    at: Fraction
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """An incident closed; this revision is its last."""

    at: Fraction
    incident: Incident


RiskEvent = Opened | Extended | Closed


def incident_id(stream_id: StreamId, label: Label, opened: Fraction) -> str:
    """Return the identity of the incident that a label opens.

    >>> stream, fire = StreamId("s"), Label("fire")
    >>> incident_id(stream, fire, Fraction(5, 2)) == incident_id(stream, fire, Fraction(10, 4))
    True
    """
    return sha256(f"{stream_id}\0{label}\0{opened}".encode("utf-8", "surrogatepass")).hexdigest()[
        :ID_LENGTH
    ]

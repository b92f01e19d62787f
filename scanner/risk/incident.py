"""Incidents: lasting excursions of a stream's risk, and the events that report them.

A label's *excursion* lasts from its opening to its closing. Excursions that overlap are one
incident with several labels: it keeps the identity of the first and closes with the last.
Excursions in shadow make incidents of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import Any, Final

from scanner.rational import dump_fraction, dump_optional, load_fraction, load_optional
from scanner.types import Label, StreamId

__all__ = ["Closed", "Extended", "Incident", "Opened", "Reason", "RiskEvent", "incident_id"]

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

    def __post_init__(self) -> None:
        if not self.start <= self.opened:
            raise ValueError(
                f"incident {self.id}: starts at {self.start} s, after it opened at {self.opened} s"
            )
        if self.end is not None and not self.start <= self.end:
            raise ValueError(
                f"incident {self.id}: ends at {self.end} s, before it starts at {self.start} s"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the incident as ``json.dumps`` takes it."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            **data,
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
        }
        return cls(**{**data, **exact})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A new incident opened."""

    at: Fraction
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """An open incident has a further label (reported at once), or grew longer or higher (reported
    every ``Policies.retell`` seconds)."""

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

"""Incidents: lasting excursions of a stream's risk, and the events that tell of them.

A label's *excursion* runs from its opening to its closing. Excursions that overlap are one incident
with several labels; it keeps the identity of the first and closes with the last. Shadow excursions
make incidents of their own.
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
"""Hexadecimal digits: 64 bits, of which two in four thousand million incidents may be alike."""


class Reason(StrEnum):
    """Why an incident is over."""

    QUIET = "quiet"
    """The level stayed low while people could see it."""
    UNSEEN = "unseen"
    """Nobody could look for too long; what became of it is not known."""
    ENDED = "ended"
    """The stream is over."""
    WITHDRAWN = "withdrawn"
    """The label has no policy any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What is known of one incident. Delivered by (id, revision)."""

    id: str
    """Stable on replay: a hash of the stream, the first label and the opening."""
    stream_id: StreamId
    label: Label
    """The leading one: the most severe; among equals, the first."""
    labels: tuple[Label, ...]
    """In the order in which they joined."""
    category: str
    """The leading label's."""
    severity: int
    start: Fraction
    """When it was first seen; may lie before it was known."""
    opened: Fraction
    """The sample at which it was known."""
    end: Fraction | None = None
    """When it was last seen; None while it runs."""
    peak: float
    """The highest risk of any of its labels so far."""
    revision: int = 1
    reason: Reason | None = None
    """Why it is over; None while it runs."""
    shadow: bool = False

    def __post_init__(self) -> None:
        if not self.start <= self.opened:
            raise ValueError(
                f"incident {self.id}: starts at {self.start} s, after it was known at {self.opened} s"
            )
        if self.end is not None and not self.start <= self.end:
            raise ValueError(
                f"incident {self.id}: ends at {self.end} s, before it starts at {self.start} s"
            )

    def to_json(self) -> dict[str, Any]:
        """What ``json.dumps`` takes."""
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
        """The incident that ``to_json`` wrote."""
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
    """A new incident is known."""

    at: Fraction
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """A running incident has a further label (told at once), or grew longer or higher (told every
    ``Policies.retell``)."""

    at: Fraction
    incident: Incident


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """An incident is over; this revision is its last."""

    at: Fraction
    incident: Incident


RiskEvent = Opened | Extended | Closed


def incident_id(stream_id: StreamId, label: Label, opened: Fraction) -> str:
    """The identity of the incident that a label opens.

    >>> incident_id(StreamId("s"), Label("fire"), Fraction(5, 2)) == incident_id(StreamId("s"), Label("fire"), Fraction(10, 4))
    True
    """
    return sha256(f"{stream_id}\0{label}\0{opened}".encode("utf-8", "surrogatepass")).hexdigest()[
        :ID_LENGTH
    ]

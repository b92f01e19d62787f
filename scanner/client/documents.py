"""What the service answers, as typed dictionaries: the documents of its HTTP interface.

Times with ``_at`` are seconds since the epoch, others are seconds of the stream's clock. A later
release of the service may add keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

__all__ = [
    "IncidentDetailDocument",
    "IncidentDocument",
    "PictureDocument",
    "RiskDocument",
    "SegmentDocument",
    "ServiceEvent",
    "StreamDocument",
]


class SegmentDocument(TypedDict):
    """The state of a segment, and its verdict once it has one."""

    stream_id: str
    sequence: int
    channel: str | None
    state: str
    verdict: str | None
    verdict_at: float | None
    detail: dict[str, Any] | None
    span: dict[str, float] | None
    bytes: int
    sha256: str
    received_at: float
    stage: str


class StreamDocument(TypedDict):
    """A stream: what was delivered, how far it is scored, its risk and its coverage."""

    stream_id: str
    kind: str
    channel: str | None
    state: str
    created_at: float
    last_arrival: float | None
    folded_at: float | None
    ended_at: float | None
    end_reason: str | None
    first_sequence: int | None
    last_sequence: int | None
    declared: dict[str, Any]
    turns: int
    open_incidents: int
    generation: int
    seconds: float | None
    coverage: float | None
    unseen: dict[str, float]
    risk: dict[str, float]
    peaks: dict[str, float]
    segments: dict[str, int] | None


class RiskDocument(TypedDict):
    """Levels of a stream's labels over time, a page of them."""

    stream_id: str
    channel: str | None
    samples: list[dict[str, Any]]
    next_turn: int | None


class PictureDocument(TypedDict):
    """A picture, its verdict and its scores."""

    image_id: str
    channel: str | None
    state: str
    verdict: str | None
    detail: dict[str, Any] | None
    sha256: str
    received_at: float
    scores: dict[str, float]
    medium: dict[str, float]
    flagged: list[str]
    models: list[str]


class IncidentDocument(TypedDict):
    """An incident at its latest revision."""

    id: str
    revision: int
    stream_id: str
    channel: str | None
    label: str
    labels: list[str]
    category: str
    severity: int
    base_severity: int
    escalation: list[dict[str, Any]]
    risk: float
    start: float
    opened: float
    end: float | None
    exact: dict[str, list[int] | None]
    reason: str | None
    detection: str
    shadow: bool
    opened_at: float
    updated_at: float


class IncidentDetailDocument(IncidentDocument):
    """An incident with its revisions, evidence, deliveries, and why it was opened."""

    revisions: list[dict[str, Any]]
    evidence: list[dict[str, Any]]
    deliveries: list[dict[str, Any]]
    why: list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEvent:
    """One event of the service."""

    number: int
    """Rises with each event; a reader continues after the last number that it knows."""
    kind: str
    """Such as ``incident.opened``; ``gap`` says that earlier events are no longer kept."""
    data: dict[str, Any]

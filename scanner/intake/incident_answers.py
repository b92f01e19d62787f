"""The bodies of answers about incidents, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "DeliveryFacts",
    "EvidenceFacts",
    "IncidentDetail",
    "IncidentFacts",
    "IncidentList",
    "RevisionFacts",
]

ExactTime = tuple[int, int]


class IncidentFacts(BaseModel):
    """An incident at its latest revision; times are seconds of the stream's clock."""

    id: str
    revision: int
    stream_id: str
    channel: str | None
    label: str = Field(description="the leading label: the most severe, and the first of equals")
    labels: list[str]
    category: str
    severity: int
    risk: float = Field(description="the highest risk so far, 0 to 1")
    start: float = Field(description="the first sample that supports it")
    opened: float = Field(description="the sample at which it became known")
    end: float | None = Field(description="when it was last seen; null while it is open")
    exact: dict[str, ExactTime | None] = Field(
        description="`start`, `opened` and `end` as numerator and denominator"
    )
    reason: Literal["quiet", "unseen", "ended", "withdrawn"] | None = Field(
        description="why it closed; null while it is open"
    )
    detection: Literal["open", "closed"]
    shadow: bool
    opened_at: float = Field(description="wall-clock time of its first revision")
    updated_at: float = Field(description="wall-clock time of its latest revision")


class IncidentList(BaseModel):
    """A page of incidents."""

    incidents: list[IncidentFacts]
    next: str | None = Field(description="`cursor` of the next page; null for the last")


class RevisionFacts(BaseModel):
    """One revision of an incident."""

    revision: int
    kind: Literal["opened", "extended", "closed"]
    label: str
    labels: list[str]
    risk: float
    end: float | None
    generation: int = Field(description="configuration that it was made with")
    created_at: float = Field(description="wall-clock time")


class EvidenceFacts(BaseModel):
    """One piece of evidence: a clip, a poster, a contact sheet."""

    piece: str
    status: str = Field(description="`due`, `cut`, `failed`, `deleting` or `deleted`")
    result: dict[str, Any] | None
    reason: str | None = Field(description="why it failed")
    updated_at: float


class DeliveryFacts(BaseModel):
    """The delivery of one revision to one receiver."""

    sink: str
    revision: int
    status: str = Field(description="`pending`, `delivered`, `skipped` or `dead`")
    attempts: int
    next_at: float | None = Field(description="when it is tried next, if it is")
    error: str | None = Field(description="of the latest attempt")
    receipt: dict[str, Any] | None = Field(description="what the receiver answered")
    updated_at: float


class IncidentDetail(IncidentFacts):
    """An incident with its history, its evidence and its deliveries."""

    revisions: list[RevisionFacts]
    evidence: list[EvidenceFacts]
    deliveries: list[DeliveryFacts]

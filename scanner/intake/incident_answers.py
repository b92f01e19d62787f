"""The bodies of answers about incidents, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = [
    "DeliveryFacts",
    "EscalationFacts",
    "EvidenceFacts",
    "IncidentDetail",
    "IncidentFacts",
    "IncidentList",
    "ReasonFacts",
    "RevisionFacts",
    "ScoreFacts",
]

ExactTime = tuple[int, int]


class EscalationFacts(BaseModel):
    """One step by which the severity of an incident was raised."""

    at: float = Field(description="seconds of the stream's clock")
    rule: Literal["lasted", "recurred"]
    reason: str = Field(description="in words")


class IncidentFacts(BaseModel):
    """An incident at its latest revision; times are seconds of the stream's clock."""

    id: str
    revision: int
    stream_id: str
    channel: str | None
    label: str = Field(description="the leading label: the most severe, and the first of equals")
    labels: list[str]
    category: str
    severity: int = Field(description="that of the leading label, raised by `escalation`")
    base_severity: int = Field(description="that of the leading label")
    escalation: list[EscalationFacts] = Field(
        description="the steps by which the severity was raised, in order"
    )
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
    severity: int
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


class ScoreFacts(BaseModel):
    """One sample that supports a label."""

    at: float = Field(description="stream second")
    score: float
    models: dict[str, float] = Field(description="score by model, as `name@version`")


class ReasonFacts(BaseModel):
    """Why a label became part of an incident."""

    label: str
    revision: int = Field(description="revision with which the label joined")
    generation: int = Field(description="configuration that it was made with")
    at: float = Field(description="stream second at which it joined")
    score: float | None = Field(description="the highest score of the evidence")
    level: float | None = Field(
        description="log-odds of the evidence then; `policy.open` was needed"
    )
    boost: float = Field(description="log-odds that signals added")
    models: list[str] = Field(description="`name@version` of each model that scored the evidence")
    evidence: tuple[float, float] | None = Field(
        description="stream seconds of the first and the last sample"
    )
    samples: list[ScoreFacts] = Field(description="the latest samples of the evidence")
    signals: list[dict[str, str | float]] = Field(description="signals in force then")
    policy: dict[str, Any] | None = Field(
        description="all values of the label's policy, such as `method`, `open` and `dwell`"
    )


class IncidentDetail(IncidentFacts):
    """An incident with its history, its evidence and its deliveries."""

    why: list[ReasonFacts] = Field(
        description="reason of each label; without those whose scores are no longer kept"
    )
    revisions: list[RevisionFacts]
    evidence: list[EvidenceFacts]
    deliveries: list[DeliveryFacts]

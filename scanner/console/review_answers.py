"""The bodies of requests and answers about items and decisions, for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from scanner.intake.parameters import FrozenInput, SequenceNumber, example
from scanner.store.reviews import MuteRequest, Verdict

__all__ = [
    "AssignmentInput",
    "BulkDecision",
    "BulkResult",
    "ClaimAnswer",
    "DecisionAnswer",
    "DecisionFacts",
    "DecisionInput",
    "DecisionList",
    "ItemDetail",
    "ItemFacts",
    "MuteInput",
    "QueueCounts",
    "QueuePage",
]

ItemState = Literal["waiting", "second_look", "escalated", "decided", "muted"]
ItemName = Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$")]


class MuteInput(FrozenInput):
    """The item's label, whose further incidents are recorded and not queued for a while."""

    scope: Literal["stream", "channel"] = "stream"
    seconds: Annotated[float, Field(gt=0, le=90 * 86400)]

    def request(self) -> MuteRequest:
        """Return it as the journal takes it."""
        return MuteRequest(scope=self.scope, seconds=self.seconds)


class DecisionInput(
    FrozenInput,
    json_schema_extra=example(
        verdict="no_violation", note="a toy", mute={"scope": "stream", "seconds": 3600.0}
    ),
):
    """A decision about one item."""

    verdict: Verdict
    reason: Annotated[str, Field(max_length=100)] | None = Field(
        default=None,
        description="label of the taxonomy that is violated; without it the item's label",
    )
    note: Annotated[str, Field(max_length=2000)] = Field(
        default="", description="for other reviewers; it does not leave the service"
    )
    mute: MuteInput | None = Field(default=None, description="with `no_violation` only")


class BulkDecision(
    DecisionInput,
    json_schema_extra=example(verdict="violation", reason="gun", items=["3f9a61c0b2d84e75"]),
):
    """The same decision about several items."""

    items: Annotated[list[ItemName], Field(min_length=1, max_length=200)]


class AssignmentInput(FrozenInput, json_schema_extra=example(person="b71d03e4", state="escalated")):
    """Who is to decide an item, and in which state it waits."""

    person: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="id of a user; null for everybody"
    )
    state: Literal["waiting", "second_look", "escalated"] | None = None


class ItemFacts(BaseModel):
    """An item: an incident of a live policy, or a flagged picture. Times are seconds since the
    epoch."""

    item_id: str = Field(description="id of the incident; of a picture an id of its own")
    kind: Literal["incident", "image"]
    stream_id: str = Field(description="of a picture its image id")
    channel: str | None
    label: str
    labels: list[str]
    category: str
    severity: int
    risk: float
    state: ItemState
    flagged_at: float
    waiting_since: float
    age: float = Field(description="seconds since it was flagged")
    assigned_to: str | None
    claimed_by: str | None = Field(description="id of the user who works on it now")
    claimed_until: float | None
    returned: str | None = Field(
        description="why it came back: `grew`, `undone`, `undelivered: RECEIVER`, `quota: RECEIVER`"
    )
    verdict: Literal["violation", "no_violation"] | None = Field(description="if it is decided")


class QueuePage(BaseModel):
    """A page of items, the most urgent first."""

    items: list[ItemFacts]
    next: str | None = Field(description="`cursor` of the next page; null for the last")


class QueueCounts(BaseModel):
    """Items that wait for a decision."""

    pending: int
    claimed: int
    states: dict[str, int]
    categories: dict[str, int]
    severities: dict[str, int]
    oldest_at: float | None = Field(description="when the oldest was flagged")


class DecisionFacts(BaseModel):
    """A decision, or that one was undone; rows never change."""

    number: int = Field(description="rises in the order in which decisions became durable")
    decision_id: str
    item_id: str
    kind: Literal["made", "undone"]
    undoes: int | None = Field(description="number of the decision that this row ends")
    undone_by: int | None = Field(description="number of the row that ended this one")
    verdict: Verdict
    reason: str | None
    note: str
    by: Literal["human", "machine"]
    reviewer: str = Field(description="opaque id")
    final: bool = Field(description="whether it ended the item's review, and left by webhook")
    created_at: float
    item: dict[str, Any] | None = None


class DecisionList(BaseModel):
    """A page of decisions in the order in which they became durable."""

    decisions: list[DecisionFacts]
    next: int = Field(description="`after` of the next request, also if this page is empty")


class ItemDetail(ItemFacts):
    """An item with its decisions, their deliveries, and the mutes in force."""

    decisions: list[DecisionFacts]
    deliveries: list[dict[str, Any]]
    mutes: list[dict[str, Any]]


class DecisionAnswer(BaseModel):
    """A decision that is durable."""

    number: int
    decision_id: str
    item_id: str
    verdict: Verdict
    state: ItemState = Field(description="of the item, after it")
    final: bool
    repeated: bool = Field(description="whether it was known already, and nothing was written")


class BulkResult(BaseModel):
    """What became of each item of a selection."""

    decided: list[DecisionAnswer]
    refused: dict[str, str] = Field(description="reason by item")


class ClaimAnswer(BaseModel):
    """Whether an item is the sender's to decide."""

    claimed: bool
    item: ItemFacts | None


class AfterNumber(FrozenInput):
    """A page of a list that is numbered."""

    after: SequenceNumber = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100

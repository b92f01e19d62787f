"""The API of the review console: the queue, claims, decisions."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.requests import Request

from scanner.console.review_answers import (
    AfterNumber,
    AssignmentInput,
    BulkDecision,
    BulkResult,
    ClaimAnswer,
    DecisionAnswer,
    DecisionInput,
    DecisionList,
    ItemDetail,
    ItemFacts,
    QueueCounts,
    QueuePage,
)
from scanner.console.reviewing import (
    assign_item,
    claim_item,
    decide_item,
    release_item,
    seen_item,
    sight_of,
    undo_item,
)
from scanner.console.session import Role, check_csrf, person_of, require_role
from scanner.intake.context import context_of
from scanner.intake.parameters import NAME, Page
from scanner.intake.problems import Problem, problem_responses
from scanner.store.review_queries import QueueFilter
from scanner.store.review_schema import PENDING_STATES
from scanner.store.reviews import RecordedDecision

__all__ = ["QueueQuery", "queue_cursor", "read_queue_cursor", "review_routes"]

review_routes = APIRouter(prefix="/v1", tags=["reviews"], dependencies=[Depends(check_csrf)])

ItemId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$", description="id of an incident or item")]
_READ = ("unauthenticated", "forbidden", "invalid_request")
_ITEM = (*_READ, "not_found")
_DECIDE = (*_ITEM, "claimed", "decided", "second_person")


class QueueQuery(Page):
    """A page of the items that fit all of these."""

    state: Literal["pending", "waiting", "claimed", "second_look", "escalated"] | None = None
    outcome: Literal["decided", "muted"] | None = Field(
        default=None, description="those of which nobody has to decide, instead"
    )
    category: Annotated[str, Field(max_length=100)] | None = None
    label: Annotated[str, Field(max_length=100)] | None = None
    stream_id: Annotated[str, Field(max_length=200)] | None = None
    channel: Annotated[str, Field(pattern=NAME)] | None = None
    kind: Literal["incident", "image"] | None = None
    assigned_to: Annotated[str, Field(max_length=100)] | None = None
    min_age: Annotated[float, Field(ge=0)] | None = Field(default=None, description="seconds")
    search: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="part of the name of a stream, channel or label, or of an id"
    )

    def wanted(self) -> QueueFilter:
        """Return it as the journal takes it."""
        states: tuple[str, ...] = PENDING_STATES
        if self.outcome is not None:
            states = (self.outcome,)
        elif self.state in PENDING_STATES:
            states = (str(self.state),)
        return QueueFilter(
            states=states,
            is_claimed={"claimed": True, "waiting": False}.get(self.state or ""),
            category=self.category,
            label=self.label,
            stream_id=self.stream_id,
            channel=self.channel,
            kind=self.kind,
            assigned_to=self.assigned_to,
            older_than=self.min_age,
            search=self.search,
        )


def queue_cursor(item: dict[str, Any]) -> str:
    """Return the cursor after an item of the queue."""
    place = [item["rank"], item["waiting_since"], item["item_id"]]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_queue_cursor(text: str | None) -> tuple[float, float, str] | None:
    """Return the place of the item before a page.

    Raises:
        Problem: ``invalid_request``.
    """
    if text is None:
        return None
    try:
        place = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        rank, since, item_id = place
        return float(rank), float(since), str(item_id)
    except (ValueError, TypeError) as error:
        raise Problem("invalid_request", "query.cursor: not one that a page gave") from error


@review_routes.get("/reviews", responses=problem_responses(*_READ))
async def list_items(request: Request, which: Annotated[QueueQuery, Query()]) -> QueuePage:
    """List the items of the queue, the most urgent first: by severity, risk and waiting time."""
    context, person = context_of(request), person_of(request)
    found = await context.read(
        context.review_queries.queue,
        which.wanted(),
        sight_of(person),
        after=read_queue_cursor(which.cursor),
        limit=which.limit + 1,
    )
    page = found[: which.limit]
    following = queue_cursor(page[-1]) if len(found) > which.limit else None
    return QueuePage.model_validate({"items": page, "next": following})


@review_routes.get("/reviews/counts", responses=problem_responses(*_READ))
async def count_items(request: Request) -> QueueCounts:
    """Count the items that wait for a decision, by state, category and severity."""
    context, person = context_of(request), person_of(request)
    counts = await context.read(context.review_queries.counts, sight_of(person))
    return QueueCounts.model_validate(counts)


@review_routes.post("/reviews/next", responses=problem_responses(*_READ))
async def claim_next(request: Request, which: Annotated[QueueQuery, Query()]) -> ClaimAnswer:
    """Claim the most urgent item that the sender may decide."""
    context = context_of(request)
    person = require_role(request, Role.MODERATOR)
    tried: list[str] = []
    while True:
        item_id = await context.read(
            context.review_queries.next_item,
            which.wanted(),
            sight_of(person),
            person.user_id,
            leads=person.has_role(Role.LEAD),
            without=tried,
        )
        if item_id is None:
            return ClaimAnswer(claimed=False, item=None)
        if await claim_item(context, person, item_id):
            item = await seen_item(context, person, item_id)
            return ClaimAnswer(claimed=True, item=ItemFacts.model_validate(item))
        tried.append(item_id)


@review_routes.get("/reviews/{item_id}", responses=problem_responses(*_ITEM))
async def get_item(request: Request, item_id: ItemId) -> ItemDetail:
    """Return an item with its decisions and their deliveries."""
    context, person = context_of(request), person_of(request)
    item = await seen_item(context, person, item_id)
    await context.audit(person, "view", item_id)
    return ItemDetail.model_validate(item)


@review_routes.post("/reviews/{item_id}/claim", responses=problem_responses(*_ITEM))
async def claim(request: Request, item_id: ItemId) -> ClaimAnswer:
    """Take or renew the lease of an item: nobody else can decide it meanwhile."""
    context, person = context_of(request), person_of(request)
    claimed = await claim_item(context, person, item_id)
    item = await seen_item(context, person, item_id)
    return ClaimAnswer(claimed=claimed, item=ItemFacts.model_validate(item))


@review_routes.post("/reviews/{item_id}/release", responses=problem_responses(*_ITEM))
async def release(request: Request, item_id: ItemId) -> ClaimAnswer:
    """Give the lease of an item back."""
    context, person = context_of(request), person_of(request)
    await release_item(context, person, item_id)
    item = await seen_item(context, person, item_id)
    return ClaimAnswer(claimed=False, item=ItemFacts.model_validate(item))


@review_routes.post("/reviews/{item_id}/assign", responses=problem_responses(*_ITEM, "decided"))
async def assign(request: Request, item_id: ItemId, given: AssignmentInput) -> ItemFacts:
    """Give an item to a person, or move it; for leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    if not await assign_item(context, person, item_id, given.person, given.state):
        raise Problem("decided", f"item {item_id}: nothing is to be decided")
    return ItemFacts.model_validate(await seen_item(context, person, item_id))


@review_routes.post(
    "/incidents/{item_id}/decisions", status_code=201, responses=problem_responses(*_DECIDE)
)
async def decide(request: Request, item_id: ItemId, given: DecisionInput) -> DecisionAnswer:
    """Decide an incident, or the item of a picture. The decision is durable with the answer; the
    same one sent again changes nothing."""
    context, person = context_of(request), person_of(request)
    made = await decide_item(context, person, item_id, given)
    return _answer(made)


@review_routes.post("/reviews/{item_id}/undo", responses=problem_responses(*_DECIDE, "too_late"))
async def undo(request: Request, item_id: ItemId) -> DecisionAnswer:
    """End the latest decision of an item: the sender's own for a while, any for leads."""
    context, person = context_of(request), person_of(request)
    return _answer(await undo_item(context, person, item_id))


@review_routes.post("/decisions", responses=problem_responses(*_READ))
async def decide_many(request: Request, given: BulkDecision) -> BulkResult:
    """Make the same decision about several items; those that do not allow it are named."""
    context, person = context_of(request), person_of(request)
    decided, refused = [], {}
    for item_id in dict.fromkeys(given.items):
        try:
            made = await decide_item(context, person, item_id, given)
        except Problem as problem:
            refused[item_id] = problem.detail
        else:
            decided.append(_answer(made))
    return BulkResult(decided=decided, refused=refused)


@review_routes.get("/decisions", responses=problem_responses(*_READ))
async def list_decisions(request: Request, which: Annotated[AfterNumber, Query()]) -> DecisionList:
    """List decisions and what was undone, in the order in which they became durable."""
    context, person = context_of(request), person_of(request)
    found = await context.read(
        context.review_queries.decisions, sight_of(person), after=which.after, limit=which.limit
    )
    number = found[-1]["number"] if found else which.after
    return DecisionList.model_validate({"decisions": found, "next": number})


def _answer(made: RecordedDecision) -> DecisionAnswer:
    return DecisionAnswer.model_validate(asdict(made))

"""Messages that a quota held or that were given up: leads see them and have them sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from scanner.console.rendering import lead_to
from scanner.console.reviewing import seen_item, sight_of
from scanner.console.session import (
    Person,
    Role,
    check_csrf,
    console_router,
    form_of,
    require_role,
)
from scanner.intake.context import WebContext, context_of
from scanner.intake.parameters import FrozenInput, example
from scanner.intake.problems import Problem, problem_responses
from scanner.store.unsent import UnsentItem, UnsentMessages

__all__ = ["read_unsent", "sent_notice", "unsent_api", "unsent_routes"]

unsent_routes = console_router()
unsent_api = APIRouter(prefix="/v1/reviews", tags=["reviews"], dependencies=[Depends(check_csrf)])

ItemId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]
_READ = ("unauthenticated", "forbidden", "invalid_request")


class UnsentFacts(BaseModel):
    """What one receiver was not told of one item."""

    item_id: str
    label: str
    severity: int
    state: str = Field(description="of the item")
    stream_id: str
    channel: str | None
    sink: str = Field(description="name of the receiver")
    status: Literal["held", "dead"] = Field(description="held by a quota, or given up")
    error: str | None = Field(description="why it was not sent")
    messages: int
    updated_at: float = Field(description="seconds since the epoch")


class UnsentList(BaseModel):
    """What was not sent, the latest first."""

    items: list[UnsentFacts]


class SendInput(FrozenInput, json_schema_extra=example(sink="enforcement")):
    """The receiver that is to be told; null for all of them."""

    sink: Annotated[str, Field(max_length=100)] | None = None


class SendAnswer(BaseModel):
    """How many messages are sent now."""

    messages: int


@unsent_api.get("/unsent", responses=problem_responses(*_READ))
async def list_unsent(request: Request) -> UnsentList:
    """List what receivers were not told: held by a quota of automatic actions, or given up. For
    leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    found = await read_unsent(context, person)
    return UnsentList.model_validate({"items": found}, from_attributes=True)


@unsent_api.post("/{item_id}/send", responses=problem_responses(*_READ, "not_found"))
async def send_item(request: Request, item_id: ItemId, given: SendInput) -> SendAnswer:
    """Send what a quota held or what was given up of an item, beyond every quota. For leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    return SendAnswer(messages=await _send(context, person, item_id, given.sink))


@unsent_routes.post("/review/{item_id}/send")
async def send_from_page(request: Request, item_id: ItemId) -> Response:
    """Send what was held or given up of an item, and return to the page of the button."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    form = await form_of(request)
    sent = await _send(context, person, item_id, form.text("sink") or None)
    page = "/lead" if form.text("from") == "lead" else f"/review/{item_id}"
    return lead_to(request, f"{page}?sent={sent}")


async def read_unsent(
    context: WebContext, person: Person, item_id: str | None = None
) -> list[UnsentItem]:
    """Return what was not sent of the items that a person may see, or of one of them."""
    unsent = UnsentMessages(context.journal)
    return await context.read(unsent.items, sight_of(person), item_id=item_id)


def sent_notice(request: Request) -> int | None:
    """Return how many messages were just sent, if the button was pressed."""
    number = request.query_params.get("sent", "")
    return int(number) if number.isdecimal() and len(number) < 6 else None


async def _send(context: WebContext, person: Person, item_id: str, sink: str | None) -> int:
    """Have messages sent, and record who wanted it in the same commit: the sender sees them after
    it only.

    Raises:
        Problem: ``not_found``, or ``invalid_request`` for a receiver that is not in the settings.
    """
    await seen_item(context, person, item_id)
    known = tuple(context.settings.sinks)
    if sink is not None and sink not in known:
        raise Problem("invalid_request", f"sink: no receiver {sink} is in the settings")
    sinks = known if sink is None else (sink,)

    def facts(messages: int) -> dict[str, Any] | None:
        return {"sinks": list(sinks), "messages": messages} if messages else None

    send = UnsentMessages(context.journal).send
    return await context.change(
        person, "delivery_retried", item_id, send, item_id, sinks, details=facts
    )

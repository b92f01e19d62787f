"""Server-sent events: what happened, in one numbered sequence, from any number on."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse
from starlette.requests import Request

from scanner.intake.access import Caller
from scanner.intake.context import WebContext, context_of
from scanner.intake.parameters import SequenceNumber
from scanner.intake.problems import Problem, problem_responses
from scanner.intake.sessions import session_token
from scanner.store.operation_queries import PublishedEvent

__all__ = ["event_routes"]

event_routes = APIRouter(prefix="/v1", tags=["events"])

WAIT_SECONDS: Final = 1.0
"""Longest wait for events before a check whether the process ends."""
PING_SECONDS: Final = 15
SEND_SECONDS: Final = 30.0
"""Longest time that a reader may not read before it is dropped."""
BATCH: Final = 100
SESSION_SECONDS: Final = 10.0
"""Seconds between two checks whether the session of a reader, and its rights, are the same."""

OF_ITEMS: Final = ("incident.", "decision.", "alarm.")
"""Beginnings of the types of events that may be about an item. Those that do not say its category
are for readers who see all categories: alarms, and evidence that earlier releases published."""


@event_routes.get(
    "/events",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Events; `id` is a number that rises, `event` the type, `data` a JSON"
            " document. A block with `id` alone, which comes first, is no event: it tells where the"
            " answer begins. `gap` says that events before a number are no longer kept. Every 15 s"
            " without an event there is a comment.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problem_responses("unauthenticated", "forbidden", "invalid_request"),
    },
)
async def stream_events(
    request: Request,
    last_event_id: Annotated[
        SequenceNumber | None, Header(description="the last event that was read")
    ] = None,
    after: Annotated[
        SequenceNumber | None, Query(description="the same, for a first request; 0 for all")
    ] = None,
) -> EventSourceResponse:
    """Follow what happens: new events, or those after a number first."""
    context = context_of(request)
    caller = context.caller(request, "read")
    oldest, latest = await context.read(context.operation.event_range)
    wanted = last_event_id if last_event_id is not None else after
    number = latest if wanted is None else min(wanted, latest)
    return EventSourceResponse(
        _follow(context, caller, number, oldest=oldest, request=request),
        ping=PING_SECONDS,
        send_timeout=SEND_SECONDS,
        sep="\n",
    )


async def _follow(
    context: WebContext, caller: Caller, number: int, *, oldest: int, request: Request
) -> AsyncIterator[dict[str, str]]:
    """Yield events until the process ends, or the session or key of the reader does."""
    token = session_token(request)
    checked = time.monotonic()
    yield {"id": str(number)}  # no event: a reader that is cut off begins here again
    if number < oldest - 1:
        data = json.dumps({"missing_before": oldest})
        yield {"id": str(oldest - 1), "event": "gap", "data": data}
        number = oldest - 1
    while not context.closing:
        events = await context.read(context.operation.events_after, number, limit=BATCH)
        if not token and not _has_same_rights(caller, context, request):
            return
        for event in events:
            number = event.number
            if _may_see(caller, event):
                data = json.dumps(event.body)
                yield {"id": str(event.number), "event": event.kind, "data": data}
        if token and time.monotonic() - checked > SESSION_SECONDS:
            checked = time.monotonic()
            session = await context.read(context.sessions.find, token)
            if session is None or session.person != caller.user:
                return
        if len(events) < BATCH:
            await context.latest_event.wait_beyond(number, WAIT_SECONDS)


def _has_same_rights(caller: Caller, context: WebContext, request: Request) -> bool:
    """Return whether the key of a program, or having none, still gives it the same rights."""
    try:
        client = request.scope.get("client")
        return context.watch.now.access.identify(request.headers, client) == caller
    except Problem:
        return False


def _may_see(caller: Caller, event: PublishedEvent) -> bool:
    """Return whether an event is of a channel and a category that the reader may see."""
    about = event.body.get("item", event.body)
    category = about.get("category")
    if category is None and caller.hidden_categories and event.kind.startswith(OF_ITEMS):
        return False
    return caller.sees(about.get("channel"), category)

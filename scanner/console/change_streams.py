"""Server-sent events that tell an open page that its content has changed.

An event has the version of what there is now, and no content: the page, which knows the version
that it shows, then loads the part that changes, with the rights of that request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Final

from fastapi import APIRouter, Path
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request

from scanner.console.reviewing import seen_item, sight_of
from scanner.console.session import person_of
from scanner.intake.context import WebContext, context_of
from scanner.intake.problems import Problem
from scanner.intake.sessions import session_token
from scanner.store.people import Person
from scanner.store.review_versions import item_version, queue_version

__all__ = ["change_routes"]

change_routes = APIRouter(include_in_schema=False)

WAIT_SECONDS: Final = 1.0
"""Longest wait for a change before a check whether the process ends."""
ITEM_SECONDS: Final = 1.0
"""Seconds between two looks at an item that is on a page."""
SESSION_SECONDS: Final = 10.0
"""Seconds between two checks whether the session of a page, and its rights, are the same; they are
checked before each event too."""
PING_SECONDS: Final = 15
"""Longest time without an event: pages open a connection that is silent for longer again."""
SEND_SECONDS: Final = 30.0
"""Longest time that a browser may not read before it is dropped."""
MOST_PAGES: Final = 30
"""Pages of one person that follow changes at once; hidden ones do not."""
RETRY_MILLISECONDS: Final = 2000
"""After which a browser connects again."""

NextVersion = Callable[[str], Awaitable[str]]
"""Returns the version at present, after a wait if it is still the one that is given."""


@change_routes.get("/queue/changes")
async def follow_queue(request: Request) -> EventSourceResponse:
    """Tell that the queue changed: of items that the person may not see nothing is told, not even
    that something happened to them."""
    context, person = context_of(request), person_of(request)
    sight = sight_of(person)

    async def wait(version: str) -> str:
        if not version:
            return await context.read(queue_version, context.journal, sight)
        return await context.queue_versions.wait_other(sight, version, WAIT_SECONDS)

    return _stream(request, person, wait)


@change_routes.get("/review/{item_id}/changes")
async def follow_item(
    request: Request, item_id: Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]
) -> EventSourceResponse:
    """Tell that an item changed, its incident, its evidence, or a delivery of its decision."""
    context, person = context_of(request), person_of(request)
    await seen_item(context, person, item_id)

    async def wait(version: str) -> str:
        if version:
            await asyncio.sleep(ITEM_SECONDS)
        return await context.read(item_version, context.journal, item_id)

    return _stream(request, person, wait)


def _stream(request: Request, person: Person, wait: NextVersion) -> EventSourceResponse:
    context = context_of(request)
    if context.followers[person.user_id] >= MOST_PAGES:
        raise Problem("busy", f"{MOST_PAGES} pages of yours follow changes", retry_after=30)
    return EventSourceResponse(
        _versions(context, person, session_token(request), wait),
        ping=PING_SECONDS,
        ping_message_factory=lambda: ServerSentEvent(event="alive", data="1"),
        send_timeout=SEND_SECONDS,
        sep="\n",
    )


async def _versions(
    context: WebContext, person: Person, token: str, wait: NextVersion
) -> AsyncIterator[ServerSentEvent]:
    """Yield each version that differs from the one before, the first one at once, until the process
    ends, or the session or the rights of the person do."""
    version, checked = "", time.monotonic()
    context.followers[person.user_id] += 1
    try:
        while not context.closing:
            found = await wait(version)
            if found != version or time.monotonic() - checked > SESSION_SECONDS:
                checked = time.monotonic()
                session = await context.read(context.sessions.find, token)
                if session is None or session.person != person:
                    return
            if found != version:
                version = found
                yield ServerSentEvent(event="version", data=version, retry=RETRY_MILLISECONDS)
    finally:
        context.followers[person.user_id] -= 1

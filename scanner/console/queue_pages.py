"""The queue as a page: what waits, the most urgent first, with everything on a key."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from scanner.console.rendering import lead_to, render
from scanner.console.review_answers import DecisionInput
from scanner.console.review_api import QueueQuery, queue_cursor, read_queue_cursor
from scanner.console.reviewing import claim_item, decide_item, sight_of, taxonomy_labels
from scanner.console.session import Person, Role, console_router, form_of, person_of, require_role
from scanner.intake.context import WebContext, context_of
from scanner.intake.problems import Problem
from scanner.store.review_queries import Sight
from scanner.store.reviews import VERDICTS

__all__ = [
    "claim_next_item",
    "latest_undoable",
    "next_page",
    "people_names",
    "queue_routes",
    "read_filter",
    "read_names",
    "return_query",
    "skip_item",
    "skipped_items",
]

queue_routes = console_router()

ROWS: Final = 50
"""Items of one page of the queue."""
FILTERS: Final = ("state", "category", "label", "channel", "stream_id", "kind", "min_age", "search")
HOUR: Final = 3600.0
SKIPPED_SECONDS: Final = 600.0
"""Time for which an item that a person skipped is not opened next for that person."""


@queue_routes.get("/")
async def start(request: Request) -> Response:
    """Lead to the queue."""
    person_of(request)
    return RedirectResponse("/queue", status_code=303)


@queue_routes.get("/incidents")
async def old_list(request: Request) -> Response:
    """Lead from the address of earlier releases to the queue."""
    person_of(request)
    return RedirectResponse("/queue", status_code=303)


@queue_routes.get("/queue")
async def show_queue(request: Request) -> Response:
    """Show the queue."""
    person = person_of(request)
    values = await _rows(request, person)
    return render(
        request,
        "queue.html",
        labels=sorted(taxonomy_labels()),
        undoable=await latest_undoable(context_of(request), person),
        **values,
    )


@queue_routes.get("/queue/rows")
async def show_rows(request: Request) -> Response:
    """Show the part of the queue that changes."""
    person = person_of(request)
    return render(request, "queue_rows.html", **await _rows(request, person))


@queue_routes.post("/queue/next")
async def open_next(request: Request) -> Response:
    """Claim the most urgent item, and open it."""
    person = require_role(request, Role.MODERATOR)
    wanted = read_filter((await form_of(request)).text("filter"))
    context_of(request).skipped.pop(person.user_id, None)
    return await next_page(request, person, wanted)


@queue_routes.post("/queue/bulk")
async def decide_selection(request: Request) -> Response:
    """Make the same decision about all selected items."""
    context, person = context_of(request), require_role(request, Role.MODERATOR)
    form = await form_of(request)
    verdict = form.text("verdict")
    if verdict not in VERDICTS:
        raise Problem("invalid_request", f"verdict: one of {', '.join(VERDICTS)}, got {verdict!r}")
    rows = [one.split() for one in form.all("labels") if one.strip()]
    shown = {name: labels for name, *labels in rows}
    given, decided = DecisionInput.model_validate({"verdict": verdict}), 0
    refused: list[str] = []
    for item_id in dict.fromkeys(form.all("item")):
        try:
            await decide_item(context, person, item_id, given, shown=shown.get(item_id))
            decided += 1
        except Problem as problem:
            refused.append(problem.detail)
    wanted = read_filter(form.text("filter"))
    query = {**_given(wanted), "decided": decided, "refused": len(refused)}
    return lead_to(request, f"/queue?{urlencode(query)}")


async def next_page(request: Request, person: Person, wanted: QueueQuery) -> Response:
    """Return the redirect to the next item, or to the queue if there is none."""
    item_id = await claim_next_item(context_of(request), person, wanted)
    query = return_query(wanted)
    page = "/queue" if item_id is None else f"/review/{item_id}"
    return lead_to(request, page + (f"?{query}" if query else ""))


def return_query(wanted: QueueQuery) -> str:
    """Return a filter as a query string."""
    return urlencode(_given(wanted))


async def claim_next_item(context: WebContext, person: Person, wanted: QueueQuery) -> str | None:
    """Claim the most urgent item that a person did not skip; return its id, or None."""
    tried = skipped_items(context, person)
    while True:
        item_id = await context.read(
            context.review_queries.next_item,
            wanted.wanted(),
            sight_of(person),
            person.user_id,
            leads=person.has_role(Role.LEAD),
            without=tried,
        )
        if item_id is None or await claim_item(context, person, item_id):
            return item_id
        tried.append(item_id)


def skip_item(context: WebContext, person: Person, item_id: str) -> None:
    """Leave an item out when the next one is opened for a person, for ``SKIPPED_SECONDS``."""
    now, skipped = time.monotonic(), context.skipped.get(person.user_id, {})
    kept = {name: until for name, until in skipped.items() if until > now}
    context.skipped[person.user_id] = {**kept, item_id: now + SKIPPED_SECONDS}


def skipped_items(context: WebContext, person: Person) -> list[str]:
    """Return the items that a person skipped lately."""
    now, skipped = time.monotonic(), context.skipped.get(person.user_id, {})
    return [name for name, until in skipped.items() if until > now]


def read_filter(query: str) -> QueueQuery:
    """Return the filter that a query string names; of one that is not valid, everything."""
    given = {name: text for name, text in parse_qsl(query) if name in FILTERS and text}
    try:
        return QueueQuery.model_validate(given)
    except ValidationError:
        return QueueQuery()


async def people_names(context: WebContext) -> Mapping[str, str]:
    """Return the displayed name of each user by id."""
    return await context.read(read_names, context)


def read_names(context: WebContext) -> dict[str, str]:
    """Return the displayed name of each user by id, read in this thread."""
    return {user.user_id: user.display for user in context.users.list_all()}


async def latest_undoable(context: WebContext, person: Person) -> Mapping[str, Any] | None:
    """Return a person's latest decision while it can be undone."""
    latest = await context.read(context.review_queries.latest_of, person.user_id)
    if latest is None:
        return None
    left = latest["created_at"] + context.settings.review.undo_seconds - context.journal.now()
    return {**latest, "seconds_left": left} if left > 0 else None


def _given(wanted: QueueQuery) -> dict[str, Any]:
    """Return the parts of a filter that are set."""
    values = wanted.model_dump(include=set(FILTERS))
    return {name: value for name, value in values.items() if value is not None}


async def _rows(request: Request, person: Person) -> dict[str, Any]:
    """Return the values of the template of the rows."""
    context = context_of(request)
    wanted = read_filter(request.url.query)
    after = read_queue_cursor(request.query_params.get("cursor"))
    given = _given(wanted)
    return {
        **await context.read(_read_rows, context, wanted, sight_of(person), after),
        "given": {name: given.get(name) for name in FILTERS},
        "filter": urlencode(given),
        "now": context.journal.now(),
        "may_decide": person.has_role(Role.MODERATOR),
        "address": str(request.base_url).rstrip("/"),
        "bulk": _bulk_result(request),
    }


def _read_rows(
    context: WebContext, wanted: QueueQuery, sight: Sight, after: tuple[float, float, str] | None
) -> dict[str, Any]:
    """Return what the journal has for the template of the rows; the version is older than the rows,
    so that a page never misses a change."""
    queries, activity = context.review_queries, None
    counts, version = queries.totals(sight)
    found = queries.queue(wanted.wanted(), sight, after=after, limit=ROWS + 1)
    if not found:
        activity = queries.activity(sight, since=context.journal.now() - HOUR)
    return {
        "version": version,
        "items": found[:ROWS],
        "counts": counts,
        "activity": activity,
        "following": queue_cursor(found[ROWS - 1]) if len(found) > ROWS else None,
        "names": read_names(context),
    }


def _bulk_result(request: Request) -> tuple[int, int] | None:
    """Return how many items of a selection were decided and refused, if one was just decided."""
    numbers = [request.query_params.get(name, "") for name in ("decided", "refused")]
    if not all(number.isdecimal() and len(number) < 6 for number in numbers):
        return None
    return int(numbers[0]), int(numbers[1])

"""Read-only pages about incidents for people: no script, no pixels but a blurred poster.

A browser that has no key is asked for one, which is the password of its Basic authentication.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from scanner.intake.context import context_of
from scanner.intake.incidents import IncidentId
from scanner.intake.parameters import Page, cursor_of, read_cursor
from scanner.intake.problems import Problem

__all__ = ["incident_page", "incidents_page", "page_routes"]

PACKAGE: Final = "scanner.intake"
REASONS: Final[Mapping[str | None, str]] = {
    None: "it is still open",
    "quiet": "the level fell",
    "unseen": "the stream was not seen for too long",
    "ended": "the stream ended",
    "withdrawn": "its label has no policy any more",
}
"""Why an incident closed, in words."""
LINKED: Final = ("clip", "sheet")
"""Beginnings of the names of pieces that show pictures as they are; they are linked, not shown."""

page_routes = APIRouter(include_in_schema=False)


@page_routes.get("/incidents", response_class=HTMLResponse)
async def show_incidents(request: Request, which: Annotated[Page, Query()]) -> HTMLResponse:
    """Show a page of the latest incidents."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(
        context.incidents.incidents,
        channels=caller.channels,
        before=read_cursor(which.cursor),
        limit=which.limit + 1,
    )
    page = found[: which.limit]
    more = len(found) > which.limit
    following = cursor_of(page[-1]["opened_at"], page[-1]["id"]) if more else None
    return _answer(incidents_page(page, following))


@page_routes.get("/incidents/{incident_id}", response_class=HTMLResponse)
async def show_incident(request: Request, incident_id: IncidentId) -> HTMLResponse:
    """Show one incident with its evidence and deliveries."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(context.incidents.incident, incident_id)
    if found is None or not caller.sees(found["channel"]):
        raise Problem("not_found", f"incident {incident_id}: is not known")
    return _answer(incident_page(found))


def incident_page(data: Mapping[str, Any]) -> str:
    """Return the page of an incident, given as ``GET /v1/incidents/{id}`` answers it."""
    pieces = data["evidence"]
    posters = (
        one["piece"]
        for one in pieces
        if one["piece"].startswith("poster") and one["status"] == "cut"
    )
    return _render(
        "incident.html",
        incident=data,
        poster=next(posters, None),
        reason=REASONS.get(data["reason"], data["reason"]),
        linked=[one for one in pieces if one["piece"].startswith(LINKED)],
        others=[one for one in pieces if not one["piece"].startswith(("poster", *LINKED))],
    )


def incidents_page(found: Sequence[Mapping[str, Any]], following: str | None) -> str:
    """Return the page of a list of incidents; ``following`` is the cursor of the next one."""
    return _render("incidents.html", incidents=found, following=following)


def _answer(page: str) -> HTMLResponse:
    from scanner.report.html import content_policy

    policy = content_policy(style=_style(), media=True)
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(page, headers=headers)


def _render(template: str, **values: Any) -> str:
    from markupsafe import Markup

    return str(_environment().get_template(template).render(style=Markup(_style()), **values))


@cache
def _environment() -> Any:
    """Return the templates, which are loaded for the first page that is asked for."""
    from scanner.report.html import page_environment
    from scanner.report.text import clock, percent

    return page_environment(PACKAGE, {"clock": clock, "percent": percent, "day": _day})


@cache
def _style() -> str:
    from scanner.report.html import read_asset

    return read_asset(PACKAGE, "pages.css")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")

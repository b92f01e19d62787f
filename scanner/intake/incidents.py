"""Incidents, and the media that were cut of them."""

from __future__ import annotations

import mimetypes
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import FileResponse

from scanner.intake.context import context_of
from scanner.intake.incident_answers import IncidentDetail, IncidentList
from scanner.intake.parameters import NAME, Page, cursor_of, read_cursor
from scanner.intake.problems import Problem, problem_responses

__all__ = ["incident_routes"]

incident_routes = APIRouter(prefix="/v1/incidents", tags=["incidents"])

IncidentId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")]
_READ = ("unauthenticated", "forbidden", "invalid_request")

MEDIA_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Media of a stranger is shown as media, by this site only, and kept by no cache."""

BLURRED: Final = ("poster", "sheet-blurred")
"""Beginnings of the names of pieces that are blurred: to see one is no view of the incident."""


class IncidentFilter(Page):
    """A page of the incidents that fit all of these."""

    stream_id: Annotated[str, Field(pattern=NAME)] | None = None
    channel: Annotated[str, Field(pattern=NAME)] | None = None
    label: Annotated[str, Field(max_length=100)] | None = None
    detection: Literal["open", "closed"] | None = None
    shadow: bool = Field(default=False, description="those of policies in shadow instead")


@incident_routes.get("", responses=problem_responses(*_READ))
async def list_incidents(
    request: Request, which: Annotated[IncidentFilter, Query()]
) -> IncidentList:
    """List incidents, those that opened last first."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(
        context.incidents.incidents,
        stream_id=which.stream_id,
        channel=which.channel,
        label=which.label,
        detection=which.detection,
        shadow=which.shadow,
        channels=caller.channels,
        hidden_categories=caller.hidden_categories,
        before=read_cursor(which.cursor),
        limit=which.limit + 1,
    )
    page = found[: which.limit]
    following = None
    if len(found) > which.limit:
        following = cursor_of(page[-1]["opened_at"], page[-1]["id"])
    return IncidentList.model_validate({"incidents": page, "next": following})


@incident_routes.get("/{incident_id}", responses=problem_responses(*_READ, "not_found"))
async def get_incident(request: Request, incident_id: IncidentId) -> IncidentDetail:
    """Return an incident with its revisions, evidence and deliveries."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(context.incidents.incident, incident_id)
    if found is None or not caller.sees(found["channel"], found["category"]):
        raise Problem("not_found", f"incident {incident_id}: is not known")
    if caller.user is not None:
        await context.audit_media(caller.user, "view", incident_id, "incident")
    return IncidentDetail.model_validate(found)


@incident_routes.get(
    "/{incident_id}/clip",
    response_class=FileResponse,
    responses={
        200: {
            "description": "A clip, or the picture of a sheet or poster; parts of it by `Range`",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in ("video/mp4", "image/jpeg")
            },
        },
        206: {"description": "The part that `Range` names"},
        **problem_responses(*_READ, "not_found", "not_ready", "gone"),
    },
)
async def get_clip(
    request: Request,
    incident_id: IncidentId,
    piece: Annotated[str, Query(pattern=r"^[a-z0-9-]{1,40}$")] = "clip-1",
) -> FileResponse:
    """Return a piece of evidence: ``clip-1``, ``clip-2`` or another that the incident lists."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(context.incidents.piece, incident_id, piece)
    name = f"{piece} of incident {incident_id}"
    if found is None or not caller.sees(found["channel"], found["category"]):
        raise Problem("not_found", f"{name}: is not known")
    if found["status"] == "due":
        raise Problem("not_ready", f"{name}: is being made", retry_after=2)
    path = None if found["object"] is None else context.objects.path(found["object"])
    if found["status"] != "cut" or path is None or not path.exists():
        raise Problem("gone", f"{name}: {found['reason'] or found['status']}")
    if not piece.startswith(BLURRED):
        action = "play" if piece.startswith("clip") else "view"
        await context.audit_media(caller.person(), action, incident_id, piece)
    kind, _ = mimetypes.guess_type(path.name)
    return FileResponse(
        path,
        media_type=kind or "application/octet-stream",
        filename=f"{incident_id}-{piece}{path.suffix}",
        content_disposition_type="inline",
        headers=MEDIA_HEADERS,
    )

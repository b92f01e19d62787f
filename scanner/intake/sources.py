"""Sources that the service follows by itself: added, listed, removed."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from scanner.errors import InputError
from scanner.intake.context import context_of, note
from scanner.intake.named_files import resolve_listed
from scanner.intake.parameters import ChannelName, FrozenInput, example
from scanner.intake.problems import Problem, problem_responses
from scanner.store.sources import FollowedLocation, Sources, SourceState

__all__ = ["source_routes"]

source_routes = APIRouter(prefix="/v1/sources", tags=["sources"])

SCHEMES = ("http", "https")
_REFUSALS = ("unauthenticated", "forbidden")


class NewSource(
    FrozenInput,
    json_schema_extra=example(url="https://media.example/live.m3u8", channel="main-stage"),
):
    """A stream that the service is to get by itself."""

    url: Annotated[
        str,
        Field(
            min_length=1,
            max_length=8192,
            description="HLS playlist at http or https, or the absolute path of a folder or"
            " playlist in `service.ingest.folders`",
        ),
    ]
    channel: ChannelName


class SourceStatus(BaseModel):
    """A source that is followed."""

    source_id: str
    channel: str
    url: str = Field(description="without user, password and query")
    state: SourceState = Field(description="`failed` is tried again, `ended` is not")
    detail: str | None = Field(description="why it failed")
    created_at: float = Field(description="seconds since the epoch")
    updated_at: float = Field(description="when its state changed; seconds since the epoch")


class SourceList(BaseModel):
    """All sources that the key may see."""

    sources: list[SourceStatus]


@source_routes.post(
    "",
    status_code=201,
    response_model=SourceStatus,
    responses=problem_responses(*_REFUSALS, "invalid_request", "conflict"),
)
async def add_source(request: Request, new: NewSource) -> JSONResponse:
    """Follow a source; one that is followed for the channel already is returned as it is."""
    context = context_of(request)
    caller = context.caller(request, "ingest")
    note(request, channel=new.channel)
    if not caller.sees(new.channel):
        raise Problem("forbidden", f"channel {new.channel}: none that the API key allows")
    try:
        parts = urlsplit(new.url)
    except ValueError as error:
        raise Problem("invalid_request", f"url: {error}") from error
    folders = context.settings.ingest.folders
    if "://" not in new.url:
        if new.url not in {str(one.absolute()) for one in folders}:
            resolve_listed(new.url, folders)
    elif parts.scheme.lower() not in SCHEMES or not parts.hostname:
        raise Problem("invalid_request", f"url: {parts.scheme}; {' or '.join(SCHEMES)} is wanted")
    try:
        added = await context.read(
            Sources(context.journal).add,
            new.url,
            channel=new.channel,
            addresses=context.settings.fetch_addresses,
            key_id=caller.key_id,
        )
    except InputError as error:
        raise Problem("conflict", str(error)) from error
    return JSONResponse(_status(added).model_dump(), status_code=201)


@source_routes.get("", responses=problem_responses(*_REFUSALS))
async def list_sources(request: Request) -> SourceList:
    """List the sources, oldest first."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(Sources(context.journal).list_lasting)
    return SourceList(sources=[_status(one) for one in found if caller.sees(one.channel)])


@source_routes.delete(
    "/{source_id}",
    status_code=204,
    responses=problem_responses(*_REFUSALS, "not_found", "invalid_request"),
)
async def remove_source(
    request: Request, source_id: Annotated[str, Path(pattern="^[0-9a-f]{8}$")]
) -> Response:
    """Follow a source no more."""
    context = context_of(request)
    caller = context.caller(request, "ingest")
    found = await context.read(Sources(context.journal).get, source_id)
    if found is None or not caller.sees(found.channel):
        raise Problem("not_found", f"source {source_id}: there is none")
    await context.read(Sources(context.journal).remove, source_id)
    return Response(status_code=204)


def _status(one: FollowedLocation) -> SourceStatus:
    return SourceStatus(
        source_id=one.source_id,
        channel=one.channel,
        url=one.shown_location,
        state=one.state,
        detail=one.detail,
        created_at=one.created_at,
        updated_at=one.updated_at,
    )

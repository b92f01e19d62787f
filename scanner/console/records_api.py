"""Deletion on request, and holds against deletion: of a stream, or of all streams of a channel."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field
from starlette.requests import Request

from scanner.console.session import Person, Role, check_csrf, require_role
from scanner.intake.context import WebContext, context_of
from scanner.intake.parameters import NAME, FrozenInput, StreamName, example
from scanner.intake.problems import Problem, problem_responses
from scanner.store.audit import AuditEntry
from scanner.store.holds import Holds
from scanner.store.removals import Removals

__all__ = ["record_routes"]

record_routes = APIRouter(prefix="/v1", tags=["records"], dependencies=[Depends(check_csrf)])

Kind = Annotated[Literal["stream", "channel"], Path(description="what is held")]
Name = Annotated[str, Path(pattern=NAME, description="name of the stream or channel")]
_LEAD = ("unauthenticated", "forbidden", "invalid_request")


class ReasonInput(FrozenInput, json_schema_extra=example(reason="request of the creator")):
    """Why something is deleted, or held."""

    reason: Annotated[str, Field(min_length=1, max_length=1000)]


class RemovalFacts(BaseModel):
    """A stream whose deletion was requested."""

    stream_id: str
    actor: str = Field(description="id of the user who requested it")
    reason: str
    requested_at: float = Field(description="seconds since the epoch")
    removed_at: float | None = Field(description="null until all of it is deleted")
    is_held: bool = Field(description="whether a hold stops it")


class RemovalList(BaseModel):
    """Requested deletions, the latest first."""

    removals: list[RemovalFacts]


class HoldFacts(BaseModel):
    """A stream or channel that is held against deletion."""

    kind: Literal["stream", "channel"]
    name: str
    reason: str
    actor: str
    created_at: float = Field(description="seconds since the epoch")


class HoldList(BaseModel):
    """All holds, the oldest first."""

    holds: list[HoldFacts]


@record_routes.post(
    "/streams/{stream_id}/removal",
    status_code=202,
    responses=problem_responses(*_LEAD, "not_found", "held"),
)
async def remove_stream(request: Request, stream_id: StreamName, given: ReasonInput) -> RemovalList:
    """Request the deletion of a stream, once it has ended: its media, scores, incidents, evidence
    and decisions. For leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    removals = Removals(context.journal)
    channel = await context.read(removals.channel_of, stream_id)
    if channel is None or not _sees(person, channel[0]):
        raise Problem("not_found", f"stream {stream_id}: nothing of it was ever accepted")
    return await _remove(context, person, [stream_id], given.reason)


@record_routes.post(
    "/channels/{channel}/removal",
    status_code=202,
    responses=problem_responses(*_LEAD, "not_found", "held"),
)
async def remove_channel(
    request: Request, channel: Annotated[str, Path(pattern=NAME)], given: ReasonInput
) -> RemovalList:
    """Request the deletion of all streams that a channel has now. For leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    names = await context.read(Removals(context.journal).streams_of, channel)
    if not names or not _sees(person, channel):
        raise Problem("not_found", f"channel {channel}: no stream of it was ever accepted")
    return await _remove(context, person, names, given.reason)


@record_routes.get("/removals", responses=problem_responses(*_LEAD))
async def list_removals(request: Request) -> RemovalList:
    """List requested deletions. For leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    listed = await context.read(Removals(context.journal).list_all)
    found = [one for one in listed if await _may_keep(context, person, "stream", one.stream_id)]
    return RemovalList.model_validate({"removals": found}, from_attributes=True)


@record_routes.put("/holds/{kind}/{name}", responses=problem_responses(*_LEAD))
async def hold(request: Request, kind: Kind, name: Name, given: ReasonInput) -> HoldList:
    """Hold a stream or channel against deletion, by age and on request. For leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    await _check_kept(context, person, kind, name)
    await context.change(
        person,
        "hold",
        name,
        Holds(context.journal).add,
        kind,
        name,
        reason=given.reason,
        actor=person.user_id,
        details={"kind": kind, "reason": given.reason},
    )
    return await _holds(context, person)


@record_routes.delete("/holds/{kind}/{name}", responses=problem_responses(*_LEAD, "not_found"))
async def lift(request: Request, kind: Kind, name: Name) -> HoldList:
    """Lift a hold. For leads."""
    context, person = context_of(request), require_role(request, Role.LEAD)
    await _check_kept(context, person, kind, name)
    lifted = await context.change(
        person,
        "hold_lifted",
        name,
        Holds(context.journal).lift,
        kind,
        name,
        details=lambda lifted: {"kind": kind} if lifted else None,
    )
    if not lifted:
        raise Problem("not_found", f"{kind} {name}: is not on hold")
    return await _holds(context, person)


@record_routes.get("/holds", responses=problem_responses(*_LEAD))
async def list_holds(request: Request) -> HoldList:
    """List what is held against deletion. For leads."""
    person = require_role(request, Role.LEAD)
    return await _holds(context_of(request), person)


async def _remove(
    context: WebContext, person: Person, names: list[str], reason: str
) -> RemovalList:
    removals = Removals(context.journal)
    if held := await context.read(removals.held, names):
        raise Problem("held", f"stream {held[0]}: is on hold; lift the hold first")
    who, facts = person.user_id, {"reason": reason}
    entries = [
        AuditEntry(actor=who, action="removal_requested", subject=name, details=facts)
        for name in names
    ]
    await context.read(
        context.audit_log.record,
        lambda: removals.request(names, actor=who, reason=reason),
        lambda _: entries,
    )
    found = await context.read(removals.list_all)
    wanted = [one for one in found if one.stream_id in names]
    return RemovalList.model_validate({"removals": wanted}, from_attributes=True)


async def _check_kept(context: WebContext, person: Person, kind: str, name: str) -> None:
    """Check that a person may hold, or lift the hold of, a stream or channel.

    Raises:
        Problem: ``not_found``.
    """
    if not await _may_keep(context, person, kind, name):
        raise Problem("not_found", f"{kind} {name}: is not known")


async def _may_keep(context: WebContext, person: Person, kind: str, name: str) -> bool:
    """Return whether a person sees a stream or channel; one who is limited to channels sees no
    stream of which nothing is known."""
    if person.channels is None or kind == "channel":
        return _sees(person, name)
    channel = await context.read(Removals(context.journal).channel_of, name)
    return channel is not None and _sees(person, channel[0])


async def _holds(context: WebContext, person: Person) -> HoldList:
    listed = await context.read(Holds(context.journal).list_all)
    found = [one for one in listed if await _may_keep(context, person, one.kind, one.name)]
    return HoldList.model_validate({"holds": found}, from_attributes=True)


def _sees(person: Person, channel: str | None) -> bool:
    return person.channels is None or channel in person.channels

"""Publishing points of standard encoders: HLS and DASH by PUT and POST, without code of theirs.

An encoder takes no status code as a request to wait: what it was refused it never sends again. So
everything that is authenticated is taken in, and what is too much is shed later, by its age.

    200  taken in, discarded (of a rendition that is not scanned), or without a meaning here
    401  no valid key, before the body is asked for
    403  the key does not allow this channel
    404  no such publishing point
    507  the disk is nearly full
"""

from __future__ import annotations

import asyncio
import posixpath
import re
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from scanner.ingest.naming import series_of
from scanner.intake.access import Caller
from scanner.intake.admission import check_disk
from scanner.intake.context import WebContext, context_of, note
from scanner.intake.parameters import NAME
from scanner.intake.problems import Problem, problem_responses
from scanner.intake.segments import media_body, own_name
from scanner.sources.pushed_media import PushedFacts, examine, has_media_name
from scanner.store.keys import key_id_of
from scanner.store.objects import IncomingObject
from scanner.store.pushed import PushedObject
from scanner.store.submissions import Submission

__all__ = ["identify_pusher", "push_received", "push_routes"]

push_routes = APIRouter(tags=["push"])

PATH_LENGTH: Final = 1024
_ADDRESS: Final = "/ingest/{channel}/{path:path}"
_UNSELECTED: Final = PushedFacts(kind="segment", facts={"problem": "unselected"}, keeps=False)


@push_routes.delete(_ADDRESS, include_in_schema=False)
@push_routes.post(_ADDRESS, include_in_schema=False)
@push_routes.put(
    _ADDRESS,
    responses=problem_responses("unauthenticated", "forbidden", "not_found", "disk_full"),
    openapi_extra=media_body("A segment, an init segment, a playlist or an MPD.", required=False),
)
async def push_object(request: Request, channel: str, path: str) -> JSONResponse:
    """Take an object of an encoder. POST means the same; DELETE is accepted and deletes nothing."""
    context = context_of(request)
    secret, path = _split_secret(path)
    caller = identify_pusher(context, request, secret)
    if re.fullmatch(NAME, channel) is None:
        raise Problem("not_found", "no publishing point has this name")
    note(request, channel=channel)
    if not caller.sees(channel):
        raise Problem("forbidden", f"channel {channel}: none that the API key allows")
    path = _normalize(path, request.query_params.get("file"))
    if request.method == "DELETE":
        await _drain(request)
        return _answer(channel, path, "kept")
    check_disk(context.watch.now, context.settings.retention.refuse_watermark)
    after = await context.read(context.pushed.latest_number, channel)
    with context.uploads.receiving(channel, path):
        return await _receive(context, request, caller, channel, path, after)


def _split_secret(path: str) -> tuple[str | None, str]:
    """Return the API key that a path begins with, or None; and the rest."""
    first, _, rest = path.partition("/")
    return (first, rest) if key_id_of(first) is not None else (None, path)


def identify_pusher(context: WebContext, request: Request, secret: str | None) -> Caller:
    """Return the sender of a request, whose key may be a part of its path.

    Raises:
        Problem: ``unauthenticated``, or ``forbidden`` without the verb ``ingest``.
    """
    client = request.scope.get("client")
    if secret is not None and key_id_of(secret) is None:
        secret = None
    caller = context.watch.now.access.identify(request.headers, client, secret=secret)
    caller.check_verb("ingest")
    if caller.key_id is not None:
        note(request, key=caller.key_id)
    return caller


def _normalize(path: str, file: str | None) -> str:
    """Return the path of an object below its publishing point; ``file`` is its name where that is
    in the query.

    Raises:
        Problem: ``not_found``.
    """
    named = posixpath.join(path, file) if file else path
    clean = posixpath.normpath(named.lstrip("/"))
    if clean in ("", ".", "..") or clean.startswith("../") or len(clean) > PATH_LENGTH:
        raise Problem("not_found", "an object's name is wanted after the channel")
    if not clean.isprintable():
        raise Problem("not_found", "an object's name has printable characters only")
    return clean


async def _drain(request: Request) -> int:
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
    return size


async def _receive(
    context: WebContext, request: Request, caller: Caller, channel: str, path: str, after: int
) -> JSONResponse:
    """Receive an object, and make it durable."""
    if series_of(path) in context.watch.now.unselected.get(channel, ()):
        size = await _drain(request)
        note(request, bytes=size)
        row = _row(caller, channel, path, after, _UNSELECTED, size=size)
        return await _submit(context, row, None, "discarded")
    incoming = await context.receiver.receive_all(request, limit=context.limits.segment_bytes)
    if incoming is None:
        facts = PushedFacts(kind="segment", facts={"problem": "limit_bytes"}, keeps=False)
        if not has_media_name(path):
            return _answer(channel, path, "ignored")
        return await _submit(context, _row(caller, channel, path, after, facts), None, "ignored")
    with incoming:
        note(request, bytes=incoming.size)
        if not incoming.size:
            return _answer(channel, path, "probe")
        state = await push_received(context, caller, channel, path, after, incoming)
        return _answer(channel, path, state)


async def push_received(
    context: WebContext,
    caller: Caller,
    channel: str,
    path: str,
    after: int,
    incoming: IncomingObject,
) -> str:
    """Make an object durable that was received; return what became of it."""
    found = await asyncio.to_thread(
        examine,
        incoming,
        path=path,
        prefix=f"/ingest/{channel}/",
        limits=context.fetcher.limits,
    )
    if found is None:
        return "ignored"
    row = _row(caller, channel, path, after, found, incoming=incoming)
    kept = incoming if found.keeps else None
    await context.submit(Submission(row=row, incoming=kept))
    return "accepted"


def _row(
    caller: Caller,
    channel: str,
    path: str,
    after: int,
    found: PushedFacts,
    *,
    incoming: IncomingObject | None = None,
    size: int = 0,
) -> PushedObject:
    kind = "inits" if found.kind == "init" else "segments"
    name = None
    if incoming is not None and found.keeps:
        name = own_name(kind, channel, "pushed", incoming)
    return PushedObject(
        channel=channel,
        kind=found.kind,
        path=path,
        key_id=caller.key_id,
        object=name,
        bytes=size if incoming is None else incoming.size,
        sha256="" if incoming is None else incoming.sha256,
        after=after,
        facts=found.facts,
    )


async def _submit(
    context: WebContext, row: PushedObject, incoming: IncomingObject | None, state: str
) -> JSONResponse:
    await context.submit(Submission(row=row, incoming=incoming))
    return _answer(row.channel, row.path, state)


def _answer(channel: str, path: str, state: str) -> JSONResponse:
    return JSONResponse({"channel": channel, "path": path, "state": state})

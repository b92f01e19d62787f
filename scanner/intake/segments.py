"""Segments and init segments that senders deliver."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from scanner.intake.access import Caller
from scanner.intake.answers import AcceptedInit, AcceptedSegment, SegmentStatus
from scanner.intake.context import context_of, note
from scanner.intake.outcome import SUBMISSION_PROBLEMS, check_accepted
from scanner.intake.parameters import (
    InitMetadata,
    InitName,
    SegmentByUrl,
    SegmentMetadata,
    Sequence,
    StreamName,
    epoch_seconds,
)
from scanner.intake.problems import Problem, problem_responses
from scanner.media.sniff import Container
from scanner.store.intake import NewInit, NewSegment, NewStream, StreamKind, metadata_digest
from scanner.store.objects import IncomingObject, segment_name

__all__ = [
    "MEDIA_PROBLEMS",
    "media_body",
    "own_name",
    "refuse_picture",
    "segment_routes",
    "stream_of",
]

segment_routes = APIRouter(prefix="/v1/streams/{stream_id}", tags=["segments"])

MEDIA_PROBLEMS: Final = (
    *SUBMISSION_PROBLEMS,
    "too_large",
    "unsupported_media",
    "receive_timeout",
    "backlog",
    "busy",
)
"""Errors that every request with media may be answered with."""


def media_body(description: str, *, required: bool = True) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that is media."""
    schema = {"type": "string", "format": "binary"}
    return {
        "requestBody": {
            "required": required,
            "description": f"{description} Its format is known by its first bytes; the content"
            " type has no meaning.",
            "content": {"application/octet-stream": {"schema": schema}},
        }
    }


SEGMENT_ROUTE: Final[dict[str, Any]] = {
    "status_code": 202,
    "response_model": AcceptedSegment,
    "responses": {
        200: {"model": AcceptedSegment, "description": "Known already; nothing changed"},
        **problem_responses(
            *MEDIA_PROBLEMS, "conflict", "stream_ended", "init_unknown", "wrong_channel"
        ),
    },
    "openapi_extra": media_body("The segment."),
}


@segment_routes.post(  # ffmpeg's segment muxer knows no other method
    "/segments/{sequence}", operation_id="post_numbered_segment", **SEGMENT_ROUTE
)
@segment_routes.put("/segments/{sequence}", **SEGMENT_ROUTE)
async def put_segment(
    request: Request,
    stream_id: StreamName,
    sequence: Sequence,
    metadata: Annotated[SegmentMetadata, Query()],
) -> JSONResponse:
    """Deliver a segment. It is durable once this answers 202, and will get a verdict."""
    context = context_of(request)
    note(request, stream=stream_id, sequence=sequence)
    caller = context.caller(request, "ingest")
    with context.admit(request, caller) as flight:
        body = await context.receiver.receive(
            request, flight, limit=context.limits.segment_bytes, accepts=refuse_picture
        )
        note(request, bytes=body.size)
        return await _store_segment(request, caller, stream_id, sequence, metadata, body.store)


async def _store_segment(
    request: Request,
    caller: Caller,
    stream_id: str,
    sequence: int,
    metadata: SegmentMetadata,
    write: Callable[[], IncomingObject],
) -> JSONResponse:
    """Commit a segment that was received or fetched, and answer."""

    def row(incoming: IncomingObject) -> NewSegment:
        return NewSegment(
            stream=stream_of(caller, stream_id, metadata.channel),
            sequence=sequence,
            object=own_name("segments", stream_id, str(sequence), incoming),
            bytes=incoming.size,
            sha256=incoming.sha256,
            init_id=metadata.init,
            discontinuity=metadata.discontinuity,
            duration=metadata.exact_duration,
            started_at=epoch_seconds(metadata.started_at),
        )

    incoming, acceptance = await context_of(request).store(write, row)
    state = check_accepted(acceptance, f"segment {stream_id}/{sequence}")
    body = {
        "stream_id": stream_id,
        "sequence": sequence,
        "state": state,
        "bytes": incoming.size,
        "sha256": incoming.sha256,
    }
    return JSONResponse(body, status_code=202 if state == "accepted" else 200)


@segment_routes.post(
    "/segments",
    status_code=202,
    response_model=AcceptedSegment,
    responses={
        200: {"model": AcceptedSegment, "description": "Known already; nothing was fetched"},
        **problem_responses(
            *MEDIA_PROBLEMS,
            "conflict",
            "stream_ended",
            "init_unknown",
            "wrong_channel",
            "url_refused",
            "url_failed",
        ),
    },
)
async def post_segment(
    request: Request, stream_id: StreamName, named: SegmentByUrl
) -> JSONResponse:
    """Let the service fetch a segment. It was fetched and is durable once this answers 202."""
    context = context_of(request)
    note(request, stream=stream_id, sequence=named.sequence)
    caller = context.caller(request, "ingest")
    known = await context.read(context.queries.known_segment, stream_id, named.sequence)
    if known is not None:
        return _answer_known(caller, stream_id, named, known)
    with context.admit(request, caller):
        incoming = await context.fetcher.fetch(
            named.url, limit=context.limits.segment_bytes, accepts=refuse_picture
        )
        note(request, bytes=incoming.size)
        return await _store_segment(
            request, caller, stream_id, named.sequence, named, lambda: incoming
        )


def _answer_known(
    caller: Caller, stream_id: str, named: SegmentByUrl, known: dict[str, Any]
) -> JSONResponse:
    """Answer for a segment that was accepted before, by its metadata: a URL may change."""
    name = f"segment {stream_id}/{named.sequence}"
    if not caller.sees(known["channel"]):
        check_accepted("forbidden", name)
    if named.channel is not None and named.channel != known["channel"]:
        check_accepted("wrong_channel", name)
    if known["kind"] != "live":
        check_accepted("wrong_kind", name)
    digest = metadata_digest(
        init_id=named.init,
        discontinuity=named.discontinuity,
        duration=named.exact_duration,
        started_at=epoch_seconds(named.started_at),
    )
    is_same = digest == known["meta_digest"]
    state = check_accepted("same" if is_same else "other_metadata", name)
    facts = {"bytes": known["bytes"], "sha256": known["sha256"]}
    return JSONResponse(
        {"stream_id": stream_id, "sequence": named.sequence, "state": state, **facts}
    )


@segment_routes.put(
    "/init/{init_id}",
    status_code=201,
    response_model=AcceptedInit,
    responses={
        200: {"model": AcceptedInit, "description": "Known already; nothing changed"},
        **problem_responses(*MEDIA_PROBLEMS, "conflict", "wrong_channel"),
    },
    openapi_extra=media_body("The init segment."),
)
async def put_init(
    request: Request,
    stream_id: StreamName,
    init_id: InitName,
    metadata: Annotated[InitMetadata, Query()],
) -> JSONResponse:
    """Deliver an init segment (fMP4, CMAF), before the segments that name it. It never changes."""
    context = context_of(request)
    note(request, stream=stream_id, init=init_id)
    caller = context.caller(request, "ingest")

    def row(incoming: IncomingObject) -> NewInit:
        return NewInit(
            stream=stream_of(caller, stream_id, metadata.channel),
            init_id=init_id,
            object=own_name("inits", stream_id, init_id, incoming),
            bytes=incoming.size,
            sha256=incoming.sha256,
        )

    with context.admit(request, caller) as flight:
        received = await context.receiver.receive(
            request, flight, limit=context.limits.init_bytes, accepts=_refuse_no_init
        )
        incoming, acceptance = await context.store(received.store, row)
    state = check_accepted(acceptance, f"init segment {stream_id}/{init_id}")
    body = {
        "stream_id": stream_id,
        "init_id": init_id,
        "state": state,
        "bytes": incoming.size,
        "sha256": incoming.sha256,
    }
    return JSONResponse(body, status_code=201 if state == "accepted" else 200)


@segment_routes.get(
    "/segments/{sequence}",
    responses=problem_responses("unauthenticated", "forbidden", "not_found", "invalid_request"),
)
async def get_segment(request: Request, stream_id: StreamName, sequence: Sequence) -> SegmentStatus:
    """Return where a segment is, and its verdict."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(context.queries.segment, stream_id, sequence)
    if found is None or not caller.sees(found["channel"]):
        raise Problem("not_found", f"segment {stream_id}/{sequence} was never accepted")
    return SegmentStatus.model_validate(found)


def refuse_picture(container: Container) -> str | None:
    """Return why a container is no segment of a live stream, or None."""
    if container.is_picture:
        return f"a picture ({container.value}) is no segment; it can be sent to /v1/images"
    return None


def _refuse_no_init(container: Container) -> str | None:
    if container in (Container.MP4, Container.MATROSKA):
        return None
    return f"{container.value} has no init segments; MP4 or WebM is wanted"


def stream_of(
    caller: Caller, stream_id: str, channel: str | None, *, kind: StreamKind = "live"
) -> NewStream:
    """Return the stream that a sender's submission belongs to, as it is made if it is new."""
    return NewStream(
        stream_id=stream_id,
        kind=kind,
        channel=caller.channel_for(channel),
        key_id=caller.key_id,
        allowed_channels=caller.channels,
    )


def own_name(kind: str, stream_id: str, item: str, incoming: IncomingObject) -> str:
    """Return the name of an object that no other request writes, so that this one may remove it if
    it is not accepted."""
    return segment_name(kind, stream_id, f"{item}-{secrets.token_hex(4)}", incoming.sha256)

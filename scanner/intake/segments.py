"""Segments that senders put."""

from __future__ import annotations

import secrets
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from scanner.errors import TransientError
from scanner.intake.answers import AcceptedSegment, SegmentFacts
from scanner.intake.context import WebContext, context_of
from scanner.intake.parameters import SegmentMetadata, Sequence, StreamName, epoch_seconds
from scanner.intake.problems import Problem, problem_responses
from scanner.media.sniff import Container
from scanner.store.deliveries import Delivery, JournalFullError
from scanner.store.intake import Acceptance, NewSegment, NewStream
from scanner.store.objects import IncomingObject, segment_name

__all__ = ["segment_routes"]

segment_routes = APIRouter(prefix="/v1/streams/{stream_id}", tags=["segments"])

BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "The segment. Its format is known by its first bytes; the content type has"
        " no meaning.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@segment_routes.put(
    "/segments/{sequence}",
    status_code=202,
    response_model=AcceptedSegment,
    responses={
        200: {"model": AcceptedSegment, "description": "Known already; nothing changed"},
        **problem_responses(
            "conflict",
            "stream_ended",
            "init_unknown",
            "wrong_channel",
            "too_large",
            "unsupported_media",
            "invalid_request",
            "receive_timeout",
            "disk_full",
            "journal_busy",
        ),
    },
    openapi_extra=BODY,
)
async def put_segment(
    request: Request,
    stream_id: StreamName,
    sequence: Sequence,
    metadata: Annotated[SegmentMetadata, Query()],
) -> JSONResponse:
    """Deliver a segment. It is durable once this answers 202, and will get a verdict."""
    context = context_of(request)
    incoming = await context.receiver.receive(
        request, limit=context.limits.segment_bytes, accepts=_refuse_picture
    )
    with incoming:
        row = _segment_row(stream_id, sequence, metadata, incoming)
        acceptance = await _commit(context, Delivery(row=row, incoming=incoming))
    state = _check_accepted(acceptance, row)
    body = {
        "stream_id": stream_id,
        "sequence": sequence,
        "state": state,
        "bytes": row.bytes,
        "sha256": row.sha256,
    }
    return JSONResponse(body, status_code=202 if state == "accepted" else 200)


@segment_routes.get(
    "/segments/{sequence}", responses=problem_responses("not_found", "invalid_request")
)
async def get_segment(request: Request, stream_id: StreamName, sequence: Sequence) -> SegmentFacts:
    """Return where a segment is, and its verdict."""
    context = context_of(request)
    found = await context.read(context.queries.segment, stream_id, sequence)
    if found is None:
        raise Problem("not_found", f"segment {stream_id}/{sequence} was never accepted")
    return SegmentFacts.model_validate(found)


def _refuse_picture(container: Container) -> str | None:
    """Refuse a picture as part of a live stream, which has no time."""
    if container.is_picture:
        return f"a picture ({container.value}) is no segment; it can be sent to /v1/images"
    return None


def _segment_row(
    stream_id: str, sequence: int, metadata: SegmentMetadata, incoming: IncomingObject
) -> NewSegment:
    # The suffix makes the name this request's own, so that it can remove it when it is not needed.
    item = f"{sequence}-{secrets.token_hex(4)}"
    return NewSegment(
        stream=NewStream(stream_id=stream_id, channel=metadata.channel),
        sequence=sequence,
        object=segment_name("segments", stream_id, item, incoming.sha256),
        bytes=incoming.size,
        sha256=incoming.sha256,
        init_id=metadata.init,
        discontinuity=metadata.discontinuity,
        duration=metadata.exact_duration,
        started_at=epoch_seconds(metadata.started_at),
    )


async def _commit(context: WebContext, delivery: Delivery) -> Acceptance:
    try:
        return await context.committer.commit(delivery)
    except JournalFullError as error:
        raise Problem("disk_full", str(error), retry_after=10) from error
    except TransientError as error:
        raise Problem("journal_busy", str(error), retry_after=1) from error


def _check_accepted(acceptance: Acceptance, row: NewSegment) -> str:
    """Return ``accepted`` or ``same``; everything else is an error."""
    name = f"segment {row.stream.stream_id}/{row.sequence}"
    if acceptance == "conflict":
        raise Problem("conflict", f"{name}: known with other bytes or other metadata")
    if acceptance == "ended":
        raise Problem("stream_ended", f"{name}: lies after the end of its stream")
    if acceptance == "init_unknown":
        raise Problem("init_unknown", f"{name}: init segment {row.init_id} was never accepted")
    if acceptance == "wrong_channel":
        raise Problem("wrong_channel", f"{name}: its stream does not belong to this channel")
    return acceptance

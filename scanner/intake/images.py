"""Single pictures: each is a stream of its own with one segment, and may be waited for."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse

from scanner.intake.answers import ImageStatus
from scanner.intake.context import WebContext, context_of, note
from scanner.intake.outcome import check_accepted
from scanner.intake.parameters import NAME, ChannelName, FrozenInput
from scanner.intake.problems import Problem, problem_responses
from scanner.intake.restricting import hidden_labels, without_labels
from scanner.intake.segments import MEDIA_PROBLEMS, media_body, own_name, stream_of
from scanner.media.sniff import Container
from scanner.store.intake import NewImage, NewSegment
from scanner.store.objects import IncomingObject

__all__ = ["image_routes"]

image_routes = APIRouter(prefix="/v1/images", tags=["images"])


class ImageMetadata(FrozenInput):
    """The facts that a sender declares of a picture, and the time that it waits."""

    wait: Annotated[float, Field(ge=0, le=60, description="seconds to wait for the verdict")] = 0.0
    channel: ChannelName | None = None
    id: (
        Annotated[
            str, Field(pattern=NAME, description="a name, so that it can be sent again safely")
        ]
        | None
    ) = None


@image_routes.post(
    "",
    status_code=200,
    response_model=ImageStatus,
    responses={
        202: {"model": ImageStatus, "description": "Durable; the verdict is at `Location`"},
        **problem_responses(*MEDIA_PROBLEMS, "conflict", "wrong_channel", "stream_ended", "gone"),
    },
    openapi_extra=media_body("A JPEG, PNG, WebP or GIF."),
)
async def post_image(request: Request, metadata: Annotated[ImageMetadata, Query()]) -> JSONResponse:
    """Deliver a picture, and wait for its scores. Without a verdict in time this answers 202."""
    context = context_of(request)
    image_id = metadata.id or f"image-{secrets.token_hex(12)}"
    note(request, image=image_id)
    caller = context.caller(request, "ingest")

    def row(incoming: IncomingObject) -> NewImage:
        segment = NewSegment(
            stream=stream_of(caller, image_id, metadata.channel, kind="image"),
            sequence=0,
            object=own_name("images", image_id, "0", incoming),
            bytes=incoming.size,
            sha256=incoming.sha256,
        )
        return NewImage(segment=segment)

    with context.admit(request, caller) as flight:
        body = await context.receiver.receive(
            request, flight, limit=context.limits.image_bytes, accepts=_refuse_no_picture
        )
        note(request, bytes=body.size)
        _, acceptance = await context.store(body.store, row)
    check_accepted(acceptance, f"image {image_id}")
    if metadata.wait > 0:
        await context.finished.wait(image_id, metadata.wait)
    return await _answer(context, image_id)


@image_routes.get(
    "/{image_id}",
    response_model=ImageStatus,
    responses={
        202: {"model": ImageStatus, "description": "Still without a verdict"},
        **problem_responses("unauthenticated", "forbidden", "not_found", "gone", "invalid_request"),
    },
)
async def get_image(request: Request, image_id: Annotated[str, Path(pattern=NAME)]) -> JSONResponse:
    """Return the verdict and the scores of a picture."""
    context = context_of(request)
    caller = context.caller(request, "read")
    found = await context.read(context.queries.image, image_id)
    if found is None or not caller.sees(found["channel"]):
        raise Problem("not_found", f"image {image_id}: was never accepted")
    return await _answer(context, image_id, hidden_labels(caller))


async def _answer(
    context: WebContext, image_id: str, hidden: frozenset[str] = frozenset()
) -> JSONResponse:
    found = await context.read(context.queries.image, image_id)
    if found is not None and found["state"] == "gone":
        raise Problem("gone", f"image {image_id}: its verdict and scores are no longer kept")
    body = without_labels(ImageStatus.model_validate(found).model_dump(), hidden)
    if body["state"] == "finished":
        return JSONResponse(body)
    return JSONResponse(body, status_code=202, headers={"Location": f"/v1/images/{image_id}"})


def _refuse_no_picture(container: Container) -> str | None:
    if container.is_picture or container is Container.GIF:
        return None
    return f"{container.value} is no picture; JPEG, PNG, WebP or GIF is wanted"

"""Hooks of media servers, as these send them: SRS, nginx-rtmp and OvenMediaEngine.

    server           calls                              effect
    SRS              on_hls                             its segment is read and pushed
                     on_unpublish                       the end of the publication
    nginx-rtmp       record_done                        the recorded piece is read and pushed
                     publish                            403 for a channel that the key lacks
                     publish_done                       the end of the publication
    OvenMediaEngine  admission, opening and closing     allowed by its signature

What they name goes through the publishing point of its channel, as if an encoder had pushed it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from fractions import Fraction
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from scanner.ingest.inputs import ListedSegment, Listing
from scanner.intake.access import Caller
from scanner.intake.admission import check_disk
from scanner.intake.context import WebContext, context_of, note
from scanner.intake.limits import JSON_BYTES
from scanner.intake.named_files import receive_named
from scanner.intake.problems import Problem, problem_responses
from scanner.intake.push import identify_pusher, push_received
from scanner.store.pushed import PushedObject
from scanner.store.submissions import Submission

__all__ = ["channel_of", "hook_routes", "is_signed"]

hook_routes = APIRouter(prefix="/hooks", tags=["hooks"])

_REFUSALS: Final = problem_responses(
    "unauthenticated",
    "forbidden",
    "not_found",
    "too_large",
    "invalid_request",
    "url_refused",
    "url_failed",
    "disk_full",
)
_SIGNED_REFUSALS: Final = problem_responses("unauthenticated", "too_large", "invalid_request")
_JSON: Final = "application/json"
_OTHER_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9._~@:+=-]+")


def _body_of(media_type: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of the body of a hook."""
    content = {media_type: {"schema": {"type": "object"}}}
    has_empty_form = media_type != _JSON  # no bytes are a form without fields, but no JSON
    return {"requestBody": {"required": not has_empty_form, "content": content}}


def channel_of(app: str, stream: str) -> str:
    """Return the channel of a stream of a media server.

    >>> channel_of("live", "tv"), channel_of("studio", "tv 1")
    ('tv', 'studio:tv_1')
    """
    name = stream if app in ("live", "") else f"{app}:{stream}"
    return _OTHER_CHARACTERS.sub("_", name)[:200].lstrip(".") or "_"


@hook_routes.post("/srs", include_in_schema=False)
@hook_routes.post(
    "/srs/{secret}",
    response_class=PlainTextResponse,
    responses=_REFUSALS,
    openapi_extra=_body_of(_JSON),
)
async def srs_hook(request: Request, secret: str = "") -> Response:
    """Take ``on_publish``, ``on_hls`` and ``on_unpublish`` of SRS."""
    context = context_of(request)
    caller = identify_pusher(context, request, secret or None)
    told = _object(await _body(request))
    channel = _allowed_channel(request, caller, _text(told, "app"), _text(told, "stream"))
    action = _text(told, "action")
    if action == "on_hls":
        number = _number(told.get("seq_no"))
        duration = Fraction(str(told.get("duration") or 0)).limit_denominator(90_000)
        await _push_named(
            context,
            caller,
            channel,
            file=_absolute(_text(told, "file"), _text(told, "cwd")),
            url=_text(told, "url"),
            number=number,
            extension="ts",
            duration=duration or None,
        )
    elif action == "on_unpublish":
        await _end(context, caller, channel, "ts")
    return PlainTextResponse("0")


@hook_routes.post("/nginx-rtmp", include_in_schema=False)
@hook_routes.post(
    "/nginx-rtmp/{secret}",
    response_class=PlainTextResponse,
    responses=_REFUSALS,
    openapi_extra=_body_of("application/x-www-form-urlencoded"),
)
async def nginx_hook(request: Request, secret: str = "") -> Response:
    """Take ``on_publish``, ``on_record_done`` and ``on_publish_done`` of nginx's RTMP module."""
    context = context_of(request)
    caller = identify_pusher(context, request, secret or None)
    form = parse_qs((await _body(request)).decode("utf-8", "replace"))
    told = {name: values[-1] for name, values in form.items()}
    channel = _allowed_channel(request, caller, told.get("app", ""), told.get("name", ""))
    if told.get("call") == "record_done":
        await _push_named(
            context,
            caller,
            channel,
            file=told.get("path", ""),
            url="",
            number=None,
            extension="flv",
            duration=None,
        )
    elif told.get("call") == "publish_done":
        await _end(context, caller, channel, "flv")
    return PlainTextResponse("ok")


@hook_routes.post("/ome", responses=_SIGNED_REFUSALS, openapi_extra=_body_of(_JSON))
async def ome_hook(request: Request) -> JSONResponse:
    """Answer an admission webhook of OvenMediaEngine, by its signature."""
    context = context_of(request)
    body = await _body(request)
    secret = context.settings.ingest.ome_secret
    if not secret or not is_signed(body, request.headers.get("x-ome-signature", ""), secret):
        raise Problem("unauthenticated", "X-OME-Signature: not made with service.ingest.ome_secret")
    told = _object(body).get("request")
    is_closing = isinstance(told, dict) and told.get("status") == "closing"
    return JSONResponse({} if is_closing else {"allowed": True})


def is_signed(body: bytes, signature: str, secret: str) -> bool:
    """Return whether OvenMediaEngine's signature of a body is right: HMAC-SHA1, base64 for URLs,
    with or without padding."""
    digest = hmac.new(secret.encode(), body, hashlib.sha1).digest()
    wanted = base64.urlsafe_b64encode(digest).rstrip(b"=")
    return hmac.compare_digest(wanted, signature.rstrip("=").encode("utf-8", "replace"))


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > JSON_BYTES:
            raise Problem("too_large", f"over {JSON_BYTES} bytes, the limit of a hook")
    return body


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except ValueError as error:
        raise Problem("invalid_request", "the body is not JSON") from error
    if not isinstance(told, dict):
        raise Problem("invalid_request", "the body is no JSON object")
    return told


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    return value if isinstance(value, str) else ""


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 2**53 else None


def _absolute(file: str, folder: str) -> str:
    """Return the file that SRS names relative to its working folder."""
    return file if not file or file.startswith("/") else f"{folder}/{file}"


def _allowed_channel(request: Request, caller: Caller, app: str, stream: str) -> str:
    channel = channel_of(app, stream)
    note(request, channel=channel)
    if not caller.sees(channel):
        raise Problem("forbidden", f"channel {channel}: none that the API key allows")
    return channel


async def _push_named(
    context: WebContext,
    caller: Caller,
    channel: str,
    *,
    file: str,
    url: str,
    number: int | None,
    extension: str,
    duration: Fraction | None,
) -> None:
    """Push what a hook names; its number, if it has one, tells what is missing before it."""
    check_disk(context.watch.now, context.settings.retention.refuse_watermark)
    after = await context.read(context.pushed.latest_number, channel)
    with await receive_named(context, file=file, url=url) as incoming:
        count = time.time_ns() // 1000 if number is None else number
        path = f"hook/segment-{count}.{extension}"
        await push_received(context, caller, channel, path, after, incoming)
    if number is not None:
        entry = ListedSegment(path=path, duration=duration)
        listing = Listing(rendition="hook", first=number, entries=(entry,), target=duration)
        await _list(context, caller, channel, listing)


async def _end(context: WebContext, caller: Caller, channel: str, extension: str) -> None:
    series = (f"hook/segment-#.{extension}",)
    await _list(context, caller, channel, Listing(rendition="hook", series=series, ended=True))


async def _list(context: WebContext, caller: Caller, channel: str, listing: Listing) -> None:
    row = PushedObject(
        channel=channel,
        kind="playlist",
        path="hook",
        key_id=caller.key_id,
        object=None,
        bytes=0,
        sha256="",
        after=0,
        facts={"offered": [], "listings": [listing.to_json()]},
    )
    await context.submit(Submission(row=row))

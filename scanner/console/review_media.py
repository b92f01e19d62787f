"""Media of items: recorded in the audit log before a byte is sent, and kept by no cache."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import Path
from starlette.requests import Request
from starlette.responses import FileResponse

from scanner.console.reviewing import seen_item
from scanner.console.session import Person, console_router, person_of
from scanner.intake.context import WebContext, context_of
from scanner.intake.incidents import MEDIA_HEADERS
from scanner.intake.problems import Problem
from scanner.media.sniff import HEAD_BYTES, Container, sniff
from scanner.store.audit import AuditEntry

__all__ = ["media_routes"]

media_routes = console_router()

BLURRED: Final = ("poster-", "sheet-blurred")
"""Beginnings of pieces that cannot be recognized, whose views are not recorded."""
PICTURE_TYPES: Final[Mapping[Container, str]] = {
    Container.JPEG: "image/jpeg",
    Container.PNG: "image/png",
    Container.APNG: "image/apng",
    Container.WEBP: "image/webp",
    Container.GIF: "image/gif",
}


@media_routes.get("/review/{item_id}/media/{piece}")
async def get_media(
    request: Request,
    item_id: Annotated[str, Path(pattern=r"^[0-9a-f]{1,64}$")],
    piece: Annotated[str, Path(pattern=r"^[a-z0-9-]{1,40}$")],
) -> FileResponse:
    """Return a piece of evidence, or the picture of an item."""
    context, person = context_of(request), person_of(request)
    item = await seen_item(context, person, item_id)
    name = await context.read(_object_of, context, item, piece)
    path = context.objects.path(name)
    if not path.exists():
        raise Problem("gone", f"{piece} of item {item_id}: is no longer kept")
    kind = await context.read(_type_of, path, piece)
    await _record(context, person, item_id, piece)
    return FileResponse(path, media_type=kind, headers=MEDIA_HEADERS)


async def _record(context: WebContext, person: Person, item_id: str, piece: str) -> None:
    if piece.startswith(BLURRED):
        return
    action = "play" if piece.startswith("clip-") else "show"
    entry = AuditEntry(
        actor=person.user_id, action=action, subject=item_id, details={"piece": piece}
    )
    await context.audit_writer.append_view(entry, piece)


def _object_of(context: WebContext, item: Mapping[str, Any], piece: str) -> str:
    """Return the name of the object of a piece.

    Raises:
        Problem: there is none, or none any more.
    """
    name = f"{piece} of item {item['item_id']}"
    if item["kind"] == "image" and piece == "picture":
        stored = context.review_queries.picture(item["stream_id"])
        if stored is None:
            raise Problem("gone", f"{name}: is no longer kept")
        return stored
    found = context.incidents.piece(item["item_id"], piece)
    if found is None:
        raise Problem("not_found", f"{name}: is not known")
    if found["status"] == "due":
        raise Problem("not_ready", f"{name}: is being made", retry_after=2)
    if found["status"] != "cut" or found["object"] is None:
        raise Problem("gone", f"{name}: {found['reason'] or found['status']}")
    return str(found["object"])


def _type_of(path: FilePath, piece: str) -> str:
    """Return the media type of a file: of a picture by its first bytes, as its sender chose its
    name."""
    if piece != "picture":
        return mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    with path.open("rb") as file:
        found = sniff(file.read(HEAD_BYTES))
    return PICTURE_TYPES.get(found, "application/octet-stream")

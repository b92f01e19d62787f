"""Files and addresses that the hook of a media server names: read only below folders and at
origins that the operator listed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from scanner.errors import InputError
from scanner.intake.context import WebContext
from scanner.intake.problems import Problem
from scanner.sandbox.opening import open_readonly
from scanner.store.objects import IncomingObject, ObjectStore
from scanner.types import FileBeneath

__all__ = ["is_listed_origin", "receive_named", "resolve_listed"]

CHUNK: Final = 1 << 20


def resolve_listed(name: str, folders: Sequence[Path]) -> FileBeneath:
    """Return a file below one of the folders; its path is checked again by the kernel when it is
    opened.

    Raises:
        Problem: ``forbidden``.
    """
    path = Path(os.path.normpath(name))
    for folder in folders:
        top = folder.absolute()
        if path.is_absolute() and path.is_relative_to(top) and path != top:
            return FileBeneath(folder=top, name=str(path.relative_to(top)))
    raise Problem("forbidden", f"{name}: below no folder of service.ingest.folders")


def is_listed_origin(url: str, origins: Sequence[str]) -> bool:
    """Return whether scheme, host and port of a URL are listed.

    >>> is_listed_origin("http://srs:8080/live/a.ts", ["http://srs:8080"])
    True
    >>> is_listed_origin("http://srs:8080@evil/live/a.ts", ["http://srs:8080"])
    False
    >>> is_listed_origin("http://[srs/live/a.ts", ["http://srs:8080"])
    False
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    listed = {one.rstrip("/").lower() for one in origins}
    return f"{parts.scheme}://{parts.netloc}".lower() in listed


async def receive_named(context: WebContext, *, file: str, url: str) -> IncomingObject:
    """Return a copy of what a hook names, by file if that is listed, else by URL.

    Raises:
        Problem: ``forbidden``, ``not_found``, ``too_large``, or as fetching fails.
    """
    allowed = context.settings.ingest
    limit = context.limits.segment_bytes
    if file and (allowed.folders or not url):
        beneath = resolve_listed(file, allowed.folders)
        return await asyncio.to_thread(_copy, context.objects, beneath, file, limit)
    if not is_listed_origin(url, allowed.origins):
        raise Problem("forbidden", "the URL is of no origin of service.ingest.origins")
    return await context.fetcher.fetch(url, limit=limit, accepts=lambda _: None)


def _copy(objects: ObjectStore, file: FileBeneath, name: str, limit: int) -> IncomingObject:
    incoming = objects.receive()
    try:
        with open_readonly(file, name=name) as descriptor:
            while chunk := os.read(descriptor, CHUNK):
                if incoming.size + len(chunk) > limit:
                    raise Problem("too_large", f"{name}: over {limit} bytes")
                incoming.write(chunk)
    except InputError as error:
        incoming.discard()
        raise Problem("not_found", str(error)) from error
    except BaseException:
        incoming.discard()
        raise
    return incoming

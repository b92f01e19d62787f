"""A piece that MediaMTX recorded, sent by the command that it runs for each of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

from scanner.client.requests import ServiceRequest
from scanner.client.service import ServiceClient
from scanner.errors import SetupError
from scanner.sandbox.opening import read_file

__all__ = ["submit_recorded"]

MAX_PIECE_BYTES: Final = 256 << 20
_OTHER_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9._~@:+=-]+")


def submit_recorded(
    environment: Mapping[str, str], sender: ServiceClient, *, channel: str | None
) -> str:
    """Push the piece that MediaMTX names in the environment; return its channel.

    Raises:
        SetupError: MediaMTX did not start this program.
        InputError: the piece cannot be read, or the service refuses it.
        TransientError: the service cannot be reached.
    """
    try:
        path, piece = environment["MTX_PATH"], environment["MTX_SEGMENT_PATH"]
    except KeyError as error:
        raise SetupError(
            f"{error.args[0]}: not set; this is for runOnRecordSegmentComplete of MediaMTX"
        ) from error
    name = channel or _OTHER_CHARACTERS.sub("_", path).lstrip(".") or "_"
    file = Path(piece)
    body = read_file(file, name=piece, most=MAX_PIECE_BYTES)
    # One number in the name: pieces of one path are told by it to belong together.
    number = file.stat().st_mtime_ns // 1000
    url = f"/ingest/{quote(name, safe='')}/mediamtx/segment-{number}{file.suffix}"
    sender.send(ServiceRequest(method="PUT", url=url, body=body, read=_pushed))
    return name


def _pushed(_: object) -> Literal["pushed"]:
    return "pushed"

"""Names of sources that cannot be read, each with what to do instead."""

from __future__ import annotations

import os
import re
import stat
from typing import Final

from scanner.errors import RefusedError

__all__ = ["check_name"]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_REMEDY: Final = (
    "write it as HLS with `mkdir -p live && ffmpeg -i {source} -c copy -f hls live/index.m3u8`,"
    " and scan live/index.m3u8 meanwhile"
)
_KINDS: Final = (
    (stat.S_ISFIFO, "a named pipe (FIFO)"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_name(name: str) -> None:
    """Check that a name, which is no address of http or https, can stand for a file or folder.

    Raises:
        RefusedError: it is that of standard input, of a stream of another protocol or of something
            that is no regular file.
    """
    if name == "-":
        raise RefusedError(
            "-: standard input is not read, because media is read in any order; save it to a file,"
            f" or {_REMEDY.format(source='-')}"
        )
    if (scheme := _SCHEME.match(name)) is not None and not os.path.lexists(name):
        raise RefusedError(f"{name}: {_advice(scheme[1].lower())}")
    kind = _kind(name)
    if kind is not None:
        remedy = _REMEDY.format(source="PIPE")
        raise RefusedError(f"{name}: {kind}, not a regular file; save it to a file, or {remedy}")


def _advice(scheme: str) -> str:
    if scheme == "file":
        return "not an address that is read; give the path without file://"
    return (
        f"{scheme} is not read, only http and https addresses of HLS playlists;"
        f" {_REMEDY.format(source='ADDRESS')}"
    )


def _kind(name: str) -> str | None:
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return None  # opening it tells why
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)

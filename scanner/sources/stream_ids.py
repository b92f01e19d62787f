"""Ids of streams, which do not depend on how the path of a source is spelled.

    source                          its id is a hash of
    a file                          its size, its first and its last MiB
    a playlist                      its normalised address, without query and credentials

Incidents, and the draws of bursts, are identified by the stream's id: the same file gives the same
ones from any folder.
"""

from __future__ import annotations

import os
import re
import threading
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from scanner.errors import InputError
from scanner.sandbox.opening import open_readonly
from scanner.types import StreamId

__all__ = ["StreamIds", "normalised_address"]

HASHED_BYTES: Final = 1 << 20
"""Bytes at each end of a file that its id depends on."""
ID_LENGTH: Final = 32
"""Hexadecimal digits of an id."""
URL_PORTS: Final = {"http": 80, "https": 443}
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
_DOT_SEGMENT = re.compile(r"/\.(?=/|$)")


class StreamIds:
    """Gives each stream of a scan an id, in any thread; equal ones after the first are numbered
    from 2."""

    def __init__(self, chosen: StreamId | None = None) -> None:
        """``chosen`` is the id of every source, in place of its hash."""
        self._lock = threading.Lock()
        self._chosen = chosen
        self._given: dict[str, int] = {}

    def of_file(self, path: Path) -> StreamId:
        """Return the id of a file; that of its address if it cannot be read."""
        if self._chosen is not None:
            return self._distinct(self._chosen)
        try:
            return self._distinct(_hash_content(path))
        except (InputError, OSError):
            return self.of_playlist(str(path))

    def of_playlist(self, where: str) -> StreamId:
        """Return the id of a playlist on disk or at a URL, which is not read."""
        address = normalised_address(where).encode("utf-8", "surrogatepass")
        return self._distinct(self._chosen or _hash(address))

    def _distinct(self, name: str) -> StreamId:
        with self._lock:
            number = self._given[name] = self._given.get(name, 0) + 1
        return StreamId(name if number == 1 else f"{name}-{number}")


def normalised_address(where: str) -> str:
    """Return the address without query, fragment and credentials, and as a ``file:`` URL for a
    path, so that every spelling of one address is the same text.

    >>> normalised_address("HTTP://user:secret@CDN.example:80/a/./b/../%7eme.m3u8?token=1")
    'http://cdn.example/a/~me.m3u8'
    """
    try:
        return _normalised_url(where) if "://" in where else f"file://{os.path.realpath(where)}"
    except ValueError:  # reading it will tell what is wrong with it
        return where


def _normalised_url(address: str) -> str:
    url = urlsplit(address)
    scheme, host = url.scheme.lower(), (url.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = "" if url.port in (None, URL_PORTS.get(scheme)) else f":{url.port}"
    return f"{scheme}://{host}{port}{_normalised_path(url.path)}"


def _normalised_path(path: str) -> str:
    """Return the path with the one spelling of each escape, and without ``.`` and ``..``
    (RFC 3986, 6.2.2)."""
    path = _DOT_SEGMENT.sub("", _ESCAPE.sub(_unescape, path or "/"))
    kept: list[str] = []
    for part in path.split("/"):
        if part != "..":
            kept.append(part)
        elif len(kept) > 1:
            kept.pop()
    return "/".join(kept) or "/"


def _unescape(escape: re.Match[str]) -> str:
    character = chr(int(escape[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()


def _hash_content(path: Path) -> str:
    with (
        open_readonly(path, name=str(path)) as descriptor,
        open(descriptor, "rb", closefd=False) as file,
    ):
        size = os.fstat(descriptor).st_size
        first = file.read(HASHED_BYTES)
        file.seek(max(0, size - HASHED_BYTES))
        return _hash(b"%d\0" % size, first, file.read(HASHED_BYTES))


def _hash(*parts: bytes) -> str:
    return sha256(b"".join(parts)).hexdigest()[:ID_LENGTH]

"""Playlists on disk, recordings and those that an encoder is writing: reads files of their folder
and of no other."""

from __future__ import annotations

import os
import re
import time
from itertools import islice
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scanner.errors import DamagedError, InputError, LimitError, RefusedError, TransientError
from scanner.sandbox.opening import open_readonly
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import ByteRange
from scanner.spooled import Spool
from scanner.types import FileBeneath, HeldBytes, Source

__all__ = ["Folder", "is_young", "may_grow"]

MOST_VARIANTS = 100
"""Variants of a master playlist that are looked at."""
_CHUNK = 1 << 20
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class Folder:
    """The folder of a playlist file, which may reference the files below it."""

    def __init__(self, playlist: Path, limits: FetchLimits) -> None:
        self.start = str(playlist)
        self._root = playlist.parent.resolve()
        self._limits = limits
        self._is_followed = False

    def resolve(self, name: str, *, base: str) -> str:
        """Return the real path of a file, links followed, if it lies in the folder.

        A file that is called just like the name is meant, whatever ``#``, ``?`` and ``%`` are in
        it; otherwise the name is a URL, whose query and fragment do not count.
        """
        if _SCHEME.match(name) or name.startswith("//"):
            raise RefusedError(
                f"{base}: names {name!r}, a playlist on disk may only name files of its own folder"
            )
        for spelling in (name, unquote(name)):
            real = self._real_path(spelling, base)
            if real is not None and _exists(real):
                return str(real)
        real = self._real_path(unquote(urlsplit(name).path), base)
        if real is None:
            raise RefusedError(f"{base}: names {name!r}, which lies outside of its own folder")
        return str(real)

    def _real_path(self, name: str, base: str) -> Path | None:
        """Return the real path of a name that is spelled as files are; ``None`` if it is outside
        of the folder, or no file can have it."""
        path = Path(name)
        try:
            real = (Path(base).parent / path).resolve()
        except (OSError, ValueError, RuntimeError):
            return None
        if ".." in path.parts or not real.is_relative_to(self._root):
            return None
        return real

    def redact(self, location: str) -> str:
        """Return the path as it is."""
        return location

    def follow(self, location: str) -> bool:
        """Return whether the file is younger than ``stale_seconds``. Then segments are read into
        memory, because the encoder may remove or overwrite them."""
        self._is_followed = is_young(Path(location), self._limits)
        return self._is_followed

    def read_playlist(self, location: str) -> bytes:
        """Return the whole file."""
        limit = self._limits.playlist_bytes
        with open_readonly(self._file(location), name=location) as descriptor:
            body = _read(descriptor, ByteRange(start=0, length=limit + 1))
        if len(body) > limit:
            raise LimitError(f"{location}: playlist over {limit} bytes", kind="limit_bytes")
        return body

    def read_media(self, location: str, span: ByteRange | None, most: int) -> Source | None:
        """Return the file itself, or the bytes of a range; of a playlist that is followed, always
        the bytes."""
        file = self._file(location)
        if not _exists(Path(location)):
            return None
        if span is None and not self._is_followed:
            return file
        with open_readonly(file, name=location) as descriptor:
            wanted = span or ByteRange(start=0, length=os.fstat(descriptor).st_size)
            if wanted.length > most:
                raise LimitError(
                    f"{location}: {wanted.length} bytes, limit is {most}", kind="limit_bytes"
                )
            data = _spool(descriptor, wanted)
        if len(data) < wanted.length:
            raise DamagedError(f"{location}: ends before byte {wanted.start + wanted.length}")
        if not data:
            raise TransientError(f"{location}: an empty file")
        return data

    def _file(self, location: str) -> Path | FileBeneath:
        """Return the file at a location: of the playlist itself, which the operator named, its
        path; of anything else, one that may lie only beneath the folder when it is opened."""
        if location == self.start:
            return Path(location)
        return FileBeneath(self._root, str(Path(location).relative_to(self._root)))


def may_grow(playlist: Path, limits: FetchLimits) -> bool:
    """Return whether an encoder may be writing a playlist, or a variant of a master playlist: it
    has no end, and its file is younger than ``stale_seconds``."""
    body = _body(playlist, limits)
    if b"#EXT-X-STREAM-INF" not in body:
        return bool(body) and b"#EXT-X-ENDLIST" not in body and is_young(playlist, limits)
    folder = Folder(playlist, limits)
    lines = (line.strip() for line in body.decode("utf-8", "replace").splitlines())
    names = (line for line in lines if line and not line.startswith("#"))
    return any(_is_growing_variant(folder, name, limits) for name in islice(names, MOST_VARIANTS))


def _is_growing_variant(folder: Folder, name: str, limits: FetchLimits) -> bool:
    try:
        path = Path(folder.resolve(name, base=folder.start))
    except InputError:
        return False
    return is_young(path, limits) and b"#EXT-X-ENDLIST" not in _body(path, limits)


def is_young(path: Path, limits: FetchLimits) -> bool:
    """Return whether a file was written within the last ``stale_seconds``."""
    try:
        return time.time() - path.stat().st_mtime <= limits.stale_seconds
    except (OSError, ValueError):
        return False


def _body(path: Path, limits: FetchLimits) -> bytes:
    """Return the text of a playlist; none if it cannot be read, or has too many lines."""
    try:
        with open_readonly(path, name=str(path)) as descriptor:
            body = _read(descriptor, ByteRange(start=0, length=limits.playlist_bytes))
    except (InputError, OSError):
        return b""
    return b"" if body.count(b"\n") + body.count(b"\r") > limits.playlist_lines else body


def _read(descriptor: int, span: ByteRange) -> bytes:
    """Return the bytes of a range, fewer if the file ends in it."""
    length = max(0, min(span.length, os.fstat(descriptor).st_size - span.start))
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(span.start)
        return file.read(length)


def _spool(descriptor: int, span: ByteRange) -> HeldBytes:
    """Return the bytes of a range, fewer if the file ends in it."""
    at, end = span.start, span.start + span.length
    with Spool() as spool:
        while at < end and (part := os.pread(descriptor, min(_CHUNK, end - at), at)):
            spool.write(part)
            at += len(part)
        return spool.take()


def _exists(path: Path) -> bool:
    """Return whether there is such a file; none has a name that is too long."""
    try:
        return path.exists()
    except OSError:
        return False

"""Playlists on disk: reads files of their folder and of no other."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scanner.errors import DamagedError, LimitError, RefusedError
from scanner.sandbox.memory import open_readonly
from scanner.sources.limits import FetchLimits
from scanner.sources.playlist import ByteRange
from scanner.types import Source

__all__ = ["Folder"]

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class Folder:
    """The folder of a playlist file, which may reference the files below it."""

    live = False

    def __init__(self, playlist: Path, limits: FetchLimits) -> None:
        self.start = str(playlist)
        self._root = playlist.parent.resolve()
        self._limits = limits

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
            if real is not None and real.exists():
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

    def read_playlist(self, location: str) -> bytes:
        """Return the whole file."""
        limit = self._limits.playlist_bytes
        with open_readonly(Path(location), name=location) as descriptor:
            body = _read(descriptor, ByteRange(start=0, length=limit + 1))
        if len(body) > limit:
            raise LimitError(f"{location}: playlist over {limit} bytes", kind="limit_bytes")
        return body

    def read_media(self, location: str, span: ByteRange | None) -> Source | None:
        """Return the path itself, or the bytes of a range."""
        path = Path(location)
        if not path.exists():
            return None
        if span is None:
            return path
        if span.length > self._limits.segment_bytes:
            raise LimitError(
                f"{location}: {span.length} bytes, limit is {self._limits.segment_bytes}",
                kind="limit_bytes",
            )
        with open_readonly(path, name=location) as descriptor:
            data = _read(descriptor, span)
        if len(data) < span.length:
            raise DamagedError(f"{location}: ends before byte {span.start + span.length}")
        return data


def _read(descriptor: int, span: ByteRange) -> bytes:
    """Return the bytes of a range, fewer if the file ends in it."""
    length = max(0, min(span.length, os.fstat(descriptor).st_size - span.start))
    with open(descriptor, "rb", closefd=False) as file:
        file.seek(span.start)
        return file.read(length)

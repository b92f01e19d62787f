"""What the names of pushed objects say: which belong together, and which init a segment needs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import Final

from scanner.ingest.point import KnownInit

__all__ = ["choose_init", "is_sound", "series_of"]

_LAST_NUMBER: Final = re.compile(r"\d+(?=\D*$)")
_SOUND_OR_TEXT: Final = (
    ".cmfa",
    ".m4a",
    ".aac",
    ".ac3",
    ".ec3",
    ".mp3",
    ".vtt",
    ".cmft",
    ".webvtt",
)


def series_of(path: str) -> str:
    """Return the series that a segment's path belongs to: its name without the counter.

    >>> series_of("v0/index12.ts"), series_of("chunk-stream1-00001.m4s")
    ('v0/index#.ts', 'chunk-stream1-#.m4s')
    """
    folder, name = posixpath.split(path)
    stem, extension = posixpath.splitext(name)
    return posixpath.join(folder, _LAST_NUMBER.sub("#", stem, count=1) + extension)


def is_sound(path: str) -> bool:
    """Return whether a name says that there is no picture in the object."""
    return path.lower().endswith(_SOUND_OR_TEXT)


def choose_init(
    inits: Sequence[KnownInit], *, named: str | None, segment: str, after: int
) -> KnownInit | None:
    """Return the init segment that a segment needs, or None if it has not arrived.

    ``named`` is the path that the playlist gives, if it gives one. The one counts that was complete
    when the segment's request began (``after``), else the first one since.
    """
    path = named if named is not None else _guess(inits, segment)
    fitting = sorted((one for one in inits if one.path == path), key=lambda one: one.number)
    before = [one for one in fitting if one.number <= after]
    if before:
        return before[-1]
    return fitting[0] if fitting else None


def _guess(inits: Sequence[KnownInit], segment: str) -> str | None:
    """Return the path of the init segment that fits a segment's name best: in its folder, and the
    only one there, or with a word of its name (``init-stream0`` and ``chunk-stream0-1``)."""
    folder, name = posixpath.split(segment)
    near = [one.path for one in inits if posixpath.dirname(one.path) == folder]
    paths = list(dict.fromkeys(near or [one.path for one in inits]))
    if len(paths) == 1:
        return paths[0]
    for path in paths:
        stem = posixpath.splitext(posixpath.basename(path))[0]
        words = [
            word for word in re.split(r"[-_.]", stem) if word.lower() not in ("init", "header")
        ]
        if words and all(word in re.split(r"[-_.]", name) for word in words):
            return path
    return None

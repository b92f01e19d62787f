"""Watches a folder: each new file of media is a segment, once nothing writes to it any more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner.errors import InputError
from scanner.follow.pusher import SourcePusher, read_source
from scanner.sources.cancellation import Cancellation
from scanner.sources.limits import FetchLimits
from scanner.sources.pushed_media import has_media_name
from scanner.types import FileBeneath

__all__ = ["FoundFile", "find_complete", "playlist_in", "watch_folder"]

LOOK_SECONDS: Final = 1.0
"""Seconds between two looks: a file that changed meanwhile is being written."""
QUIET_SECONDS: Final = 10
"""Time without a change after which the newest file is complete: writers flush now and then."""


@dataclass(frozen=True, slots=True, order=True)
class FoundFile:
    """A file as one look finds it; the oldest is first."""

    modified_ns: int
    name: str
    size: int


def playlist_in(folder: Path) -> Path | None:
    """Return the newest HLS playlist in a folder, or None."""
    found = [*folder.glob("*.m3u8")]
    return max(found, key=lambda path: path.stat().st_mtime_ns) if found else None


def find_complete(
    folder: Path, before: frozenset[FoundFile], *, since_ns: int, now_ns: int
) -> tuple[list[FoundFile], frozenset[FoundFile]]:
    """Return the files that did not change since the look before and are followed by another one,
    or did not change for long; and all files of this look."""
    found = frozenset(one for one in _look(folder) if one.modified_ns >= since_ns)
    newest = max(found, default=None)
    complete = [
        one
        for one in found & before
        if one != newest or now_ns - one.modified_ns >= QUIET_SECONDS * 1_000_000_000
    ]
    return sorted(complete), found


def watch_folder(
    folder: Path,
    pusher: SourcePusher,
    limits: FetchLimits,
    cancellation: Cancellation,
    *,
    since: float,
) -> None:
    """Push the files that appear in a folder after ``since``, in seconds since the epoch, in the
    order of their times, until it is cancelled."""
    known: frozenset[FoundFile] = frozenset()
    pushed: set[FoundFile] = set()
    while True:
        complete, known = find_complete(
            folder, known, since_ns=int(since * 1e9), now_ns=time.time_ns()
        )
        pushed &= known
        for one in complete:
            if one not in pushed:
                _push_file(folder, one, pusher, limits)
                pushed.add(one)
        cancellation.sleep(LOOK_SECONDS)


def _look(folder: Path) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if has_media_name(entry.name) and entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    if facts.st_size:
                        yield FoundFile(facts.st_mtime_ns, entry.name, facts.st_size)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from error


def _push_file(folder: Path, one: FoundFile, pusher: SourcePusher, limits: FetchLimits) -> None:
    """Push a file under a name with one number, by which files are told to belong together."""
    path = f"follow/segment-{one.modified_ns // 1000}{Path(one.name).suffix.lower()}"
    try:
        file = FileBeneath(folder=folder, name=one.name)
        pusher.push(path, read_source(file, most=limits.segment_bytes))
    except InputError:
        return  # it is gone, too large, or no regular file
